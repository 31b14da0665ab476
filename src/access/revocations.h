// Which sessions were ended before their time: by signing out, everywhere or here, and by back-channel
// logout. One per worker, fed by control/, which keeps them in the session store. Lookups do not allocate.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "access/session.h"

namespace auth {

// session: one of ours, by its id. provider_session: all that one `sid` of the issuer's led to. subject: all
// of a person's with a provider.
enum class RevokedBy : uint8_t { session, provider_session, subject };

struct Revocation {
  RevokedBy by = RevokedBy::session;
  std::string provider;
  std::string name;       // the id, `sid` or subject
  base::WallTime before;  // sessions signed in until then are over; of a session by its id: whenever it was
  base::WallTime until;   // when the last of them would have ended anyway: forgotten then

  bool operator==(const Revocation&) const = default;
};

std::string encode_revocation(const Revocation& revocation);
std::optional<Revocation> decode_revocation(std::string_view text);

// Names are compared whole and kept in order rather than hashed: a miss would let somebody in, a wrong hit
// would log somebody out, and nobody can choose names that slow it down. Not bounded by a number, since
// dropping one would let somebody in: each stands for a login, or for a logout token that an issuer signed,
// and goes when those sessions would have ended.
class Revocations {
 public:
  void add(const Revocation& revocation);
  // subject: of the session's identity. Where its claims are in the store, the session has to be whole.
  bool covers(const Session& session, std::string_view subject) const;
  void forget_passed(base::WallTime now);
  size_t size() const { return map_.size(); }
  uint64_t version() const { return version_; }  // another after every add() of something new

 private:
  struct View {
    RevokedBy by;
    std::string_view provider;
    std::string_view name;
    auto operator<=>(const View&) const = default;
  };
  struct Key {
    RevokedBy by;
    std::string provider;
    std::string name;
    operator View() const { return {by, provider, name}; }
  };
  struct Before {
    using is_transparent = void;
    bool operator()(const View& a, const View& b) const { return a < b; }
  };
  struct Times {
    base::WallTime before;
    base::WallTime until;
    bool operator==(const Times&) const = default;
  };
  std::map<Key, Times, Before> map_;
  uint64_t version_ = 0;
};

}  // namespace auth
