// Stage "authenticate": the credential in the request, or else the certificate of its connection, to an
// identity. A bad credential is refused whatever the rules would say.
#include "access/proof.h"
#include "gate/exchange.h"
#include "gate/shown_certificate.h"

namespace gate {

using base::Reason;
using Outcome = auth::Authentication::Outcome;

namespace {

// How long a request waits for a key set to be fetched. The fetch itself belongs to the control thread and
// goes on without it.
constexpr base::Duration kKeysPatience = base::seconds(3);
constexpr base::Duration kIntrospectionPatience = base::seconds(6);

}  // namespace

io::Task<Exchange::Result> Exchange::authenticate() {
  enter(telemetry::Phase::authenticate);
  const auth::Providers& providers = *snapshot_->providers;
  // Of credentials that no provider reads the gate has no opinion: they are the backend's.
  if (providers.reads_credentials()) {
    auto credential = auth::find_credential(client_.head().headers);
    if (!credential) co_return refuse_credential(credential.error());
    credential_ = *credential;
  }
  if (credential_.kind == auth::CredentialKind::none) {
    if (auto looked = co_await authenticate_by_session(); !looked || session_ != nullptr) co_return looked;
    co_return authenticate_by_certificate();
  }

  auth::AuthenticateInput input{.credential = credential_,
                                .providers = providers,
                                .key_sets = worker_.key_sets(),
                                .cache = worker_.tokens(),
                                .now = worker_.wall_at(worker_.loop().now())};
  auth::Authentication outcome = auth::authenticate(input);
  count_cache_use(outcome);
  if (outcome.outcome == Outcome::needs_keys) {
    auto waited = co_await wait_for_keys(providers[outcome.provider].key_slot);
    if (!waited) co_return waited;
    input.now = worker_.wall_at(worker_.loop().now());
    input.on_missing_key = auth::OnMissingKey::refuse;
    outcome = auth::authenticate(input);
    count_cache_use(outcome);
  }
  if (outcome.outcome == Outcome::needs_introspection) co_return co_await introspect(input, outcome.provider);
  co_return accept(std::move(outcome));
}

// A token that only its issuer can read.
io::Task<Exchange::Result> Exchange::introspect(auth::AuthenticateInput input, uint32_t provider) {
  Answer answer = co_await ask(
      Introspect{.provider = input.providers[provider].name, .token = std::string(credential_.text)},
      kIntrospectionPatience);
  if (!answer.outcome) {
    base::Error error = answer.outcome.error();
    if (error.reason == Reason::client_disconnected) co_return base::fail(error);
    if (error.reason == Reason::identity_provider_unavailable)
      error.reason = Reason::introspection_unavailable;
    co_return refuse_credential(error);
  }
  input.now = worker_.wall_at(worker_.loop().now());
  auth::keep_introspected(input, provider, {.identity = answer.identity, .valid_until = answer.until});
  co_return accept({.outcome = Outcome::caller, .identity = std::move(answer.identity)});
}

// A request that brings nothing of its own is its connection's.
Exchange::Result Exchange::authenticate_by_certificate() {
  if (context_.certificate == nullptr) return {};
  return accept(
      context_.certificate->authenticate(*snapshot_->providers, worker_.wall_at(worker_.loop().now())));
}

Exchange::Result Exchange::accept(auth::Authentication outcome) {
  if (outcome.outcome == Outcome::nobody) return {};
  if (outcome.outcome != Outcome::caller) return refuse_credential(outcome.error);
  if (auto own = check_possession(*outcome.identity); !own) return refuse_credential(own.error());
  identity_ = std::move(outcome.identity);
  return {};
}

// Of a token, with every request: what a cache knows of it does not say who sent it now.
Exchange::Result Exchange::check_possession(const auth::Identity& identity) {
  bool bound = identity.confirmation.is_bound();
  if (!bound && credential_.kind != auth::CredentialKind::dpop) return {};
  SeenOrigin seen = seen_origin();
  auto origin = http::parse_origin(scratch_.join(seen.scheme, "://", seen.authority));
  Result own = auth::check_possession(
      {.credential = credential_,
       .confirmation = identity.confirmation,
       .headers = client_.head().headers,
       .method = client_.head().method_text,
       .origin = origin.value_or(http::Origin{}),
       .path = target_.path,
       .certificate = context_.certificate != nullptr ? &context_.certificate->thumbprint() : nullptr,
       .proved = proved_,
       .now = worker_.wall_at(worker_.loop().now()),
       .replays = worker_.replays()});
  if (own) proved_ = identity.confirmation.key;
  return own;
}

// Once for each token, however often its keys are waited for.
void Exchange::count_cache_use(const auth::Authentication& outcome) {
  using Cache = auth::Authentication::Cache;
  if (outcome.outcome == Outcome::needs_keys || outcome.cache == Cache::not_asked) return;
  worker_.metrics().count(outcome.cache == Cache::hit ? telemetry::Counter::token_cache_hits
                                                      : telemetry::Counter::token_cache_misses);
}

Exchange::Result Exchange::refuse_credential(const base::Error& error) {
  record_.verdict = telemetry::Verdict::deny;
  return base::fail(error);
}

io::Task<Exchange::Result> Exchange::wait_for_keys(uint32_t key_slot) {
  uint64_t checks_before = worker_.keys_checks(key_slot);
  if (!worker_.ask_for_keys(key_slot)) co_return Result{};  // decided with the keys at hand
  io::Broadcast::Seat seat(worker_.keys_arrived());
  base::Instant deadline = within_call(worker_.loop().now() + kKeysPatience);
  // Where an open connection is decided upon again its relay waits for that already.
  io::Signal unheard;
  io::Signal& gone = client_.response_started() ? unheard : client_.gone();
  while (worker_.keys_checks(key_slot) == checks_before) {
    io::Wake wake = co_await io::wait_for(worker_.loop(), deadline, seat.signal, gone);
    if (client_.client_gone())
      co_return base::client_error(Reason::client_disconnected, "the client went away");
    if (call_.is_overdue(worker_.loop().now())) co_return base::fail(failure_within_call({}));
    if (wake == io::Wake::timed_out) break;  // decided with the keys at hand
  }
  co_return Result{};
}

// Whether this header carries the credential that was checked; such a header never goes further.
bool Exchange::credential_stands_in(const http::Header& header) const {
  return credential_.kind != auth::CredentialKind::none && credential_.text.data() >= header.value.data() &&
         credential_.text.data() < header.value.data() + header.value.size();
}

}  // namespace gate
