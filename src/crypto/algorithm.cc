#include "crypto/algorithm.h"

namespace crypto {
namespace {

constexpr std::string_view kNames[kAlgorithmCount] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                                      "PS512", "ES256", "ES384", "ES512", "EdDSA"};

}  // namespace

std::optional<Algorithm> parse_algorithm(std::string_view name) {
  for (int i = 0; i < kAlgorithmCount; ++i) {
    if (kNames[i] == name) return static_cast<Algorithm>(i);
  }
  return std::nullopt;
}

std::string_view algorithm_name(Algorithm algorithm) { return kNames[static_cast<size_t>(algorithm)]; }

}  // namespace crypto
