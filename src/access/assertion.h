// The signed statement of who is calling that a backend gets in `Gatehouse-Identity`: a JWS (ES256) of at
// most five minutes. The signer is immutable and shared; each worker keeps the assertions it made and makes a
// new one when half of an old one's life is gone, so that signing stays off the path of nearly every request.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "access/identity.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/random.h"
#include "crypto/signing_key.h"

namespace auth {

inline constexpr base::Duration kAssertionLifeMax = base::seconds(300);
// Also for an identity that is about to expire, so that a slow backend does not see it dead on arrival.
inline constexpr base::Duration kAssertionLifeMin = base::seconds(30);

struct AssertionTimes {
  base::WallTime issued;
  base::WallTime expires;
};

class AssertionSigner {
 public:
  struct Setup {
    crypto::SigningKey key;
    std::vector<std::string> earlier_jwks;  // public JWKs whose last assertion has not expired
    std::string issuer;                     // a URI
    base::Duration life = kAssertionLifeMax;
  };
  explicit AssertionSigner(Setup setup);

  struct Input {
    const Identity& identity;
    std::string_view service;
    base::WallTime now;
    crypto::RandomSource& random;
  };
  base::Result<std::string> make_assertion(const Input& input) const;
  // The times an assertion made now would carry.
  AssertionTimes times(const Identity& identity, base::WallTime now) const;

  // {"keys":[...]}: the current key first, then the earlier ones.
  const std::string& key_set_json() const { return key_set_json_; }
  const crypto::SigningKey& key() const { return key_; }
  uint64_t serial() const { return serial_; }  // unique in the process

 private:
  crypto::SigningKey key_;
  std::string issuer_;
  base::Duration life_;
  std::string header_;  // base64url, with the dot
  std::string key_set_json_;
  uint64_t serial_;
};

using AssertionPtr = std::shared_ptr<const std::string>;

// One per worker; no locks. Lookups do not allocate.
class AssertionCache {
 public:
  static constexpr uint32_t kWays = 4;
  explicit AssertionCache(uint32_t entries_max = 4096);  // rounded up to a power of two

  struct Input {
    const AssertionSigner& signer;
    const Identity& identity;
    uint32_t service_slot = 0;  // names the service: never reused for another within the process
    std::string_view service;
    base::WallTime now;
    crypto::RandomSource& random;
  };
  base::Result<AssertionPtr> find_or_make(const Input& input);

  size_t entries() const;

 private:
  struct Place {
    uint64_t identity_serial = 0;
    uint64_t signer_serial = 0;
    uint32_t service_slot = 0;
    base::WallTime made;
    base::WallTime renew_at;
    AssertionPtr assertion;  // empty: a free place
  };
  std::vector<Place> places_;
  size_t mask_;
};

}  // namespace auth
