// Stage "authenticate" for people: the session cookie to an identity. A cookie that counts for nothing makes
// nobody of its bearer, not a failure: public pages stay public. Why it did not count is kept for the case
// that the rules ask for a caller.
#include "gate/decision.h"
#include "gate/exchange.h"
#include "http/cookie.h"
#include "websocket/handshake.h"

namespace gate {

using base::Reason;
using http::HeaderId;

namespace {

// How long a request waits for its session's renewal or its claims.
constexpr base::Duration kSessionPatience = base::seconds(8);

}  // namespace

// The first of the service's providers that vouches for the browser.
io::Task<Exchange::Result> Exchange::authenticate_by_session() {
  revocations_seen_ = worker_.sessions().revocations().version();
  if (snapshot_->sealer == nullptr || !client_.head().headers.has(HeaderId::cookie)) co_return Result{};
  for (const std::string& provider : service_->login_providers) {
    if (auto looked = co_await find_session(provider, Purpose::calling); !looked) co_return looked;
    if (session_ == nullptr) continue;
    auto from_here = check_session_use(*service_, client_.head(), own_origin());
    if (!from_here) co_return refuse_credential(from_here.error());
    break;
  }
  co_return Result{};
}

// Sets session_ and identity_ when the browser has a session with that provider. Fails only where the
// exchange cannot go on.
io::Task<Exchange::Result> Exchange::find_session(std::string_view provider_name, Purpose purpose) {
  const auth::Provider* provider = snapshot_->providers->find(provider_name);
  if (provider == nullptr || !provider->oidc) co_return Result{};
  auto cookie =
      http::find_cookie(client_.head().headers, scratch_.join(auth::kSessionCookiePrefix, provider->name));
  if (cookie.count == http::CookieCount::none) co_return Result{};
  base::Result<OpenSession> opened =
      base::client_error(Reason::session_invalid, "the session cookie was sent more than once");
  if (cookie.count == http::CookieCount::one) opened = co_await open_newest(*provider, cookie.value);
  if (opened && purpose == Purpose::calling)
    opened = co_await keep_up(*provider, std::move(*opened), cookie.value);
  if (opened) {
    session_ = std::move(opened->session);
    identity_ = std::move(opened->identity);
    co_return Result{};
  }
  if (opened.error().side == base::Side::client && client_.client_gone())
    co_return base::fail(opened.error());
  note_session_failure(opened.error(), provider->name);
  co_return Result{};
}

// Whole, and of the newest version that is known; cookie becomes the one of that version.
io::Task<base::Result<Exchange::OpenSession>> Exchange::open_newest(const auth::Provider& provider,
                                                                    std::string_view& cookie) {
  base::Result<OpenSession> opened = open_cookie(provider, cookie);
  if (opened) {
    if (const RenewedSession* newer = worker_.sessions().newer_than(*opened->session)) {
      send_session_cookie(newer->cookie, *newer->session);
      cookie = scratch_.join(newer->cookie);
      opened = open_cookie(provider, cookie);
    }
  }
  if (opened && opened->identity == nullptr) {
    opened = co_await ask_for_session(provider, LoadSession{opened->session});
    if (opened) opened = keep_open(provider, digest_of_cookie(provider, cookie), std::move(*opened));
  }
  co_return opened;
}

auth::SessionPlace Exchange::session_place(const auth::Provider& provider) const {
  return {.provider = provider.name, .host = host_.host, .registration = provider.oidc->registration};
}

// From the worker's cache, or unsealed. identity is null when the claims are in the session store.
base::Result<Exchange::OpenSession> Exchange::open_cookie(const auth::Provider& provider,
                                                          std::string_view cookie) {
  crypto::Sha256 digest = digest_of_cookie(provider, cookie);
  base::WallTime now = worker_.wall_at(worker_.loop().now());
  const auth::CachedToken* cached = worker_.tokens().find(digest, now);
  if (cached != nullptr && cached->session != nullptr && cached->provider_version == provider.version &&
      cached->basis_version == snapshot_->sealer->serial()) {
    worker_.metrics().count(telemetry::Counter::token_cache_hits);
    return OpenSession{cached->session, cached->identity};
  }
  worker_.metrics().count(telemetry::Counter::token_cache_misses);
  auto unsealed = auth::open_session(cookie, session_place(provider), *snapshot_->sealer);
  if (!unsealed) return std::unexpected(unsealed.error());
  auth::IdentityPtr identity;
  if (!unsealed->claims_in_store) {
    auto known = auth::identity_of(*unsealed, provider.oidc->spec.claims);
    if (!known) return std::unexpected(known.error());
    identity = std::move(*known);
  }
  return keep_open(provider, digest,
                   {std::make_shared<auth::Session>(std::move(*unsealed)), std::move(identity)});
}

// Everything that opening it depends on, under a name of its own: a cookie is no bearer token.
crypto::Sha256 Exchange::digest_of_cookie(const auth::Provider& provider, std::string_view cookie) {
  return crypto::sha256({"session cookie\n", provider.name, "\n", host_.host, "\n", cookie});
}

Exchange::OpenSession Exchange::keep_open(const auth::Provider& provider, const crypto::Sha256& digest,
                                          OpenSession open) {
  if (open.identity == nullptr) return open;
  // The identity says its claims; the cookie or the store has them when the whole is needed again.
  auto slim = std::make_shared<auth::Session>(*open.session);
  slim->claims = {};
  open.session = std::move(slim);
  worker_.tokens().insert({.digest = digest,
                           .provider_version = provider.version,
                           .basis_version = snapshot_->sealer->serial(),
                           .valid_from = {0},
                           .valid_until = open.session->ends,
                           .identity = open.identity,
                           .session = open.session});
  return open;
}

// Whether the session still counts; renews it where its tokens have ended, and has it renewed ahead of that.
io::Task<base::Result<Exchange::OpenSession>> Exchange::keep_up(const auth::Provider& provider,
                                                                OpenSession open, std::string_view cookie) {
  if (worker_.sessions().revoked() == Sessions::Revoked::unknown) {
    co_return base::gate_error(Reason::session_store_unavailable,
                               "the session store has not said yet which sessions have ended");
  }
  base::WallTime now = worker_.wall_at(worker_.loop().now());
  if (worker_.sessions().revocations().covers(*open.session, open.identity->subject)) {
    co_return base::client_error(Reason::session_ended, "the session was signed out");
  }
  if (auto lasting = auth::check_session(*open.session, snapshot_->session_limits, now); !lasting) {
    co_return std::unexpected(lasting.error());
  }
  if (auth::renewal_is_overdue(*open.session, now)) {
    co_return co_await ask_for_session(provider, RenewSession{open.session});
  }
  if (auth::renewal_is_due(*open.session, now) && worker_.sessions().may_ask_renewal(*open.session, now)) {
    worker_.ask_without_waiting(RenewSession{open.session});
  }
  if (cookie_out_.empty() && auth::reseal_is_due(*open.session, snapshot_->session_limits, now)) {
    reseal(provider, cookie, now);
  }
  co_return open;
}

// The same session, seen now.
void Exchange::reseal(const auth::Provider& provider, std::string_view cookie, base::WallTime now) {
  auto whole = auth::open_session(cookie, session_place(provider), *snapshot_->sealer);
  if (!whole) return;
  whole->seen = now;
  send_session_cookie(auth::seal_session(*whole, *snapshot_->sealer, worker_.random()), *whole);
}

io::Task<base::Result<Exchange::OpenSession>> Exchange::ask_for_session(const auth::Provider& provider,
                                                                        Question question) {
  Answer answer = co_await ask(std::move(question), kSessionPatience);
  if (!answer.outcome) co_return std::unexpected(answer.outcome.error());
  auto identity = auth::identity_of(*answer.session, provider.oidc->spec.claims);
  if (!identity) co_return std::unexpected(identity.error());
  if (worker_.sessions().revocations().covers(*answer.session, (*identity)->subject)) {
    co_return base::client_error(Reason::session_ended, "the session was signed out");
  }
  if (!answer.text.empty()) send_session_cookie(answer.text, *answer.session);
  co_return OpenSession{std::move(answer.session), std::move(*identity)};
}

// A cookie that will not count again is taken back from the browser; one whose issuer cannot be asked now is
// left.
void Exchange::note_session_failure(const base::Error& error, std::string_view provider) {
  session_failure_ = error;
  if (error.reason == Reason::session_ended || error.reason == Reason::session_invalid) {
    cookie_out_ = removed_cookie(auth::kSessionCookiePrefix, provider);
  }
}

void Exchange::send_session_cookie(std::string_view value, const auth::Session& session) {
  base::WallTime now = worker_.wall_at(worker_.loop().now());
  cookie_out_ = new_cookie({.prefix = auth::kSessionCookiePrefix,
                            .name = session.provider,
                            .value = value,
                            .max_age = base::Duration{std::max<int64_t>(session.ends.ns - now.ns, 0)}});
}

// One that makes no origin is no page's.
http::Origin Exchange::own_origin() {
  SeenOrigin seen = seen_origin();
  return http::parse_origin(scratch_.join(seen.scheme, "://", seen.authority)).value_or(http::Origin{});
}

// Until the control thread answers, the client goes, or patience ends.
io::Task<Answer> Exchange::ask(Question question, base::Duration patience) {
  Inquiries::Seat seat(worker_.inquiries());
  worker_.control().ask(worker_.index(), seat.number(), std::move(question));
  base::Instant deadline = within_call(worker_.loop().now() + patience);
  // Where an open connection is decided upon again its relay waits for that already.
  io::Signal unheard;
  io::Signal& gone = client_.response_started() ? unheard : client_.gone();
  while (!seat.answer) {
    io::Wake wake = co_await io::wait_for(worker_.loop(), deadline, seat.answered, gone);
    if (seat.answer) break;
    if (client_.client_gone()) {
      co_return Answer{.outcome = base::client_error(Reason::client_disconnected, "the client went away")};
    }
    if (call_.is_overdue(worker_.loop().now())) {
      co_return Answer{.outcome = base::fail(failure_within_call({}))};
    }
    if (wake == io::Wake::timed_out) {
      co_return Answer{.outcome = base::gate_error(Reason::identity_provider_unavailable,
                                                   "the identity provider did not answer in time")};
    }
  }
  co_return std::move(*seat.answer);
}

}  // namespace gate
