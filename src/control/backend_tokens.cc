#include "control/backend_tokens.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "access/jwt.h"
#include "crypto/digest.h"

namespace control {
namespace {

using base::Reason;
using gate::Answer;
using gate::BackendToken;

// Of a token whose issuer does not say how long it lasts.
constexpr base::Duration kLifeDefault = base::seconds(300);
// A worker that was given a token about to end asks again after this long.
constexpr base::Duration kAskAgain = base::milliseconds(200);
// On its way to the backend a token shall not end.
constexpr base::Duration kMarginMax = base::seconds(5);
constexpr base::Duration kRetry = base::seconds(1);

Answer failed(const char* detail) {
  Answer answer;
  answer.outcome = base::gate_error(Reason::backend_token_unavailable, detail);
  return answer;
}

base::WallTime after(base::WallTime time, base::Duration duration) { return {time.ns + duration.ns}; }

}  // namespace

std::string BackendTokenKeeper::key_of(const auth::Provider& provider,
                                       const gate::FetchBackendToken& question) {
  const gate::BackendTokenPolicy& policy = question.service->token;
  std::string key;
  auto add = [&key](std::string_view part) {
    key.append(std::to_string(part.size())).append(":").append(part);
  };
  add(std::to_string(provider.version));
  add(policy.kind == BackendToken::exchange ? "exchange" : "client_credentials");
  add(policy.audience);
  add(policy.resource);
  for (const std::string& scope : policy.scopes) add(scope);
  if (policy.kind == BackendToken::exchange) add(crypto::as_text(crypto::sha256(question.subject_token)));
  return key;
}

io::Task<Answer> BackendTokenKeeper::find(gate::FetchBackendToken question) {
  const gate::BackendTokenPolicy& policy = question.service->token;
  if (policy.kind == BackendToken::caller) co_return answer_caller(question);
  auto providers = providers_;
  const auth::Provider* provider = providers != nullptr ? providers->find(policy.provider) : nullptr;
  if (provider == nullptr || !provider->oidc)
    co_return failed("the issuer of its tokens is not defined any more");
  std::string key = key_of(*provider, question);
  if (!tokens_.contains(key)) make_room();
  auto& place = tokens_[key];
  if (place == nullptr) place = std::make_shared<Token>();
  std::shared_ptr<Token> token = place;
  token->last_used = now();
  if (!token->asking && token->renew_at <= now()) {
    token->asking = true;
    ahead_.spawn(obtain(token, providers, std::move(question)));
  }
  if (token->text.empty() || token->ends <= now()) {
    io::Broadcast::Seat seat(token->asked);
    while (token->asking) co_await io::wait_for(parts_.loop, base::kNever, seat.signal);
  }
  Answer answer;
  if (token->text.empty() || token->ends <= now()) {
    answer.outcome = base::fail(token->error);
    co_return answer;
  }
  answer.text = token->text;
  answer.until = std::min(std::max(token->renew_at, after(now(), kAskAgain)), token->ends);
  co_return answer;
}

// The token came from its issuer, or was verified on its way in: what it says of its audience holds. One that
// only the issuer can read was made for what the login asked for (RFC 8707).
Answer BackendTokenKeeper::answer_caller(const gate::FetchBackendToken& question) const {
  const std::string& audience = question.service->token.audience;
  auto jwt = auth::parse_jwt(question.subject_token);
  bool is_for_it = jwt && auth::has_audience(jwt->claims, {audience});
  if (!jwt && question.session != nullptr && providers_ != nullptr) {
    const auth::Provider* provider = providers_->find(question.session->provider);
    // A login that asked for nothing in particular has a token for nothing in particular.
    is_for_it = provider != nullptr && provider->oidc && !audience.empty() &&
                provider->oidc->registration == question.session->registration &&
                provider->oidc->spec.resource == audience;
  }
  if (!is_for_it) return failed("the session's access token is not for this service");
  Answer answer;
  answer.text = question.subject_token;
  answer.until = question.session != nullptr ? question.session->tokens_until : after(now(), kAskAgain);
  return answer;
}

io::Task<> BackendTokenKeeper::obtain(std::shared_ptr<Token> token,
                                      std::shared_ptr<const auth::Providers> providers,
                                      gate::FetchBackendToken question) {
  const gate::BackendTokenPolicy& policy = question.service->token;
  const auth::Provider& provider = *providers->find(policy.provider);
  TokenEndpoint::Target target{
      .audience = policy.audience, .resource = policy.resource, .scopes = policy.scopes};
  CallResult<auth::TokenAnswer> had = std::unexpected(CallFailure{});
  auto metadata = co_await parts_.issuers.find(provider.name);
  if (metadata) {
    TokenEndpoint::Issuer issuer{.policy = *provider.oidc, .metadata = **metadata};
    had = policy.kind == BackendToken::exchange
              ? co_await parts_.tokens.exchange_token(issuer, std::move(question.subject_token),
                                                      std::move(target))
              : co_await parts_.tokens.client_credentials(issuer, std::move(target));
  } else {
    had = std::unexpected(CallFailure{.sentence = metadata.error().detail, .unreachable = true});
  }
  token->asking = false;
  if (had) {
    base::Duration life = had->expires_in.value_or(kLifeDefault);
    token->text = std::move(had->access_token);
    base::Duration margin = std::min(kMarginMax, base::Duration{life.ns / 10});
    token->ends = after(now(), life - margin);
    token->renew_at = after(now(), std::max(base::Duration{life.ns / 5 * 4}, kRetry));
    token->error =
        base::gate_error(Reason::backend_token_unavailable, "the issuer's token had ended already").error();
  } else {
    spdlog::error("service {}: no token for its backend from {}: {}", question.service->name, provider.name,
                  had.error().sentence);
    token->error =
        had.error().unreachable
            ? base::gate_error(Reason::backend_token_unavailable, "the issuer could not be asked").error()
            : base::gate_error(Reason::backend_token_unavailable, "the issuer refused the token").error();
    token->renew_at = after(now(), kRetry);
  }
  token->asked.notify_all();
}

void BackendTokenKeeper::make_room() {
  if (tokens_.size() < kTokensMax) return;
  std::erase_if(tokens_,
                [this](const auto& item) { return !item.second->asking && item.second->ends <= now(); });
  if (tokens_.size() < kTokensMax) return;
  auto oldest =
      std::ranges::min_element(tokens_, {}, [](const auto& item) { return item.second->last_used; });
  tokens_.erase(oldest);
}

}  // namespace control
