// Logs people in, keeps their tokens, renews their sessions and ends them: everything about a session that
// takes an issuer or the session store. Workers ask by gate::Question; what concerns all of them is
// published. Control thread only. One thing is asked of an issuer once, however many requests wait for it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "access/oidc.h"
#include "access/providers.h"
#include "access/session.h"
#include "control/issuers.h"
#include "control/key_sets.h"
#include "control/session_store.h"
#include "control/token_endpoint.h"
#include "crypto/random.h"
#include "gate/inquiry.h"
#include "gate/sessions.h"
#include "io/broadcast.h"
#include "io/loop.h"
#include "io/task.h"

namespace control {

class SessionKeeper final : public SessionStore::Listener {
 public:
  // Passes what concerns every worker on to them.
  class Publisher {
   public:
    virtual ~Publisher() = default;
    virtual void publish_renewed(const gate::RenewedSession& renewed) = 0;
    virtual void publish_revocation(const auth::Revocation& revocation) = 0;
    virtual void publish_revoked(gate::Sessions::Revoked known) = 0;
  };

  struct Parts {
    io::Loop& loop;
    crypto::RandomSource& random;
    TokenEndpoint& tokens;
    IssuerKeeper& issuers;
    KeySetKeeper& keys;
    Publisher& publisher;
  };
  explicit SessionKeeper(const Parts& parts) : parts_(parts) {}

  // What a new generation says. The store outlives this.
  void apply(std::shared_ptr<const auth::Providers> providers, std::shared_ptr<const auth::Sealer> sealer,
             const auth::SessionLimits& limits);
  void use_store(SessionStore& store) { store_ = &store; }
  // Another store is about to be opened.
  void await_revocations() { parts_.publisher.publish_revoked(gate::Sessions::Revoked::unknown); }

  io::Task<gate::Answer> complete_login(gate::CompleteLogin login);
  io::Task<gate::Answer> renew(gate::RenewSession question);
  io::Task<gate::Answer> load(gate::LoadSession question);
  io::Task<gate::Answer> end(gate::EndSession question);
  io::Task<gate::Answer> take_logout_token(gate::TakeLogoutToken question);
  // The session's access token, for backends.
  struct AccessToken {
    std::string text;
    base::WallTime until;
  };
  io::Task<base::Result<AccessToken>> access_token(auth::SessionPtr session);

  void revoked(const auth::Revocation& revocation) override;
  void caught_up() override { parts_.publisher.publish_revoked(gate::Sessions::Revoked::known); }

 private:
  // What the store holds of a session.
  struct Kept {
    auth::Session session;  // whole, of the newest version
    std::string refresh_token;
    std::string id_token;  // of the login: the hint at a logout
    std::string access_token;
  };
  // A renewal under way, and those who wait for it.
  struct Renewal {
    io::Broadcast done;
    std::optional<gate::Answer> answer;
  };

  struct Issuer {
    std::shared_ptr<const auth::Providers> providers;  // which the two below are part of
    const auth::Provider& provider;
    const auth::OidcPolicy& policy;
    gate::IssuerMetadataPtr metadata;
  };
  io::Task<base::Result<Issuer>> find_issuer(std::string provider, std::string registration);
  struct IdTokenWish {
    std::string nonce;
    std::string access_token;
    std::optional<base::Duration> max_age;
  };
  io::Task<base::Result<auth::IdToken>> check_id_token(const Issuer& issuer, std::string token,
                                                       IdTokenWish wish);
  io::Task<base::Result<std::string>> collect_claims(const Issuer& issuer, const auth::IdToken& token,
                                                     std::string access_token);
  io::Task<gate::Answer> renew_once(auth::SessionPtr session);
  io::Task<base::Result<Kept>> refresh(const Issuer& issuer, Kept kept);
  io::Task<gate::Answer> await_other_gate(const auth::Session& session);
  void set_times(auth::Session& session, const auth::TokenAnswer& answer) const;

  io::Task<base::Result<Kept>> read(const auth::Session& session);
  io::Task<bool> write(const Kept& kept);
  gate::Answer answer_with(const Kept& kept);
  gate::Answer publish(const Kept& kept);
  io::Task<base::Result<>> revoke(auth::Revocation revocation);
  base::WallTime now() const { return parts_.loop.clock().wall_now(); }

  Parts parts_;
  SessionStore* store_ = nullptr;
  std::shared_ptr<const auth::Providers> providers_;
  std::shared_ptr<const auth::Sealer> sealer_;
  auth::SessionLimits limits_;
  std::map<std::string, std::shared_ptr<Renewal>> renewals_;  // by session id
};

}  // namespace control
