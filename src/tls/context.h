// What every libssl context of the gate has in common, and what its callbacks share. Private to tls/.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "tls/settings.h"

namespace tls {

// Versions, ciphers, curves, no renegotiation or compression, buffers released when idle.
enum class Role : uint8_t { server, client };
ContextHandle make_context(Role role, Version version_min);

// The context takes its own references.
std::expected<void, std::string> use_key_pair(ssl_ctx_st* context, const KeyPair& pair);

// RFC 7301 §3.1: each name behind its length. nullopt: a name is empty or too long.
std::optional<std::string> alpn_wire(const std::vector<std::string>& names);

}  // namespace tls
