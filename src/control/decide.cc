#include "control/decide.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>

#include "access/credential.h"
#include "access/proof.h"
#include "base/bytes.h"
#include "control/curl_fetcher.h"
#include "gate/decision.h"
#include "gate/exchange.h"
#include "http/target.h"
#include "http1/codec.h"

namespace control {

using base::Reason;

// The request as a client would send it, and what the request path makes of it.
struct Decider::Heads {
  std::string text;
  http::RequestHead head;
  std::string host_room;
  std::string path_room;
  http::Authority host;
  http::Target target;
};

namespace {

// A claim's dotted path spelt out as nested objects.
struct ClaimNode {
  std::map<std::string, ClaimNode, std::less<>> members;
  std::vector<std::string> values;
  std::string number;  // in place of values

  void put(std::string_view path, const std::vector<std::string>& what) {
    size_t dot = path.find('.');
    ClaimNode& member = members[std::string(path.substr(0, dot))];
    if (dot == path.npos) {
      member.values = what;
    } else {
      member.put(path.substr(dot + 1), what);
    }
  }
};

void append_json(std::string& out, const ClaimNode& node) {
  if (!node.number.empty()) {
    out += node.number;
    return;
  }
  if (node.members.empty()) {
    bool list = node.values.size() != 1;
    if (list) out += '[';
    for (size_t i = 0; i < node.values.size(); ++i) {
      if (i > 0) out += ',';
      out += base::json_quoted(node.values[i]);
    }
    if (list) out += ']';
    return;
  }
  out += '{';
  bool first = true;
  for (const auto& [name, member] : node.members) {
    if (!std::exchange(first, false)) out += ',';
    out += base::json_quoted(name) + ':';
    append_json(out, member);
  }
  out += '}';
}

// In whole seconds, and never longer ago than was said.
std::string login_time_text(base::Duration age, base::WallTime now) {
  constexpr int64_t kSecond = 1'000'000'000;
  return std::to_string((now.ns - age.ns + kSecond - 1) / kSecond);
}

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : separator).append(word);
  return out;
}

// Null where claims have no names of the user's: certificates.
const auth::ClaimNames* claim_names_of(const auth::ProviderSpec& provider) {
  if (provider.jwt) return &provider.jwt->claims;
  if (provider.oidc) return &provider.oidc->claims;
  return provider.introspection ? &provider.introspection->claims : nullptr;
}

}  // namespace

auth::IdentityPtr make_caller(const config::CallerSpec& spec, const auth::ProviderSpec& provider,
                              base::WallTime now) {
  auth::Identity identity;
  identity.provider = spec.provider;
  identity.subject = spec.subject.empty() ? "somebody" : spec.subject;
  identity.groups = spec.groups;
  identity.scopes = spec.scopes;
  if (!provider.api_keys) {
    ClaimNode root;
    if (const auth::ClaimNames* names = claim_names_of(provider)) {
      root.put(names->subject, {identity.subject});
      // A person's scopes are what the issuer granted at the log-in, not a claim.
      if (!spec.scopes.empty() && !provider.oidc) root.put(names->scopes, {joined(spec.scopes, " ")});
      bool is_text = !names->groups_separator.empty();
      if (!spec.groups.empty() && is_text)
        root.put(names->groups, {joined(spec.groups, names->groups_separator)});
      if (!spec.groups.empty() && !is_text) root.put(names->groups, spec.groups);
    } else if (!spec.subject.empty()) {
      root.put(auth::claim_of_name(spec.subject), {spec.subject});
    }
    if (!spec.acr.empty()) root.put("acr", {spec.acr});
    if (!spec.amr.empty()) root.put("amr", spec.amr);
    if (spec.auth_age) root.members["auth_time"].number = login_time_text(*spec.auth_age, now);
    for (const auth::ClaimSpec& claim : spec.claims) root.put(claim.path, claim.values);
    std::string json;
    append_json(json, root);
    if (auto claims = auth::parse_json(json, {})) identity.claims = std::move(*claims);
  }
  return auth::make_identity(std::move(identity));
}

std::string_view Decision::place_of(const auth::Rule& rule) const {
  return service == nullptr ? std::string_view{} : gate::place_of(*snapshot, *service, rule);
}

Decider::Decider(const Parts& parts) : compiled_(parts.compiled), fetch_(parts.fetch), now_(parts.now) {
  const auth::Providers& providers = *compiled_.snapshot->providers;
  for (uint32_t i = 0; i < providers.size(); ++i) {
    if (providers[i].key_source != auth::KeySource::file) continue;
    auto text = parts.files.read(providers[i].key_location, auth::kKeySetBytesMax);
    if (!text) continue;  // loading has reported it
    if (auto keys = auth::parse_key_set(*text)) {
      key_sets_.put(providers[i].key_slot, *keys);
    } else {
      keys_problem_ = fmt::format("{}: {}", providers[i].key_location, keys.error());
    }
  }
}

Decision Decider::decide(const RequestToDecide& request) {
  Decision out;
  out.snapshot = compiled_.snapshot;
  Heads heads;
  base::Result<> outcome = decide_into(request, heads, out);
  if (!outcome) {
    out.reason = outcome.error().reason;
    out.detail = outcome.error().detail;
    if (out.reason == Reason::key_set_unavailable && !keys_problem_.empty())
      out.detail += "; " + keys_problem_;
    bool logs_in = out.service != nullptr && gate::leads_to_login(*out.service, heads.head, out.reason) &&
                   gate::cookies_can_be_kept(request.scheme, heads.host.host);
    if (logs_in) out.logs_in_with = out.service->login_providers;
    // Once more where they did, and who came with a token gets a new one elsewhere.
    if (out.reason == Reason::step_up_required)
      std::erase_if(out.logs_in_with,
                    [&](const std::string& name) { return !out.caller || name != out.caller->provider; });
    return out;
  }
  if (out.own) {
    out.detail = "the gate itself answers at this address";
  } else {
    describe_forwarding(heads, out);
  }
  return out;
}

// The head goes through the parser as bytes: what a client may not send is refused here too.
base::Result<> Decider::read_head(const RequestToDecide& request, Heads& heads) const {
  // A client that names no host can only speak HTTP/1.0.
  std::vector<std::string> lines = {
      fmt::format("{} {} HTTP/1.{}", request.method, request.target, request.authority.empty() ? 0 : 1)};
  if (!request.authority.empty()) lines.push_back("Host: " + request.authority);
  for (const config::HeaderValue& header : request.headers)
    lines.push_back(header.name + ": " + header.value);
  for (const std::string& line : lines) {
    if (line.find_first_of("\r\n") != line.npos) {
      return base::client_error(Reason::http_request_error, "a line break stands within the request's head");
    }
    heads.text.append(line).append("\r\n");
  }
  heads.text += "\r\n";
  return http1::parse_request_head(heads.text, compiled_.snapshot->server_limits.head, heads.head);
}

// gate::Exchange::run(), without a client and without a backend.
base::Result<> Decider::decide_into(const RequestToDecide& request, Heads& heads, Decision& out) {
  if (auto read = read_head(request, heads); !read) return read;
  const http::RequestHead& head = heads.head;
  if (auto accepted = gate::check_head(head); !accepted) return accepted;
  heads.host_room.resize(head.authority.size());
  heads.path_room.resize(head.target.size());
  if (!head.authority.empty()) {
    auto host = http::normalise_authority(head.authority, heads.host_room);
    if (!host) return std::unexpected(host.error());
    heads.host = *host;
    out.host = host->host;
  }
  auto target = http::normalise_target(head.target, heads.path_room);
  if (!target) return std::unexpected(target.error());
  heads.target = *target;
  out.path = target->path;
  if (target->path.starts_with(gate::kOwnPrefix)) {
    out.own = true;
    return {};
  }

  const gate::Snapshot& snapshot = *out.snapshot;
  if (gate::find_described(snapshot, head, heads.host.host, *target) != nullptr) {
    out.own = true;
    return {};
  }
  const routing::Route* route = snapshot.routes.lookup(
      {.host = heads.host.host, .path = target->path, .method = head.method, .headers = &head.headers});
  if (route == nullptr) return base::fail(gate::no_route_to(*target));
  out.route = route->pattern;
  out.service = snapshot.services[route->service].get();
  if (auto accepted = gate::check_path_choices(*out.service, *target); !accepted) return accepted;
  if (auto accepted = gate::check_head_bytes(*out.service, heads.text.size()); !accepted) return accepted;
  if (auto authenticated = authenticate(request, heads, out); !authenticated) return authenticated;

  if (auto accepted = gate::check_origin(*out.service, head); !accepted) return accepted;

  out.rules_asked = true;
  out.verdict = auth::check_access(*snapshot.gate_rules, *out.service->rules,
                                   {.method = request.method,
                                    .path = target->path,
                                    .client = request.client,
                                    .caller = out.caller.get(),
                                    .now = now_},
                                   &out.trace);
  if (!out.verdict.allowed) return base::fail(gate::denial_of(out.verdict));
  return gate::check_announced_body(*out.service, head.body);
}

base::Result<> Decider::authenticate(const RequestToDecide& request, const Heads& heads, Decision& out) {
  if (request.pretended != nullptr) {
    out.caller_from = CallerFrom::pretence;
    out.caller = request.pretended;
    return check_session_use(request, heads, *out.service);
  }
  const auth::Providers& providers = *out.snapshot->providers;
  if (!providers.reads_credentials()) return {};
  auto credential = auth::find_credential(heads.head.headers);
  if (!credential) return std::unexpected(credential.error());
  if (credential->kind == auth::CredentialKind::none) return {};
  out.caller_from =
      credential->kind == auth::CredentialKind::api_key ? CallerFrom::api_key : CallerFrom::token;
  auth::OnMissingKey on_missing_key = auth::OnMissingKey::ask;
  for (;;) {
    auth::Authentication outcome = auth::authenticate({.credential = *credential,
                                                       .providers = providers,
                                                       .key_sets = key_sets_,
                                                       .cache = tokens_,
                                                       .now = now_,
                                                       .on_missing_key = on_missing_key});
    switch (outcome.outcome) {
      case auth::Authentication::Outcome::nobody:
        return {};
      case auth::Authentication::Outcome::caller:
        if (auto own = check_possession(request, heads, *credential, *outcome.identity); !own) return own;
        out.caller = std::move(outcome.identity);
        return {};
      case auth::Authentication::Outcome::refused:
        return base::fail(outcome.error);
      case auth::Authentication::Outcome::needs_keys:
        fetch_keys(providers[outcome.provider]);
        on_missing_key = auth::OnMissingKey::refuse;
        break;
      case auth::Authentication::Outcome::needs_introspection:
        return base::gate_error(Reason::introspection_unavailable,
                                "only the token's issuer can say whose it is, and it is not asked here");
    }
  }
}

// Somebody logged in whose browser says nothing of the page that asks is taken to be at the service's own.
base::Result<> Decider::check_session_use(const RequestToDecide& request, const Heads& heads,
                                          const gate::Service& service) {
  const auto& logs_in = service.login_providers;
  bool has_session = std::ranges::find(logs_in, request.pretended->provider) != logs_in.end();
  const http::Headers& headers = heads.head.headers;
  bool says_page = headers.has(http::HeaderId::origin) || headers.has(http::HeaderId::sec_fetch_site);
  if (!has_session || !says_page) return {};
  std::string own = request.scheme + "://" + request.authority;
  return gate::check_session_use(service, heads.head, http::parse_origin(own).value_or(http::Origin{}));
}

// A proof is checked as it stands among the headers; there is no connection that could show a certificate.
base::Result<> Decider::check_possession(const RequestToDecide& request, const Heads& heads,
                                         const auth::Credential& credential, const auth::Identity& caller) {
  std::string origin = request.scheme + "://" + request.authority;
  return auth::check_possession({.credential = credential,
                                 .confirmation = caller.confirmation,
                                 .headers = heads.head.headers,
                                 .method = request.method,
                                 .origin = http::parse_origin(origin).value_or(http::Origin{}),
                                 .path = heads.target.path,
                                 .now = now_,
                                 .replays = replays_});
}

void Decider::fetch_keys(const auth::Provider& provider) {
  FetchResult result = fetch_now(fetch_, {.url = provider.key_location, .bytes_max = auth::kKeySetBytesMax});
  if (!result.ok()) {
    keys_problem_ = fmt::format("{}: {}", provider.key_location, result.problem);
    return;
  }
  auto keys = auth::parse_key_set(result.body);
  if (keys) {
    key_sets_.put(provider.key_slot, *keys);
  } else {
    keys_problem_ = fmt::format("{}: {}", provider.key_location, keys.error());
  }
}

void Decider::describe_forwarding(const Heads& heads, Decision& out) const {
  const gate::Service& service = *out.service;
  out.path_sent = gate::strip_prefix(heads.target.path, service.strip_prefix);
  if (heads.target.has_query) out.path_sent.append("?").append(heads.target.query);
  if (service.endpoints != nullptr) {
    for (const backends::Endpoint& endpoint : *service.endpoints) out.backends.push_back(endpoint.text);
    if (service.host == gate::HostSent::backend && service.endpoints->size() == 1) {
      out.host_sent = service.endpoints->front().authority;
    }
  } else {
    for (const NamesToResolve& names : compiled_.names_to_resolve) {
      if (names.slot != service.slot) continue;
      for (const config::Address& address : names.settings->forward.to)
        out.backends.push_back(address.text());
    }
  }
  if (service.host == gate::HostSent::preserve) {
    out.host_sent = out.host;
  } else if (out.host_sent.empty()) {
    out.host_sent = "the backend's own name";
  }
}

}  // namespace control
