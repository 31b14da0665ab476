// Which sessions were ended before their time: by signing out, everywhere or here, and by back-channel
// logout. One per worker, fed by control/, which keeps them in the session store. Lookups do not allocate.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "access/session.h"

namespace auth {

// session: one of ours, by its id. provider_session: all that one `sid` of the issuer's led to. subject: all
// of a person's with a provider.
enum class RevokedBy : uint8_t { session, provider_session, subject };

struct Revocation {
  RevokedBy by = RevokedBy::session;
  std::string provider;
  std::string name;       // the id, `sid` or subject
  base::WallTime before;  // sessions signed in before this are over
  base::WallTime until;   // when the last of them would have ended anyway: forgotten then
};

std::string encode_revocation(const Revocation& revocation);
std::optional<Revocation> decode_revocation(std::string_view text);

class Revocations {
 public:
  void add(const Revocation& revocation);
  bool covers(const Session& session, std::string_view subject) const;
  void forget_passed(base::WallTime now);
  size_t size() const { return map_.size(); }
  uint64_t version() const { return version_; }  // another after every add()

 private:
  struct Times {
    base::WallTime before;
    base::WallTime until;
  };
  std::unordered_map<uint64_t, Times> map_;  // by a keyed hash of kind, provider and name
  uint64_t version_ = 0;
};

}  // namespace auth
