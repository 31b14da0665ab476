#include "control/sessions.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "access/json.h"
#include "base/bytes.h"

namespace control {
namespace {

using base::Reason;
using gate::Answer;

constexpr auth::JsonLimits kKeptLimits{.bytes = 512 * 1024, .depth = 3, .values = 16};
// Of an access token whose issuer does not say (RFC 6749 §5.1).
constexpr base::Duration kTokenLifeDefault = base::seconds(3600);
// How long a login's state is remembered as used: longer than any login may take.
constexpr base::Duration kStateKept = auth::kLoginTime + base::seconds(60);
// The right to renew a session among gates that share a store, and how long the others wait for the result.
constexpr base::Duration kRenewalClaim = base::seconds(15);
constexpr base::Duration kOtherGatePatience = base::seconds(7);
constexpr base::Duration kOtherGateInterval = base::milliseconds(100);
// Logout tokens are replayed in vain for as long as they would be believed (Back-Channel Logout §2.6).
constexpr base::Duration kLogoutTokenKept = base::seconds(600);

Answer failed(base::Error error) {
  Answer answer;
  answer.outcome = base::fail(error);
  return answer;
}
Answer failed(const std::unexpected<base::Error>& error) { return failed(error.error()); }

std::unexpected<base::Error> ended(const char* detail) {
  return base::client_error(Reason::session_ended, detail);
}

base::WallTime after(base::WallTime time, base::Duration duration) { return {time.ns + duration.ns}; }

auth::Sealer::Binding binding_of_kept(const auth::Session& session) {
  return {.purpose = "kept session", .provider = session.provider, .host = session.host};
}

std::string key_of(const auth::Session& session) { return "session:" + session.id; }

void append_member(std::string& json, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  json += json.empty() ? '{' : ',';
  json += base::json_quoted(name) + ":" + base::json_quoted(value);
}

}  // namespace

void SessionKeeper::apply(std::shared_ptr<const auth::Providers> providers,
                          std::shared_ptr<const auth::Sealer> sealer, const auth::SessionLimits& limits) {
  providers_ = std::move(providers);
  // A gate where nobody logs in any more has none, but what is under way has to be sealed and opened.
  if (sealer != nullptr) sealer_ = std::move(sealer);
  limits_ = limits;
}

// --- What the store holds ---

io::Task<base::Result<SessionKeeper::Kept>> SessionKeeper::read(const auth::Session& session) {
  std::string key = key_of(session);
  auth::Sealer::Binding binding = binding_of_kept(session);
  auto sealer = sealer_;
  auto stored = co_await store_->get(key);
  if (!stored) {
    spdlog::error("session store: {}", stored.error());
    co_return base::gate_error(Reason::session_store_unavailable, "the session store cannot be read");
  }
  if (!*stored) co_return ended("the session's tokens are gone");
  auto plain = sealer->open(**stored, binding);
  auto tree = plain ? auth::parse_json(*plain, kKeptLimits) : std::unexpected("not sealed by this gate");
  if (!tree) co_return ended("the session's tokens cannot be read any more");
  Kept kept;
  auto encoded = base::base64url_decode(tree->root().member("session").text());
  auto decoded = encoded ? auth::decode_session(*encoded) : ended("the session cannot be read any more");
  if (!decoded) co_return std::unexpected(decoded.error());
  if (decoded->id != session.id) co_return ended("the session's tokens are another's");
  kept.session = std::move(*decoded);
  kept.refresh_token = tree->root().member("refresh_token").text();
  kept.id_token = tree->root().member("id_token").text();
  kept.access_token = tree->root().member("access_token").text();
  co_return kept;
}

io::Task<bool> SessionKeeper::write(const Kept& kept) {
  std::string json;
  append_member(json, "session", base::base64url_encode(auth::encode_session(kept.session)));
  append_member(json, "refresh_token", kept.refresh_token);
  append_member(json, "id_token", kept.id_token);
  append_member(json, "access_token", kept.access_token);
  json += '}';
  std::string sealed = sealer_->seal(json, binding_of_kept(kept.session), parts_.random);
  auto put = co_await store_->put(key_of(kept.session), std::move(sealed), kept.session.ends);
  if (!put) spdlog::error("session store: {}", put.error());
  co_return put.has_value();
}

Answer SessionKeeper::answer_with(const Kept& kept) {
  Answer answer;
  answer.session = std::make_shared<const auth::Session>(kept.session);
  answer.text = auth::seal_session(kept.session, *sealer_, parts_.random);
  return answer;
}

// --- Issuers ---

io::Task<base::Result<SessionKeeper::Issuer>> SessionKeeper::find_issuer(std::string name,
                                                                         std::string registration) {
  auto providers = providers_;
  const auth::Provider* provider = providers != nullptr ? providers->find(name) : nullptr;
  // Tokens of one issuer are never shown to another that has its name now.
  if (provider == nullptr || !provider->oidc || provider->oidc->registration != registration) {
    co_return base::client_error(Reason::session_ended,
                                 "the identity provider is not one of this gate's any more");
  }
  auto metadata = co_await parts_.issuers.find(name);
  if (!metadata) co_return std::unexpected(metadata.error());
  co_return Issuer{.providers = std::move(providers),
                   .provider = *provider,
                   .policy = *provider->oidc,
                   .metadata = std::move(*metadata)};
}

// With the issuer's keys at hand, and once more with fresh ones where the token names another.
io::Task<base::Result<auth::IdToken>> SessionKeeper::check_id_token(const Issuer& issuer, std::string token,
                                                                    IdTokenWish wish) {
  for (bool fresh = false;; fresh = true) {
    auth::KeySetPtr keys = fresh ? co_await parts_.keys.fetch_anew(issuer.provider.key_slot)
                                 : parts_.keys.find(issuer.provider.key_slot);
    if (keys != nullptr) {
      auto verified = auth::verify_id_token(token, {.policy = issuer.policy,
                                                    .keys = *keys,
                                                    .nonce = wish.nonce,
                                                    .access_token = wish.access_token,
                                                    .max_age = wish.max_age,
                                                    .now = now()});
      if (verified || fresh || verified.error().reason != Reason::key_set_unavailable) co_return verified;
    } else if (fresh) {
      co_return base::gate_error(Reason::identity_provider_unavailable,
                                 "the identity provider's keys could not be loaded");
    }
  }
}

io::Task<base::Result<std::string>> SessionKeeper::collect_claims(const Issuer& issuer,
                                                                  const auth::IdToken& token,
                                                                  std::string access_token) {
  if (issuer.policy.spec.userinfo == auth::Userinfo::off) co_return token.claims;
  if (issuer.metadata->userinfo_endpoint.empty()) {
    spdlog::warn("provider {}: userinfo is on, and the issuer has no such endpoint", issuer.provider.name);
    co_return token.claims;
  }
  auto userinfo = co_await parts_.tokens.fetch_userinfo(
      {.policy = issuer.policy, .metadata = *issuer.metadata}, std::move(access_token));
  if (!userinfo) {
    spdlog::error("provider {}: userinfo: {}", issuer.provider.name, userinfo.error().sentence);
    co_return base::gate_error(Reason::identity_provider_unavailable,
                               "the identity provider did not say who it is (userinfo)");
  }
  co_return auth::join_claims(token, *userinfo);
}

void SessionKeeper::set_times(auth::Session& session, const auth::TokenAnswer& answer) const {
  base::Duration life = answer.expires_in.value_or(kTokenLifeDefault);
  session.tokens_from = now();
  session.tokens_until = std::min(after(now(), life), session.ends);
}

// --- Logging in ---

io::Task<Answer> SessionKeeper::complete_login(gate::CompleteLogin login) {
  auto issuer = co_await find_issuer(login.login.provider, login.login.registration);
  if (!issuer) co_return failed(issuer.error());
  const std::string& name = issuer->provider.name;
  if (auto from = auth::check_answer_issuer(login.answer, *issuer->metadata); !from)
    co_return failed(from.error());
  auto first = co_await store_->claim("login:" + login.login.state, after(login.login.began, kStateKept));
  if (first && !*first) {
    co_return failed(base::client_error(Reason::login_state_invalid, "the login was finished before"));
  }
  // Without a store the cookie is taken away all the same, and the issuer takes a code once.
  if (!first) spdlog::error("session store: {}", first.error());

  auto tokens = co_await parts_.tokens.exchange_code(
      {.policy = issuer->policy, .metadata = *issuer->metadata},
      {.code = login.answer.code, .verifier = login.login.verifier, .redirect_uri = login.redirect_uri});
  if (!tokens) {
    spdlog::warn("provider {}: a login was not completed: {}", name, tokens.error().sentence);
    co_return failed(
        tokens.error().unreachable
            ? base::gate_error(Reason::identity_provider_unavailable,
                               "the identity provider could not be asked for the tokens")
            : base::client_error(Reason::login_refused, "the identity provider refused the code"));
  }
  if (tokens->id_token.empty()) {
    co_return failed(base::client_error(Reason::login_refused, "the identity provider sent no ID token"));
  }
  auto id_token = co_await check_id_token(
      *issuer, tokens->id_token,
      {.nonce = login.login.nonce, .access_token = tokens->access_token, .max_age = login.max_age});
  if (!id_token) {
    spdlog::warn("provider {}: a login was refused: {}", name, id_token.error().detail);
    co_return failed(id_token.error());
  }
  auto claims = co_await collect_claims(*issuer, *id_token, tokens->access_token);
  if (!claims) co_return failed(claims.error());

  Kept kept;
  kept.session.id = auth::make_session_id(parts_.random);
  kept.session.provider = name;
  kept.session.host = login.login.host;
  kept.session.registration = login.login.registration;
  kept.session.signed_in = kept.session.seen = now();
  kept.session.ends = after(now(), limits_.lifetime);
  kept.session.provider_session = id_token->session;
  kept.session.claims = std::move(*claims);
  kept.session.scopes = std::move(tokens->scopes);
  kept.session.asked = login.login.asked;
  set_times(kept.session, *tokens);
  // Somebody whose claims cannot be read is not logged in, rather than turned away by every request.
  if (auto identity = auth::identity_of(kept.session, issuer->policy.spec.claims); !identity) {
    co_return failed(base::client_error(Reason::login_refused, "the ID token does not say who it is about"));
  }
  kept.session.claims_in_store = !auth::fits_cookie(kept.session);
  kept.refresh_token = std::move(tokens->refresh_token);
  kept.id_token = std::move(tokens->id_token);
  kept.access_token = std::move(tokens->access_token);
  if (!kept.refresh_token.empty()) kept.session.renewal = auth::Renewal::possible;
  Answer answer = answer_with(kept);
  if (!co_await write(kept)) {
    // It holds as long as its tokens do; only what needs the store is missing.
    if (answer.session->claims_in_store) {
      co_return failed(
          base::gate_error(Reason::session_store_unavailable, "the session store cannot be written"));
    }
    kept.session.renewal = auth::Renewal::none;
    answer = answer_with(kept);
  }
  co_return answer;
}

// --- Renewing ---

io::Task<Answer> SessionKeeper::renew(gate::RenewSession question) {
  auto& place = renewals_[question.session->id];
  if (place != nullptr) {
    std::shared_ptr<Renewal> renewal = place;
    io::Broadcast::Seat seat(renewal->done);
    while (!renewal->answer) co_await io::wait_for(parts_.loop, base::kNever, seat.signal);
    co_return *renewal->answer;
  }
  std::shared_ptr<Renewal> renewal = place = std::make_shared<Renewal>();
  std::string id = question.session->id;
  renewal->answer = co_await renew_once(std::move(question.session));
  renewals_.erase(id);
  renewal->done.notify_all();
  co_return *renewal->answer;
}

io::Task<Answer> SessionKeeper::renew_once(auth::SessionPtr session) {
  auto kept = co_await read(*session);
  if (!kept) co_return failed(kept.error());
  if (kept->session.version > session->version)
    co_return publish(*kept);  // the browser's cookie is an old one
  std::string claim = "renewing:" + session->id + ":" + std::to_string(session->version);
  auto first = co_await store_->claim(claim, after(now(), kRenewalClaim));
  if (first && !*first) co_return co_await await_other_gate(*session);
  auto issuer = co_await find_issuer(session->provider, session->registration);
  if (!issuer) co_return failed(issuer.error());
  auto renewed = co_await refresh(*issuer, std::move(*kept));
  if (renewed) {
    if (!co_await write(*renewed)) renewed->session.renewal = auth::Renewal::none;
    co_return publish(*renewed);
  }
  if (renewed.error().reason == Reason::session_ended) {
    co_await revoke({.by = auth::RevokedBy::session,
                     .provider = session->provider,
                     .name = session->id,
                     .before = after(now(), base::seconds(1)),
                     .until = session->ends});
    co_await store_->erase(key_of(*session));
  } else {
    co_await store_->erase(claim);  // another try may do better
  }
  co_return failed(renewed.error());
}

// OpenID Connect Core §12.
io::Task<base::Result<SessionKeeper::Kept>> SessionKeeper::refresh(const Issuer& issuer, Kept kept) {
  const std::string& name = issuer.provider.name;
  if (kept.refresh_token.empty()) co_return ended("the session's tokens have ended");
  auto tokens = co_await parts_.tokens.refresh({.policy = issuer.policy, .metadata = *issuer.metadata},
                                               kept.refresh_token);
  if (!tokens) {
    spdlog::warn("provider {}: a session was not renewed: {}", name, tokens.error().sentence);
    if (tokens.error().unreachable) {
      co_return base::gate_error(Reason::identity_provider_unavailable,
                                 "the identity provider could not be asked to renew the session");
    }
    co_return ended("the identity provider did not renew the session");
  }
  std::string claims;
  if (!tokens->id_token.empty()) {
    auto id_token = co_await check_id_token(issuer, tokens->id_token, {.access_token = tokens->access_token});
    bool keys_missing = !id_token && id_token.error().side != base::Side::client;
    if (keys_missing) {
      // The tokens are there and were used up to get: the claims of the login go on being believed.
      spdlog::warn("provider {}: a renewed ID token could not be checked: {}", name, id_token.error().detail);
    } else if (!id_token) {
      spdlog::warn("provider {}: a renewed ID token was refused: {}", name, id_token.error().detail);
      co_return ended("the identity provider's renewed ID token was refused");
    } else {
      auto before = auth::identity_of(kept.session, {});
      if (!before || (*before)->subject != id_token->subject) {
        co_return ended("the identity provider renewed the session for somebody else");
      }
      auto collected = co_await collect_claims(issuer, *id_token, tokens->access_token);
      if (collected) kept.session.claims = std::move(*collected);
    }
  }
  kept.access_token = std::move(tokens->access_token);
  if (!tokens->refresh_token.empty()) kept.refresh_token = std::move(tokens->refresh_token);
  if (!tokens->scopes.empty()) kept.session.scopes = std::move(tokens->scopes);
  ++kept.session.version;
  kept.session.seen = now();
  set_times(kept.session, *tokens);
  kept.session.claims_in_store = !auth::fits_cookie(kept.session);
  co_return kept;
}

// Of several gates one renews; the others find what came of it in the store.
io::Task<Answer> SessionKeeper::await_other_gate(const auth::Session& session) {
  base::Instant deadline = parts_.loop.now() + kOtherGatePatience;
  while (parts_.loop.now() < deadline) {
    co_await io::sleep_for(parts_.loop, kOtherGateInterval);
    auto kept = co_await read(session);
    if (!kept) co_return failed(kept.error());
    if (kept->session.version > session.version) co_return publish(*kept);
  }
  co_return failed(base::gate_error(Reason::identity_provider_unavailable,
                                    "another gate is renewing the session and has not finished"));
}

Answer SessionKeeper::publish(const Kept& kept) {
  Answer answer = answer_with(kept);
  parts_.publisher.publish_renewed({.session = answer.session, .cookie = answer.text});
  return answer;
}

// --- What else workers ask ---

io::Task<Answer> SessionKeeper::load(gate::LoadSession question) {
  auto kept = co_await read(*question.session);
  if (!kept) co_return failed(kept.error());
  if (kept->session.version > question.session->version) co_return answer_with(*kept);
  auto whole = auth::complete_session(*question.session, kept->session);
  if (!whole) co_return failed(whole.error());
  Answer answer;
  answer.session = std::make_shared<const auth::Session>(std::move(*whole));
  co_return answer;
}

io::Task<base::Result<SessionKeeper::AccessToken>> SessionKeeper::access_token(auth::SessionPtr session) {
  auto kept = co_await read(*session);
  if (!kept) co_return std::unexpected(kept.error());
  if (kept->access_token.empty()) {
    co_return base::gate_error(Reason::backend_token_unavailable, "the session has no access token");
  }
  co_return AccessToken{.text = std::move(kept->access_token), .until = kept->session.tokens_until};
}

// --- Ending ---

void SessionKeeper::revoked(const auth::Revocation& revocation) {
  parts_.publisher.publish_revocation(revocation);
}

io::Task<base::Result<>> SessionKeeper::revoke(auth::Revocation revocation) {
  auto kept = co_await store_->revoke(std::move(revocation));
  if (kept) co_return base::Result<>{};
  spdlog::error("session store: a revocation could not be kept: {}", kept.error());
  co_return base::gate_error(Reason::session_store_unavailable, "the session store cannot be written");
}

io::Task<Answer> SessionKeeper::end(gate::EndSession question) {
  const auth::Session& session = *question.session;
  auth::Revocation revocation{.by = auth::RevokedBy::session,
                              .provider = session.provider,
                              .name = session.id,
                              .before = after(now(), base::seconds(1)),
                              .until = session.ends};
  if (question.reach == gate::SignOut::everywhere) {
    revocation.by = auth::RevokedBy::subject;
    revocation.name = question.subject;
    revocation.before = now();
    revocation.until = after(now(), limits_.lifetime);
    co_await revoke({.by = auth::RevokedBy::session,
                     .provider = session.provider,
                     .name = session.id,
                     .before = after(now(), base::seconds(1)),
                     .until = session.ends});
  }
  if (auto done = co_await revoke(std::move(revocation)); !done) co_return failed(done.error());
  auto kept = co_await read(session);
  co_await store_->erase(key_of(session));
  Answer answer;
  if (question.reach == gate::SignOut::gate) co_return answer;
  auto issuer = co_await find_issuer(session.provider, session.registration);
  if (!issuer) co_return answer;  // signed out here; the issuer cannot be told now
  if (kept && !kept->refresh_token.empty() && !issuer->metadata->revocation_endpoint.empty()) {
    co_await parts_.tokens.revoke({.policy = issuer->policy, .metadata = *issuer->metadata},
                                  std::move(kept->refresh_token));
  }
  answer.text =
      auth::end_session_url({.policy = issuer->policy,
                             .metadata = *issuer->metadata,
                             .id_token = kept ? std::string_view(kept->id_token) : std::string_view{},
                             .return_uri = question.return_uri});
  co_return answer;
}

io::Task<Answer> SessionKeeper::take_logout_token(gate::TakeLogoutToken question) {
  const auth::LogoutToken& token = question.token;
  base::WallTime kept_until = std::max(token.expires, after(now(), kLogoutTokenKept));
  auto first = co_await store_->claim("logout:" + question.provider + ":" + token.id, kept_until);
  if (first && !*first) {
    co_return failed(base::client_error(Reason::logout_token_invalid, "the logout token was used before"));
  }
  bool one_session = !token.session.empty();
  auto done =
      co_await revoke({.by = one_session ? auth::RevokedBy::provider_session : auth::RevokedBy::subject,
                       .provider = question.provider,
                       .name = one_session ? token.session : token.subject,
                       .before = now(),
                       .until = after(now(), limits_.lifetime)});
  if (!done) co_return failed(done.error());
  spdlog::info("provider {}: signed out by the issuer", question.provider);
  co_return Answer{};
}

}  // namespace control
