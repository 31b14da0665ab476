// Ids of exchanges: 128 random bits as 32 lower-case hex digits, the form of a W3C trace id. Unique, not
// secret: they come from a fast generator that a worker seeds once from the system's random source.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace telemetry {

struct RequestId {
  std::array<char, 32> digits{};  // all NUL: none was given
  std::string_view text() const {
    return digits[0] == '\0' ? std::string_view{} : std::string_view(digits.data(), digits.size());
  }
};

// xoshiro256++. One per worker; seeds must differ between workers, or their ids would be the same.
class RequestIdGenerator {
 public:
  using Seed = std::array<uint64_t, 4>;
  explicit RequestIdGenerator(const Seed& seed);

  RequestId next();

 private:
  uint64_t next_word();

  Seed state_;
};

}  // namespace telemetry
