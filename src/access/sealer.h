// Seals what goes to a browser or a store and must come back unread and unchanged: sessions, logins under
// way, tokens. Made by control/ (control/session_keys.h), used by any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/aead.h"
#include "crypto/random.h"

namespace auth {

// Immutable. The first key seals, all of them open, so that keys are replaced without logging anybody out.
class Sealer {
 public:
  explicit Sealer(const std::vector<crypto::AeadKey>& keys);  // at least one

  // Authenticated, each behind its length, and has to be the same again: what was sealed for one purpose,
  // provider or host is worth nothing at another.
  struct Binding {
    std::string_view purpose;  // "session", "login"
    std::string_view provider;
    std::string_view host;
  };
  // base64url.
  std::string seal(std::string_view plain, const Binding& binding, crypto::RandomSource& random) const;
  // nullopt: not sealed by these keys for this, or changed.
  std::optional<std::string> open(std::string_view sealed, const Binding& binding) const;

  uint64_t serial() const { return serial_; }  // unique in the process

 private:
  using KeyId = decltype(crypto::AeadKey().id());
  struct Key {
    KeyId id;
    crypto::AeadKey key;
  };
  std::vector<Key> keys_;
  uint64_t serial_;
};

// How many characters seal() makes of so many bytes.
constexpr size_t sealed_size(size_t plain) {
  const size_t bytes = sizeof(crypto::AeadKey().id()) + plain + crypto::kAeadOverhead;
  return bytes / 3 * 4 + (bytes % 3 == 0 ? 0 : bytes % 3 + 1);
}

}  // namespace auth
