#include <fmt/core.h>

#include "base/bytes.h"
#include "config/golden_dump.h"
#include "redis/target.h"

namespace config {
namespace {

std::string list(const std::vector<std::string>& items) {
  std::string out = "[";
  for (size_t i = 0; i < items.size(); ++i) out += (i > 0 ? ", " : "") + items[i];
  return out + "]";
}

template <class T, class F>
std::string list_of(const std::vector<T>& items, F text) {
  std::vector<std::string> texts;
  for (const T& item : items) texts.push_back(text(item));
  return list(texts);
}

std::string duration(base::Duration d) { return fmt::format("{}ms", d.milliseconds()); }

// Where a text came from and how much of it there is: what it says may be a secret.
std::string file(const FileText& f) {
  return fmt::format("{}({} bytes)", f.file.empty() ? "variable" : f.file, f.text.size());
}

// Of a secret only that it is there.
std::string client(const auth::ClientSpec& c) {
  return fmt::format("{}({}, {})", c.id, c.secret.empty() ? "public" : "secret",
                     c.auth == auth::ClientAuth::post ? "post" : "basic");
}

std::string claim_names(const auth::ClaimNames& c) {
  return fmt::format("{},{},{}{}", c.subject, c.scopes, c.groups,
                     c.groups_separator.empty() ? "" : " separated by \"" + c.groups_separator + "\"");
}

std::string algorithms(const std::vector<auth::Algorithm>& list) {
  return list_of(list, [](auth::Algorithm a) { return std::string(auth::algorithm_name(a)); });
}

std::string binding(auth::SenderConstrained wanted) {
  return wanted == auth::SenderConstrained::required ? " bound" : "";
}

std::string token(const TokenSettings& t) {
  constexpr std::string_view kKinds[] = {"none", "caller", "exchange", "client_credentials"};
  std::string out(kKinds[static_cast<size_t>(t.kind)]);
  if (!t.provider.empty()) out += " provider=" + t.provider;
  if (!t.audience.empty()) out += " audience=" + t.audience;
  if (!t.resource.empty()) out += " resource=" + t.resource;
  if (!t.scopes.empty()) out += " scopes=" + list(t.scopes);
  return out;
}

std::string backend(const Address& a) {
  return (a.scheme == Address::Scheme::https ? "https://" : "") + a.text();
}

std::string name_kind(auth::CertificateName kind) {
  return kind == auth::CertificateName::spiffe ? "spiffe"
         : kind == auth::CertificateName::dns  ? "dns"
                                               : "subject";
}

std::string listener(const ListenerSettings& l) {
  std::string out;
  if (l.unix_mode != 0660) out += fmt::format(" mode={:04o}", l.unix_mode);
  if (!l.trusted_proxies.empty()) out += " trusted=" + list_of(l.trusted_proxies, base::format_network);
  if (!l.protocols.http1) out += " protocols=http2";
  if (!l.protocols.http2) out += " protocols=http1";
  if (l.proxy_protocol == ProxyProtocol::required) out += " proxy_protocol";
  if (l.redirect == Redirect::https) out += " redirect=https";
  return out;
}

std::string claims_text(const std::vector<auth::ClaimSpec>& claims) {
  return list_of(claims, [](const auth::ClaimSpec& c) { return c.path + "=" + list(c.values); });
}

std::string who(const auth::WhoSpec& w) {
  std::string out;
  auto add = [&](std::string_view part) { out += (out.empty() ? "" : " ") + std::string(part); };
  if (w.anyone) add("anyone");
  if (w.authenticated) add("authenticated");
  if (!w.providers.empty()) add("provider=" + list(w.providers));
  if (!w.subjects.empty()) add("subjects=" + list(w.subjects));
  if (!w.groups.empty()) add("groups=" + list(w.groups));
  if (!w.scopes.empty()) add("scopes=" + list(w.scopes));
  if (!w.claims.empty()) add("claims=" + claims_text(w.claims));
  if (!w.acr.empty()) add("acr=" + list(w.acr));
  if (!w.amr.empty()) add("amr=" + list(w.amr));
  if (w.max_age) add("max_age=" + duration(*w.max_age));
  if (w.none_of) add("not(" + who(*w.none_of) + ")");
  return out;
}

std::string rule(const auth::RuleSpec& r) {
  std::string out =
      fmt::format("\"{}\" {} {}", r.name, r.effect == auth::Effect::allow ? "allow" : "deny", who(r.who));
  for (const auth::OnSpec& on : r.on)
    out += fmt::format(" on {}{} {}", on.form == auth::OnForm::grpc ? "grpc " : "",
                       on.methods.empty() ? "*" : list(on.methods), on.path);
  if (!r.from.empty()) out += " from " + list_of(r.from, base::format_network);
  if (r.observe) out += " observe";
  return out + fmt::format(" ({})", r.source.text());
}

std::string test(const TestSpec& t) {
  std::string out =
      fmt::format("{} {}{}{}", t.method, t.scheme.empty() ? "" : t.scheme + "://", t.host, t.target);
  if (t.caller) {
    out += fmt::format(" as {} sub={} groups={} scopes={} claims={}", t.caller->provider, t.caller->subject,
                       list(t.caller->groups), list(t.caller->scopes), claims_text(t.caller->claims));
    if (!t.caller->acr.empty()) out += " acr=" + t.caller->acr;
    if (!t.caller->amr.empty()) out += " amr=" + list(t.caller->amr);
    if (t.caller->auth_age) out += " auth_age=" + duration(*t.caller->auth_age);
  }
  if (t.from) out += " from " + base::format_ip(*t.from);
  for (const HeaderValue& h : t.headers) out += fmt::format(" {}={}", h.name, h.value);
  out += t.expect == auth::Effect::allow ? " -> allow" : " -> deny";
  if (!t.by.empty()) out += fmt::format(" by \"{}\"", t.by);
  return out + fmt::format("   {{{}}}", t.text);
}

std::string changes(const HeaderChanges& c) {
  auto pair = [](const HeaderValue& h) { return h.name + "=" + h.value; };
  return fmt::format("set={} add={} remove={}", list_of(c.set, pair), list_of(c.add, pair), list(c.remove));
}

class Dump {
 public:
  void line(int indent, const std::string& text) {
    out_ += std::string(static_cast<size_t>(indent) * 2, ' ') + text + "\n";
  }

  void service(const ServiceSettings& s) {
    line(0, "service " + s.name + (s.enabled ? "" : " (disabled)"));
    for (const MatchSettings& m : s.matches) {
      std::string text = fmt::format("match host={} path={}", list(m.hosts), m.path);
      if (!m.methods.empty()) text += " methods=" + list(m.methods);
      for (const HeaderCondition& h : m.headers)
        text += fmt::format(" {}={}", h.name, h.values.empty() ? "*" : list(h.values));
      line(1, text);
    }
    const ForwardSettings& f = s.forward;
    std::string text = "forward to=" + list_of(f.to, backend);
    if (!f.strip_prefix.empty()) text += " strip_prefix=" + f.strip_prefix;
    if (f.host == HostSent::backend) text += " host=backend";
    if (f.connect_timeout != base::seconds(5)) text += " connect_timeout=" + duration(f.connect_timeout);
    if (f.response_timeout != base::seconds(60)) text += " response_timeout=" + duration(f.response_timeout);
    line(1, text);
    forward_tls(f);
    for (const auth::RuleSpec& r : s.access) line(1, "rule " + rule(r));
    for (const TestSpec& t : s.tests) line(1, "test " + test(t));
    if (changes(s.headers.request) != changes({})) line(1, "request headers " + changes(s.headers.request));
    if (changes(s.headers.response) != changes({}))
      line(1, "response headers " + changes(s.headers.response));
    if (s.limits.body_bytes_max) line(1, fmt::format("limit body={}", *s.limits.body_bytes_max));
    if (s.limits.head_bytes_max != LimitSettings{}.head_bytes_max)
      line(1, fmt::format("limit head={}", s.limits.head_bytes_max));
    if (s.paths.encoded_slash == PathChoice::keep) line(1, "paths encoded_slash=keep");
    if (s.paths.parameters == PathChoice::keep) line(1, "paths parameters=keep");
    if (!s.websocket.origins.empty()) line(1, "websocket origins=" + list(s.websocket.origins));
    if (s.websocket.idle_timeout != WebSocketSettings{}.idle_timeout)
      line(1, "websocket idle_timeout=" + duration(s.websocket.idle_timeout));
    if (s.token.kind != BackendToken::none) line(1, "token " + token(s.token));
    if (s.csrf.cross_site == CrossSite::allowed) line(1, "csrf off");
    if (!s.csrf.origins.empty()) line(1, "csrf origins=" + list(s.csrf.origins));
    if (s.resource_metadata == ResourceMetadata::off) line(1, "resource_metadata off");
  }

  void forward_tls(const ForwardSettings& f) {
    std::string text;
    if (f.protocol == BackendProtocol::http1) text += " protocol=http1";
    if (f.protocol == BackendProtocol::http2) text += " protocol=http2";
    if (f.client_cert == ClientCertSent::header) text += " client_cert=header";
    if (f.proxy_protocol == ProxyProtocolSent::v1) text += " proxy_protocol=v1";
    if (f.proxy_protocol == ProxyProtocolSent::v2) text += " proxy_protocol=v2";
    if (f.tls.ca.written()) text += " ca=" + file(f.tls.ca);
    if (!f.tls.name.empty()) text += " name=" + f.tls.name;
    if (f.tls.certificate.written()) text += " certificate=" + file(f.tls.certificate);
    if (f.tls.key.written()) text += " key=" + file(f.tls.key);
    if (f.tls.verify == Verify::insecure) text += " verify=insecure";
    if (!text.empty()) line(2, text.substr(1));
  }

  void provider(const auth::ProviderSpec& p) {
    line(0, "provider " + p.name);
    if (p.api_keys) {
      line(1, "api_keys file=" + p.api_keys->file);
      for (const auth::ApiKeySpec& k : p.api_keys->keys) {
        std::string text =
            fmt::format("key {} owner={} scopes={} groups={}", k.id, k.owner, list(k.scopes), list(k.groups));
        if (k.created) text += " created=" + base::format_rfc3339(k.created->ns);
        if (k.expires) text += " expires=" + base::format_rfc3339(k.expires->ns);
        line(2, text);
      }
    }
    if (p.client_cert) {
      const auth::ClientCertSpec& c = *p.client_cert;
      line(1, fmt::format("client_cert ca={}({} bytes) identity={}{}", c.ca_file, c.ca_pem.size(),
                          list_of(c.identity, name_kind),
                          c.groups_from == auth::CertificateGroups::none ? "" : " groups_from=ou"));
    }
    if (p.oidc) oidc(*p.oidc);
    if (p.introspection) {
      const auth::IntrospectionSpec& i = *p.introspection;
      line(1, fmt::format("introspection url={} client={} issuer={} audience={} cache={} claims={}{}", i.url,
                          client(i.client), i.issuer, list(i.audience), duration(i.cache),
                          claim_names(i.claims), binding(i.sender_constrained)));
    }
    if (!p.jwt) return;
    const auth::JwtSpec& j = *p.jwt;
    line(1, fmt::format("jwt issuer={} audience={} algorithms={} skew={} claims={}{}", j.issuer,
                        list(j.audience), algorithms(j.algorithms), duration(j.clock_skew),
                        claim_names(j.claims), binding(j.sender_constrained)));
    line(1, fmt::format("jwks file={} url={} inline={}", j.jwks.file, j.jwks.url, j.jwks.inline_json));
  }

  void oidc(const auth::OidcSpec& o) {
    std::string text = fmt::format("oidc issuer={} client={} scopes={} algorithms={} skew={} claims={}",
                                   o.issuer, client(o.client), list(o.scopes), algorithms(o.algorithms),
                                   duration(o.clock_skew), claim_names(o.claims));
    if (o.userinfo == auth::Userinfo::on) text += " userinfo";
    if (!o.resource.empty()) text += " resource=" + o.resource;
    if (!o.label.empty()) text += " label=" + o.label;
    if (!o.prompt.empty()) text += " prompt=" + o.prompt;
    line(1, text);
  }

  void tls(const TlsSettings& t) {
    std::string text = "tls";
    if (t.min_version == TlsVersion::tls_1_3) text += " min_version=1.3";
    if (t.client_cert == ClientCert::optional) text += " client_cert=optional";
    if (t.client_cert == ClientCert::required) text += " client_cert=required";
    if (t.unknown_names == UnknownNames::refuse) text += " unknown_names=refuse";
    line(1, text);
    for (const CertificateFiles& c : t.certificates) {
      line(2, fmt::format("certificate={} key={}{}", file(c.certificate), file(c.key),
                          c.ocsp.written() ? " ocsp=" + file(c.ocsp) : ""));
    }
  }

  void gate(const GateSettings& g) {
    for (const ListenerSettings& l : g.listeners) {
      line(0, "listen " + l.address.text() + listener(l));
      if (l.tls) tls(*l.tls);
    }
    if (g.admin.address.text() != AdminSettings{}.address.text()) line(0, "admin " + g.admin.address.text());
    if (g.workers != 0) line(0, fmt::format("workers {}", g.workers));
    if (g.connections_max != 0) line(0, fmt::format("max_connections {}", g.connections_max));
    if (g.log.access.to == AccessLogSettings::To::file) line(0, "access log " + g.log.access.file);
    if (g.log.access.to == AccessLogSettings::To::off) line(0, "access log off");
    if (g.log.access.form == AccessLogSettings::Form::json) line(0, "access log as json");
    if (g.log.access.form == AccessLogSettings::Form::text) line(0, "access log as text");
    if (g.log.level != LogLevel::info) line(0, fmt::format("log level {}", static_cast<int>(g.log.level)));
    for (const auth::ProviderSpec& p : g.providers) provider(p);
    if (!g.identity.issuer.empty() || !g.identity.key_file.empty() || !g.identity.headers.empty()) {
      line(0, fmt::format("identity issuer={} key_file={} headers={}", g.identity.issuer, g.identity.key_file,
                          list_of(g.identity.headers,
                                  [](http::HeaderId id) { return std::string(http::header_name(id)); })));
    }
    const SessionSettings& s = g.sessions;
    std::string sessions =
        fmt::format("lifetime={} idle={}", duration(s.limits.lifetime), duration(s.limits.idle));
    if (!s.redis.empty()) sessions += " redis=" + redis::describe(*redis::parse_target(s.redis));
    if (!s.secrets.empty()) sessions += fmt::format(" secrets={}", s.secrets.size());
    if (sessions != "lifetime=43200000ms idle=3600000ms") line(0, "sessions " + sessions);
    if (g.fetch.ca.written() || !g.fetch.allow.empty()) {
      line(0, fmt::format("fetch ca={} allow={}", g.fetch.ca.written() ? file(g.fetch.ca) : "",
                          list_of(g.fetch.allow, base::format_network)));
    }
    const TimeoutSettings& t = g.timeouts;
    std::string times = fmt::format("{} {} {} {} {}", duration(t.head), duration(t.body), duration(t.send),
                                    duration(t.idle), duration(t.drain));
    if (times != "10000ms 30000ms 30000ms 75000ms 30000ms") line(0, "timeouts " + times);
    for (const auth::RuleSpec& r : g.access) line(0, "gate rule " + rule(r));
  }

  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace

std::string dump(const LoadedGate& loaded) {
  Dump dump;
  if (loaded.gate) dump.gate(*loaded.gate);
  for (const auto& service : loaded.services) dump.service(*service);
  for (const BrokenService& broken : loaded.broken) dump.line(0, "broken " + broken.name);
  if (!loaded.referenced_files.empty()) dump.line(0, "watch " + list(loaded.referenced_files));
  if (!loaded.loaded()) dump.line(0, "refused");
  return dump.take();
}

}  // namespace config
