// The token that a service's backend is called with, where the service asks for one (its `token`): the
// caller's own, one exchanged for it (RFC 8693), or the gate's (RFC 6749 §4.4). The worker keeps what the
// control thread had from the issuer.
#include "access/jwt.h"
#include "gate/exchange.h"

namespace gate {

using base::Reason;

namespace {

constexpr base::Duration kTokenPatience = base::seconds(10);

}  // namespace

io::Task<Exchange::Result> Exchange::obtain_backend_token() {
  const BackendTokenPolicy& policy = service_->token;
  bool for_caller = policy.kind != BackendToken::client_credentials;
  bool has_token = credential_.kind == auth::CredentialKind::bearer;
  if (for_caller && !has_token && session_ == nullptr) {
    // Whom the rules let in without a token, the backend has to let in without one.
    co_return Result{};
  }
  if (policy.kind == BackendToken::caller && has_token) {
    // A token goes only where it was made for: whoever else gets it could use it there (RFC 9700 §2.3).
    if (!auth::has_audience(identity_->claims, {policy.audience})) {
      co_return base::gate_error(Reason::backend_token_unavailable,
                                 "the caller's token is not for this service");
    }
    backend_token_ = credential_.text;
    co_return Result{};
  }
  base::WallTime now = worker_.wall_at(worker_.loop().now());
  const auth::Provider* issuer = snapshot_->providers->find(policy.provider);
  BackendTokenKey key{.service_generation = service_->generation,
                      .service_slot = service_->slot,
                      .provider_version = issuer != nullptr ? issuer->version : 0,
                      .identity_serial = for_caller ? identity_->serial : 0};
  if (auto kept = worker_.backend_tokens().find(key, now)) {
    backend_token_ = scratch_.join(*kept);
  } else {
    Answer answer = co_await ask(
        FetchBackendToken{
            .service = snapshot_->services[service_->slot],
            .subject_token = for_caller && has_token ? std::string(credential_.text) : std::string(),
            .session = for_caller ? session_ : nullptr,
            .caller = identity_},
        kTokenPatience);
    if (!answer.outcome) {
      base::Error error = answer.outcome.error();
      // What cannot be reached is the backend's issuer, not the caller's provider.
      if (error.reason == Reason::identity_provider_unavailable)
        error.reason = Reason::backend_token_unavailable;
      co_return base::fail(error);
    }
    backend_token_ = scratch_.join(answer.text);
    worker_.backend_tokens().insert(key, std::move(answer.text), answer.until, now);
  }
  if (backend_token_.empty())
    co_return base::client_error(Reason::request_head_too_large, "the token does not fit");
  co_return Result{};
}

}  // namespace gate
