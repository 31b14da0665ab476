// Which Redis server, as users write it in one URL. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "io/address.h"

namespace redis {

struct Target {
  enum class Security : uint8_t { none, tls } security = Security::none;
  io::HostPort where;
  std::string user;      // empty: the server's default user
  std::string password;  // empty: none is asked for
  uint32_t database = 0;

  bool operator==(const Target&) const = default;
};

// redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// the same over TLS, unix:/PATH[?db=DATABASE] or
// unix://[USER]:PASSWORD@/PATH. User and password are percent-encoded. The error is a sentence that repeats
// nothing of the URL, which holds a secret.
std::expected<Target, std::string> parse_target(std::string_view url);

// For people: without user and password.
std::string describe(const Target& target);

}  // namespace redis
