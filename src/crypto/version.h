// Which libcrypto this process runs with, for `gatehouse version`.
#pragma once

#include <string_view>

namespace crypto {

std::string_view library_version();  // "OpenSSL 3.0.17 1 Jul 2025"; lives for ever

}  // namespace crypto
