// Logging in: from a page that needs a caller to the identity provider, and back with a code (OpenID Connect
// Core 1.0 §3.1, RFC 7636, RFC 9700). What the gate must remember meanwhile travels in a cookie of that
// browser alone.
#include <algorithm>
#include <string>
#include <vector>

#include "access/login_state.h"
#include "access/oidc.h"
#include "base/bytes.h"
#include "gate/decision.h"
#include "gate/exchange.h"
#include "gate/page.h"
#include "http/cookie.h"
#include "http/query.h"

namespace gate {

using base::Reason;
using http::HeaderId;

namespace {

// Code, keys and userinfo are fetched meanwhile, each within its own time.
constexpr base::Duration kLoginPatience = base::seconds(20);
// Who has just logged in as asked and still does not satisfy the rule is told so, not sent round in a circle.
constexpr base::Duration kStepUpOnce = base::seconds(60);

std::unexpected<base::Error> no_login(Reason reason, const char* detail) {
  return base::client_error(reason, detail);
}

// RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6, as parse_authorization_answer() knows them.
const char* refusal_of(std::string_view error) {
  if (error == "access_denied")
    return "the identity provider says access_denied: the person did not agree or may not";
  if (error == "login_required") return "the identity provider says login_required";
  if (error == "consent_required") return "the identity provider says consent_required";
  if (error == "interaction_required") return "the identity provider says interaction_required";
  if (error == "invalid_scope")
    return "the identity provider says invalid_scope: see the provider's `scopes`";
  if (error == "invalid_target")
    return "the identity provider says invalid_target: see the provider's `resource`";
  if (error == "unauthorized_client")
    return "the identity provider says unauthorized_client: see its registration";
  if (error == "server_error") return "the identity provider says server_error";
  if (error == "temporarily_unavailable") return "the identity provider says temporarily_unavailable";
  return "the identity provider answered with an error";
}

}  // namespace

std::string Exchange::new_cookie(const NewCookie& cookie) {
  std::string text(cookie.prefix);
  text.append(cookie.name).append("=").append(cookie.value);
  text += "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=";
  text += std::to_string(cookie.max_age.milliseconds() / 1000);
  return text;
}

std::string Exchange::removed_cookie(std::string_view prefix, std::string_view name) {
  return new_cookie({.prefix = prefix, .name = name, .value = {}, .max_age = {}});
}

std::string Exchange::redirect_uri(std::string_view provider) const {
  SeenOrigin origin = seen_origin();
  std::string uri(origin.scheme);
  return uri.append("://").append(origin.authority).append(kOwnPrefix).append("callback/").append(provider);
}

bool Exchange::cookies_can_be_kept() const {
  return gate::cookies_can_be_kept(seen_origin().scheme, host_.host);
}

// Whether the failure is one that logging in mends, and there is somebody to do it.
bool Exchange::leads_to_login(const base::Error& error) const {
  bool leads = service_ != nullptr && snapshot_->sealer != nullptr &&
               gate::leads_to_login(*service_, client_.head(), error.reason) && cookies_can_be_kept();
  if (!leads || error.reason != Reason::step_up_required) return leads;
  if (session_ == nullptr || verdict_.step_up == nullptr) return false;
  base::Duration since = worker_.wall_at(worker_.loop().now()) - session_->signed_in;
  return since > kStepUpOnce || session_->asked != verdict_.step_up->step_up().text();
}

// The answer to a request that leads to a login.
io::Task<Exchange::Result> Exchange::send_to_login(const base::Error& error) {
  std::string return_to(target_.path);
  if (target_.has_query) return_to.append("?").append(target_.query);
  if (!auth::check_return_to(return_to)) return_to = "/";
  if (error.reason == Reason::step_up_required) {
    co_return co_await begin_login({.provider = session_->provider,
                                    .return_to = std::move(return_to),
                                    .step_up = verdict_.step_up->step_up()});
  }
  if (service_->login_providers.size() == 1) {
    co_return co_await begin_login(
        {.provider = service_->login_providers.front(), .return_to = std::move(return_to)});
  }
  std::string location(kOwnPrefix);
  location += "login?";
  http::append_form(location, "to", return_to);
  headers_out_.clear();
  add_header("Location", location);
  co_return co_await send_own_text(302, "text/plain; charset=utf-8", "Log in to go on.\n");
}

io::Task<Exchange::Result> Exchange::begin_login(LoginWish wish) {
  const auth::Provider* provider = snapshot_->providers->find(wish.provider);
  if (provider == nullptr || !provider->oidc || snapshot_->sealer == nullptr) {
    co_return no_login(Reason::no_route, "nobody logs in with a provider of this name here");
  }
  login_return_ = scratch_.join(wish.return_to);
  if (!cookies_can_be_kept()) {
    co_return no_login(Reason::login_state_invalid,
                       "logging in needs https: browsers keep no session otherwise");
  }
  IssuerMetadataPtr metadata = worker_.sessions().issuer(provider->name);
  if (metadata == nullptr) {
    Answer found = co_await ask(FindIssuer{provider->name}, kLoginPatience);
    if (!found.outcome) co_return std::unexpected(found.outcome.error());
    metadata = worker_.sessions().issuer(provider->name);
    if (metadata == nullptr) {
      co_return base::gate_error(Reason::identity_provider_unavailable,
                                 "the identity provider's metadata could not be loaded");
    }
  }
  auth::LoginState login = auth::make_login_state(worker_.random());
  login.provider = provider->name;
  login.host = host_.host;
  login.registration = provider->oidc->registration;
  login.return_to = std::move(wish.return_to);
  login.began = worker_.wall_at(worker_.loop().now());
  if (!wish.step_up.is_empty()) login.asked = wish.step_up.text();
  std::string location = auth::authorization_url({.policy = *provider->oidc,
                                                  .metadata = *metadata,
                                                  .login = login,
                                                  .redirect_uri = redirect_uri(provider->name),
                                                  .acr_values = wish.step_up.acr_values,
                                                  .max_age = wish.step_up.max_age});
  std::vector<std::string> cookies = make_room_for_login();
  cookies.push_back(new_cookie({.prefix = {},
                                .name = auth::login_cookie_name(login.state),
                                .value = auth::seal_login(login, *snapshot_->sealer, worker_.random()),
                                .max_age = auth::kLoginTime}));
  headers_out_.clear();
  for (const std::string& cookie : cookies) add_header("Set-Cookie", cookie);
  add_header("Location", location);
  co_return co_await send_own_text(302, "text/plain; charset=utf-8", "Log in to go on.\n");
}

// Cookies that remove the oldest of too many logins under way. Browsers send older cookies first (RFC 6265
// §5.4).
std::vector<std::string> Exchange::make_room_for_login() const {
  std::vector<std::string_view> pending;
  http::CookieReader cookies(client_.head().headers);
  while (auto cookie = cookies.next()) {
    if (cookie->name.starts_with(auth::kLoginCookiePrefix)) pending.push_back(cookie->name);
  }
  std::vector<std::string> removals;
  for (size_t i = 0; i + auth::kLoginsMax <= pending.size(); ++i) {
    removals.push_back(removed_cookie({}, pending[i]));
  }
  return removals;
}

// GET /.well-known/gatehouse/login?to=PATH&provider=NAME
io::Task<Exchange::Result> Exchange::answer_login() {
  record_.route_pattern = "/.well-known/gatehouse/login";
  auto to = http::find_parameter(target_.query, "to");
  auto named = http::find_parameter(target_.query, "provider");
  if (!to || !named) co_return no_login(Reason::return_refused, "the link's parameters cannot be read");
  std::string return_to = to->value_or("/");
  if (!auth::check_return_to(return_to)) {
    co_return no_login(Reason::return_refused, "only a path of this host can be returned to");
  }
  if (*named)
    co_return co_await begin_login({.provider = std::move(**named), .return_to = std::move(return_to)});
  std::vector<const auth::Provider*> choices = login_choices(return_to);
  if (choices.empty()) co_return no_login(Reason::no_route, "nobody logs in here");
  if (choices.size() == 1) {
    co_return co_await begin_login({.provider = choices.front()->name, .return_to = std::move(return_to)});
  }
  Page page("Log in");
  for (const auth::Provider* choice : choices) {
    const std::string& label = choice->oidc->spec.label;
    std::string link(kOwnPrefix);
    link += "login?";
    http::append_form(link, "to", return_to);
    http::append_form(link, "provider", choice->name);
    page.link(link, "Log in with " + (label.empty() ? choice->name : label));
  }
  headers_out_.clear();
  co_return co_await send_page(200, page.take());
}

// Those that the service at the path may be entered with, or all of them.
std::vector<const auth::Provider*> Exchange::login_choices(std::string_view return_to) const {
  std::string_view path = return_to.substr(0, return_to.find('?'));
  std::string room(path.size(), '\0');
  std::vector<const auth::Provider*> choices;
  const routing::Route* route = nullptr;
  if (auto target = http::normalise_target(path, room)) {
    route = snapshot_->routes.lookup({.host = host_.host,
                                      .path = target->path,
                                      .method = http::Method::get,
                                      .headers = &client_.head().headers});
  }
  const Service* service = route != nullptr ? snapshot_->services[route->service].get() : nullptr;
  for (uint32_t i = 0; i < snapshot_->providers->size(); ++i) {
    const auth::Provider& provider = (*snapshot_->providers)[i];
    if (!provider.oidc) continue;
    bool enters =
        service == nullptr || service->login_providers.empty() ||
        std::ranges::find(service->login_providers, provider.name) != service->login_providers.end();
    if (enters) choices.push_back(&provider);
  }
  return choices;
}

// GET /.well-known/gatehouse/callback/PROVIDER?code=...&state=...
io::Task<Exchange::Result> Exchange::answer_callback(std::string_view provider_name) {
  record_.route_pattern = "/.well-known/gatehouse/callback/{provider}";
  const auth::Provider* provider = snapshot_->providers->find(provider_name);
  if (provider == nullptr || !provider->oidc || snapshot_->sealer == nullptr) {
    co_return no_login(Reason::no_route, "nobody logs in with a provider of this name here");
  }
  auto came = auth::parse_authorization_answer(target_.query);
  if (!came) co_return std::unexpected(came.error());
  std::string cookie_name = auth::login_cookie_name(came->state);
  http::FoundCookie cookie;
  if (!cookie_name.empty()) cookie = http::find_cookie(client_.head().headers, cookie_name);
  if (cookie.count != http::CookieCount::one) {
    co_return no_login(Reason::login_state_invalid, "this browser has no such login under way");
  }
  cookie_out_ = removed_cookie({}, cookie_name);
  auto login = auth::open_login({.cookie = cookie.value,
                                 .state = came->state,
                                 .place = session_place(*provider),
                                 .now = worker_.wall_at(worker_.loop().now())},
                                *snapshot_->sealer);
  if (!login) co_return std::unexpected(login.error());
  login_return_ = scratch_.join(login->return_to);
  IssuerMetadataPtr metadata = worker_.sessions().issuer(provider->name);
  if (metadata != nullptr) {
    if (auto from = auth::check_answer_issuer(*came, *metadata); !from)
      co_return std::unexpected(from.error());
  }
  if (!came->error.empty()) co_return no_login(Reason::login_refused, refusal_of(came->error));
  std::string return_to = login->return_to;
  std::optional<base::Duration> max_age = auth::StepUp::from_text(login->asked).max_age;
  Answer answer = co_await ask(CompleteLogin{.login = std::move(*login),
                                             .answer = std::move(*came),
                                             .redirect_uri = redirect_uri(provider->name),
                                             .max_age = max_age},
                               kLoginPatience);
  if (!answer.outcome) co_return std::unexpected(answer.outcome.error());
  record_.provider = provider->name;
  std::string login_removed = std::move(cookie_out_);
  send_session_cookie(answer.text, *answer.session);
  headers_out_.clear();
  add_header("Set-Cookie", login_removed);
  add_header("Location", return_to);
  add_header("Referrer-Policy", "no-referrer");
  co_return co_await send_own_text(303, "text/plain; charset=utf-8", "Logged in.\n");
}

}  // namespace gate
