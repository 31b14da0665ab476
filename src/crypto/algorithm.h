// The signature algorithms of RFC 7518 §3.1 and RFC 8037 that the gate knows. A closed list: `none` and the
// HS family have no member, so that no code path can be talked into them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace crypto {

enum class Algorithm : uint8_t { rs256, rs384, rs512, ps256, ps384, ps512, es256, es384, es512, eddsa };
inline constexpr int kAlgorithmCount = 10;

std::optional<Algorithm> parse_algorithm(std::string_view name);  // case-sensitive, as RFC 7515 §4.1.1 says
std::string_view algorithm_name(Algorithm algorithm);             // "RS256"

}  // namespace crypto
