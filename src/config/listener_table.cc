// Listeners: where clients connect, and what listeners and providers say together.
#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "config/kinds.h"
#include "config/tables.h"

namespace config {
namespace {

enum class HttpVersion : uint8_t { http1, http2 };
constexpr Word<HttpVersion> kVersionWords[] = {{"http1", HttpVersion::http1}, {"http2", HttpVersion::http2}};
constexpr Kind<ProtocolSet> kProtocols = {
    [](Decoder& decoder, const Node& node, ProtocolSet& out) {
      std::vector<HttpVersion> versions;
      size_t errors = decoder.errors();
      ListOf<kOneOf<kVersionWords>, Empty::refused>::decode(decoder, node, versions);
      if (decoder.errors() != errors) return;
      auto has = [&](HttpVersion version) { return std::ranges::find(versions, version) != versions.end(); };
      out = {.http1 = has(HttpVersion::http1), .http2 = has(HttpVersion::http2)};
    },
    ListOf<kOneOf<kVersionWords>, Empty::refused>::schema};

constexpr Word<ProxyProtocol> kProxyProtocolWords[] = {{"off", ProxyProtocol::off},
                                                       {"required", ProxyProtocol::required}};
constexpr Word<Redirect> kRedirectWords[] = {{"off", Redirect::off}, {"https", Redirect::https}};

constexpr Field kListenerFields[] = {
    field<&ListenerSettings::address, kListenAddress>(
        {.key = "address",
         .doc = "`host:port`, `:port` for every address, or `unix:/path`.",
         .need = Need::required,
         .example = "\":8080\""}),
    field<&ListenerSettings::trusted_proxies, kAny<kTrustedNetwork>>(
        {.key = "trusted_proxies",
         .doc = "Networks of proxies in front whose forwarded headers are believed. Nobody by default.",
         .example = "[\"10.0.0.0/8\"]"}),
    field<&ListenerSettings::unix_mode, kFileMode>(
        {.key = "mode",
         .doc = "Who may connect to a `unix:` address: the mode of its file, whatever the umask.",
         .example = "\"0660\"",
         .fallback = "\"0660\""}),
    field<&ListenerSettings::tls, kTls>(
        {.key = "tls",
         .doc = "TLS and nothing else is spoken here, with these certificates.",
         .example = R"({"certificate":"certs/api.pem","key":"certs/api.key"})"}),
    field<&ListenerSettings::protocols, kProtocols>(
        {.key = "protocols",
         .doc =
             "What is spoken: over TLS as agreed by ALPN, HTTP/2 first; in clear text as the client begins.",
         .example = R"(["http1"])",
         .fallback = R"(["http2","http1"])"}),
    field<&ListenerSettings::proxy_protocol, kOneOf<kProxyProtocolWords>>(
        {.key = "proxy_protocol",
         .doc =
             "`required`: each connection begins with a PROXY protocol header that says who the client is, "
             "and only trusted proxies may connect.",
         .fallback = "\"off\""}),
    field<&ListenerSettings::redirect, kOneOf<kRedirectWords>>(
        {.key = "redirect",
         .doc = "`https`: every request is sent on to the first listener that speaks TLS (308).",
         .fallback = "\"off\""}),
};
constexpr Record kListenerRecord = {"listener", "a listener", "Where clients connect.", kListenerFields};

// --- What the keys of one listener say together ---

void check_mode(Decoder& decoder, const Node& node, const ListenerSettings& listener) {
  const Node* mode = node.find("mode");
  if (mode == nullptr || !listener.address.unix_path.empty()) return;
  Decoder::At at(decoder, "mode");
  decoder.error(*mode, "only a unix socket has a file with a mode", "remove it, or listen on `unix:/path`");
}

// Whoever may open a unix socket is let in by its mode.
void check_proxy_protocol(Decoder& decoder, const Node& node, const ListenerSettings& listener) {
  if (listener.proxy_protocol != ProxyProtocol::required || !listener.address.unix_path.empty()) return;
  bool not_at_hand = decoder.incomplete() && node.find("trusted_proxies");
  if (!listener.trusted_proxies.empty() || not_at_hand) return;
  Decoder::At at(decoder, "proxy_protocol");
  decoder.error(*node.find("proxy_protocol"),
                "nobody could connect: only trusted proxies may, and there are none",
                "name the networks of the proxies in front: `trusted_proxies: [10.0.0.0/8]`");
}

void check_redirect(Decoder& decoder, const Node& node, const ListenerSettings& listener) {
  if (listener.redirect != Redirect::https || !listener.tls) return;
  Decoder::At at(decoder, "redirect");
  decoder.error(*node.find("redirect"), "this listener speaks TLS already",
                "keep `redirect` for a listener in clear text, such as one on `:80`");
}

// --- What listeners and providers say together ---

class ListenerChecks {
 public:
  ListenerChecks(Decoder& decoder, const Node& root, const GateSettings& gate)
      : decoder_(decoder), root_(root), listen_(root.find("listen")), gate_(gate) {}

  void check_addresses() {
    for (size_t i = 0; i < gate_.listeners.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        const Address& address = gate_.listeners[i].address;
        bool chosen_by_system = address.unix_path.empty() && address.port == 0;
        if (chosen_by_system || !(address == gate_.listeners[j].address)) continue;
        error({.listener = i},
              fmt::format("the listener on line {} has the same address, `{}`",
                          gate_.listeners[j].source.line, address.text()),
              "keep one of them");
        break;
      }
    }
  }

  void check_client_certs() {
    auto vouches = [](const auth::ProviderSpec& provider) { return provider.client_cert.has_value(); };
    bool somebody_vouches = std::ranges::any_of(gate_.providers, vouches);
    bool somebody_asks = false;
    for (size_t i = 0; i < gate_.listeners.size(); ++i) {
      const auto& tls = gate_.listeners[i].tls;
      if (!tls || tls->client_cert == ClientCert::none) continue;
      somebody_asks = true;
      if (somebody_vouches) continue;
      error({.listener = i, .key = "tls", .inner = "client_cert"},
            "client certificates are asked for, and no provider vouches for any",
            "add one: `providers: { NAME: { client_cert: { ca: FILE } } }`");
    }
    for (const auth::ProviderSpec& provider : gate_.providers) {
      if (somebody_asks || !provider.client_cert || decoder_.errors() > 0) continue;
      const Node* providers = root_.find("providers");
      Decoder::At at(decoder_, "providers");
      Decoder::At at_name(decoder_, provider.name);
      decoder_.warning(*providers->find(provider.name),
                       "no listener asks for client certificates, so the provider vouches for nobody",
                       "write `client_cert: optional` within a listener's `tls`");
    }
  }

  // Browsers keep the session's cookie only where it cannot be read on the way.
  void check_sessions() {
    auto logs_in = [](const auth::ProviderSpec& provider) { return provider.oidc.has_value(); };
    auto provider = std::ranges::find_if(gate_.providers, logs_in);
    if (provider == gate_.providers.end() || decoder_.errors() > 0 || decoder_.incomplete()) return;
    if (std::ranges::any_of(gate_.listeners, may_be_secure)) return;
    Decoder::At at(decoder_, "providers");
    Decoder::At at_name(decoder_, provider->name);
    decoder_.warning(*root_.find("providers")->find(provider->name),
                     "nobody stays logged in: browsers keep the session's cookie only over https, and every "
                     "listener is in clear text",
                     "give a listener its `tls`, or name the proxy that speaks it under `trusted_proxies`");
  }

  void check_redirects() {
    bool has_target = std::ranges::any_of(gate_.listeners, [](const ListenerSettings& listener) {
      return listener.tls && listener.address.unix_path.empty();
    });
    for (size_t i = 0; i < gate_.listeners.size() && !has_target; ++i) {
      if (gate_.listeners[i].redirect != Redirect::https || gate_.listeners[i].tls) continue;
      error({.listener = i, .key = "redirect"},
            "no listener with a port speaks TLS, so there is nowhere to go",
            "add one: `{ address: \":443\", tls: { certificate: FILE, key: FILE } }`");
    }
  }

 private:
  // A browser takes its own machine for secure (W3C Secure Contexts §3.1); whoever stands in front of a
  // socket or is trusted says how it was reached.
  static bool may_be_secure(const ListenerSettings& listener) {
    const std::string& host = listener.address.host;
    bool loopback = host == "localhost" || host == "::1" || host.starts_with("127.");
    return listener.tls || loopback || !listener.address.unix_path.empty() ||
           !listener.trusted_proxies.empty();
  }

  struct Place {
    size_t listener;
    const char* key = "";
    const char* inner = "";  // within key
  };

  void error(const Place& place, std::string message, std::string hint) {
    bool is_list = listen_->kind == Node::Kind::list;
    const Node* node = is_list ? &listen_->items[place.listener] : listen_;
    Decoder::At at_listen(decoder_, "listen");
    std::optional<Decoder::At> at_index, at_key, at_inner;
    if (is_list) at_index.emplace(decoder_, place.listener);
    if (*place.key) node = node->find(place.key);
    if (*place.key) at_key.emplace(decoder_, place.key);
    if (*place.inner) node = node->find(place.inner);
    if (*place.inner) at_inner.emplace(decoder_, place.inner);
    decoder_.error(*node, std::move(message), std::move(hint));
  }

  Decoder& decoder_;
  const Node& root_;
  const Node* listen_;
  const GateSettings& gate_;
};

}  // namespace

void decode_listener(Decoder& decoder, const Node& node, ListenerSettings& out) {
  out.source = decoder.source(node);
  if (node.kind == Node::Kind::scalar) {
    return decoder.error(node,
                         fmt::format("a listener is a map of keys, and this is {}", decoder.described(node)),
                         fmt::format("write `listen: [{{ address: \"{}\" }}]`", node.text));
  }
  size_t errors = decoder.errors();
  decode_record(decoder, node, kListenerRecord, &out);
  if (decoder.errors() != errors) return;
  check_mode(decoder, node, out);
  check_proxy_protocol(decoder, node, out);
  check_redirect(decoder, node, out);
}

std::string listener_schema(SchemaBook& book) { return book.reference(kListenerRecord); }

void check_listeners(Decoder& decoder, const Node& root, const GateSettings& gate) {
  ListenerChecks checks(decoder, root, gate);
  checks.check_addresses();
  checks.check_client_certs();
  checks.check_sessions();
  checks.check_redirects();
}

}  // namespace config
