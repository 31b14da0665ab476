// What a worker knows of people's sessions besides their cookies: newer versions that renewals brought, which
// sessions were ended before their time, and what issuers say of themselves. Fed by control/, asked by the
// stage "authenticate". Opened cookies are kept with other verified credentials in the auth::TokenCache.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "access/oidc.h"
#include "access/revocations.h"
#include "access/session.h"
#include "base/time.h"

namespace gate {

// A session's newest version, for browsers that still send an older cookie.
struct RenewedSession {
  auth::SessionPtr session;
  std::string cookie;  // its value
};

using IssuerMetadataPtr = std::shared_ptr<const auth::IssuerMetadata>;

class Sessions {
 public:
  // However many are renewed, and however long browsers keep old cookies: what is forgotten is found in the
  // session store when it is asked for.
  static constexpr size_t kRenewedMax = 16'384;
  // Questions about one session go to the control thread no oftener than this.
  static constexpr base::Duration kAskAgain = base::seconds(5);

  void put_renewed(RenewedSession renewed, base::WallTime now);
  // nullptr: none newer than what the cookie says, as far as is known.
  const RenewedSession* newer_than(const auth::Session& session) const;
  // True for the first who asks within kAskAgain: one request in a burst causes the renewal ahead.
  bool may_ask_renewal(const auth::Session& session, base::WallTime now);

  void revoke(const auth::Revocation& revocation) { revocations_.add(revocation); }
  // Until the session store has told all that was revoked before, nobody can say of a session that it has not
  // ended.
  enum class Revoked : uint8_t { unknown, known };
  void set_revoked(Revoked known) { revoked_ = known; }
  Revoked revoked() const { return revoked_; }
  const auth::Revocations& revocations() const { return revocations_; }

  void put_issuer(std::string provider, IssuerMetadataPtr metadata);
  IssuerMetadataPtr issuer(std::string_view provider) const;

  // Once a second or so.
  void forget_passed(base::WallTime now);

 private:
  struct Entry {
    RenewedSession renewed;
    base::WallTime asked;
    base::WallTime until;  // forgotten then
  };
  std::unordered_map<std::string, Entry> by_id_;
  auth::Revocations revocations_;
  Revoked revoked_ = Revoked::unknown;
  std::vector<std::pair<std::string, IssuerMetadataPtr>> issuers_;
  base::WallTime swept_;
};

}  // namespace gate
