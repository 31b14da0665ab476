// Who is signed in here, and how that ends: by the person, everywhere or in this browser alone (OpenID
// Connect RP-Initiated Logout 1.0), or by the issuer (Back-Channel Logout 1.0).
#include <string>

#include "access/cross_site.h"
#include "base/bytes.h"
#include "gate/exchange.h"
#include "gate/page.h"
#include "http/cookie.h"
#include "http/query.h"

namespace gate {

using base::Reason;
using http::HeaderId;

namespace {

constexpr base::Duration kSignOutPatience = base::seconds(10);
constexpr base::Duration kLogoutTokenPatience = base::seconds(10);
constexpr size_t kFormBytesMax = 64 * 1024;

std::string time_text(base::WallTime time) { return base::format_rfc3339(time.ns); }

// "2026-01-31 09:30 UTC"
std::string time_for_people(base::WallTime time) {
  std::string text = time_text(time);
  return text.substr(0, 10) + " " + text.substr(11, 5) + " UTC";
}

std::optional<SignOut> parse_reach(std::string_view text) {
  if (text.empty() || text == "provider") return SignOut::provider;
  if (text == "gate") return SignOut::gate;
  if (text == "everywhere") return SignOut::everywhere;
  return std::nullopt;
}

}  // namespace

std::string name_of(const auth::Identity& identity) {
  if (!identity.email.empty()) return identity.email;
  return identity.preferred_username.empty() ? identity.subject : identity.preferred_username;
}

// Whoever is signed in with any provider: session_ and identity_ are one of them at a time.
io::Task<Exchange::Result> Exchange::find_signed_in(std::vector<SignedIn>& found, Purpose purpose) {
  if (snapshot_->sealer == nullptr) co_return Result{};
  for (uint32_t i = 0; i < snapshot_->providers->size(); ++i) {
    const auth::Provider& provider = (*snapshot_->providers)[i];
    if (!provider.oidc) continue;
    session_ = nullptr;
    identity_ = nullptr;
    if (auto looked = co_await find_session(provider.name, purpose); !looked) co_return looked;
    // Nobody is told to be signed out of what only cannot be looked at now.
    bool unknown = session_failure_.reason != Reason::none && session_failure_.side == base::Side::gate;
    if (unknown) co_return base::fail(session_failure_);
    if (session_ == nullptr) continue;
    const std::string& label = provider.oidc->spec.label;
    found.push_back({session_, identity_, label.empty() ? provider.name : label});
  }
  co_return Result{};
}

// GET /.well-known/gatehouse/session
io::Task<Exchange::Result> Exchange::answer_session() {
  record_.route_pattern = "/.well-known/gatehouse/session";
  std::vector<SignedIn> found;
  if (auto looked = co_await find_signed_in(found, Purpose::calling); !looked) co_return looked;
  headers_out_.clear();
  if (is_navigation(client_.head())) co_return co_await send_page(200, session_page(found));
  std::string json = "{\"sessions\":[";
  for (const SignedIn& person : found) {
    if (json.back() != '[') json += ',';
    json += "{\"provider\":" + base::json_quoted(person.session->provider) +
            ",\"subject\":" + base::json_quoted(person.identity->subject);
    if (!person.identity->email.empty()) json += ",\"email\":" + base::json_quoted(person.identity->email);
    if (!person.identity->preferred_username.empty())
      json += ",\"preferred_username\":" + base::json_quoted(person.identity->preferred_username);
    json += ",\"groups\":[";
    for (const std::string& group : person.identity->groups) {
      if (json.back() != '[') json += ',';
      json += base::json_quoted(group);
    }
    json += "],\"signed_in\":\"" + time_text(person.session->signed_in) + "\",\"ends\":\"" +
            time_text(person.session->ends) + "\"}";
  }
  json += "]}\n";
  co_return co_await send_own_text(200, "application/json", json);
}

std::string Exchange::session_page(const std::vector<SignedIn>& found) const {
  Page page(found.empty() ? "You are not signed in" : "You are signed in");
  std::string logout = std::string(kOwnPrefix) + "logout";
  for (const SignedIn& person : found) {
    page.paragraph("As " + name_of(*person.identity) + ", with " + person.label + ", since " +
                   time_for_people(person.session->signed_in) + ".");
  }
  if (found.empty()) {
    bool any = !login_choices("/").empty();
    if (any) page.link(std::string(kOwnPrefix) + "login", "Log in");
    return page.take();
  }
  page.button({.action = logout, .field = "reach", .value = "provider", .label = "Sign out"});
  page.button({.action = logout, .field = "reach", .value = "everywhere", .label = "Sign out everywhere"});
  return page.take();
}

// GET /.well-known/gatehouse/logout: a link alone signs nobody out, or any page could.
io::Task<Exchange::Result> Exchange::answer_logout_page() {
  record_.route_pattern = "/.well-known/gatehouse/logout";
  std::vector<SignedIn> found;
  if (auto looked = co_await find_signed_in(found, Purpose::calling); !looked) co_return looked;
  headers_out_.clear();
  if (found.empty()) {
    Page page("You are signed out");
    page.link("/", "Go on");
    co_return co_await send_page(200, page.take());
  }
  co_return co_await send_page(200, session_page(found));
}

// POST /.well-known/gatehouse/logout with reach=provider|gate|everywhere
io::Task<Exchange::Result> Exchange::answer_logout() {
  record_.route_pattern = "/.well-known/gatehouse/logout";
  SeenOrigin own = seen_origin();
  const http::RequestHead& head = client_.head();
  auto from_here = auth::check_cross_site(
      {.method = head.method, .headers = head.headers, .own = own_origin(), .allowed = {}});
  if (!from_here) co_return from_here;
  auto form = co_await read_form();
  if (!form) co_return std::unexpected(form.error());
  auto asked = http::find_parameter(*form, "reach");
  auto reach = asked ? parse_reach(asked->value_or("")) : std::nullopt;
  if (!reach)
    co_return base::client_error(Reason::http_request_error, "reach is provider, gate or everywhere");
  std::vector<SignedIn> found;
  if (auto looked = co_await find_signed_in(found, Purpose::signing_out); !looked) co_return looked;
  cookie_out_.clear();
  std::string there;  // where the issuer's own session is ended
  std::string here(own.scheme);
  here.append("://").append(own.authority).append(kOwnPrefix).append("logout");
  for (const SignedIn& person : found) {
    Answer answer = co_await ask(EndSession{.session = person.session,
                                            .subject = person.identity->subject,
                                            .reach = *reach,
                                            .return_uri = here},
                                 kSignOutPatience);
    if (!answer.outcome) co_return std::unexpected(answer.outcome.error());
    if (there.empty()) there = std::move(answer.text);
  }
  session_ = nullptr;
  std::vector<std::string> removals = session_cookie_removals();
  headers_out_.clear();
  for (const std::string& removal : removals) add_header("Set-Cookie", removal);
  if (there.empty()) there = here;
  const http::Header* accept = client_.head().headers.find(HeaderId::accept);
  if (accept != nullptr && accept->value.starts_with("application/json")) {
    co_return co_await send_own_text(200, "application/json",
                                     "{\"continue\":" + base::json_quoted(there) + "}\n");
  }
  add_header("Location", there);
  co_return co_await send_own_text(303, "text/plain; charset=utf-8", "Signed out.\n");
}

// Whatever they hold.
std::vector<std::string> Exchange::session_cookie_removals() {
  std::vector<std::string> removals;
  for (uint32_t i = 0; i < snapshot_->providers->size(); ++i) {
    const auth::Provider& provider = (*snapshot_->providers)[i];
    std::string_view name = scratch_.join(auth::kSessionCookiePrefix, provider.name);
    if (!provider.oidc || http::find_cookie(client_.head().headers, name).count == http::CookieCount::none)
      continue;
    removals.push_back(removed_cookie(auth::kSessionCookiePrefix, provider.name));
  }
  return removals;
}

// POST /.well-known/gatehouse/backchannel-logout/PROVIDER. Back-Channel Logout §2.8: 200 or 400, not to be
// stored.
io::Task<Exchange::Result> Exchange::answer_backchannel_logout(std::string_view provider_name) {
  record_.route_pattern = "/.well-known/gatehouse/backchannel-logout/{provider}";
  const auth::Provider* provider = snapshot_->providers->find(provider_name);
  if (provider == nullptr || !provider->oidc) {
    co_return base::client_error(Reason::no_route, "nobody logs in with a provider of this name here");
  }
  auto form = co_await read_form();
  if (!form) co_return std::unexpected(form.error());
  auto token = http::find_parameter(*form, "logout_token");
  if (!token || !*token) co_return base::client_error(Reason::http_request_error, "there is no logout_token");
  auto verified = co_await verify_logout_token(*provider, **token);
  if (!verified) co_return std::unexpected(verified.error());
  Answer answer = co_await ask(TakeLogoutToken{.provider = provider->name, .token = std::move(*verified)},
                               kLogoutTokenPatience);
  if (!answer.outcome) co_return std::unexpected(answer.outcome.error());
  headers_out_.clear();
  co_return co_await send_own_text(200, "text/plain; charset=utf-8", "");
}

// Here and not on the control thread: anybody may send one.
io::Task<base::Result<auth::LogoutToken>> Exchange::verify_logout_token(const auth::Provider& provider,
                                                                        std::string_view token) {
  for (bool waited = false;; waited = true) {
    const auth::KeySet* keys = worker_.key_sets().find(provider.key_slot);
    base::Error error{.reason = Reason::key_set_unavailable,
                      .detail = "the issuer's keys have not been loaded yet"};
    if (keys != nullptr) {
      auto verified =
          auth::verify_logout_token(token, *provider.oidc, *keys, worker_.wall_at(worker_.loop().now()));
      if (verified) co_return std::move(*verified);
      error = verified.error();
    }
    bool key_missing = error.reason == Reason::key_set_unavailable;
    if (key_missing && !waited) {
      if (auto looked = co_await wait_for_keys(provider.key_slot); !looked)
        co_return std::unexpected(looked.error());
      continue;
    }
    if (keys == nullptr) co_return base::fail(error);
    co_return base::client_error(Reason::logout_token_invalid, error.detail);
  }
}

// A small form that is for the gate itself.
io::Task<base::Result<std::string>> Exchange::read_form() {
  const http::RequestHead& head = client_.head();
  const http::Header* type = head.headers.find(HeaderId::content_type);
  if (type == nullptr || !base::equals_ignoring_case(base::trim(type->value.substr(0, type->value.find(';'))),
                                                     "application/x-www-form-urlencoded")) {
    co_return base::client_error(Reason::http_request_error,
                                 "a form is expected (application/x-www-form-urlencoded)");
  }
  std::string form;
  base::Instant deadline = worker_.loop().now() + snapshot_->timeouts.body;
  for (;;) {
    auto got = client_.peek();
    if (!got) co_return std::unexpected(got.error());
    if (form.size() + got->bytes.size() > kFormBytesMax) {
      co_return base::client_error(Reason::request_body_too_large, "the form is larger than 64 KiB");
    }
    form.append(got->bytes);
    bool end = got->end;
    bool any = !got->bytes.empty();
    client_.consume(got->bytes.size());
    if (end) co_return form;
    if (any) continue;  // only who finds nothing is told of more
    io::Wake wake = co_await io::wait_for(worker_.loop(), deadline, client_.readable(), client_.gone());
    if (client_.client_gone())
      co_return base::client_error(Reason::client_disconnected, "the client went away");
    if (wake == io::Wake::timed_out) {
      co_return base::client_error(Reason::request_timeout, "the form did not arrive in time");
    }
  }
}

}  // namespace gate
