#include "control/listeners.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "tls/server_context.h"

namespace control {
namespace {

gate::ListenerPolicy clear_text_policy(const config::ListenerSettings& settings) {
  gate::ListenerPolicy policy;
  policy.trusted_proxies = settings.trusted_proxies;
  policy.protocols = {.http1 = settings.protocols.http1, .http2 = settings.protocols.http2};
  policy.proxy_protocol = settings.proxy_protocol == config::ProxyProtocol::required
                              ? gate::ProxyProtocol::required
                              : gate::ProxyProtocol::off;
  return policy;
}

std::vector<std::string> alpn_of(const config::ProtocolSet& protocols) {
  std::vector<std::string> alpn;
  if (protocols.http2) alpn.emplace_back("h2");
  if (protocols.http1) alpn.emplace_back("http/1.1");
  return alpn;
}

// Client certificates are verified by the authorities of all providers together.
struct Clients {
  std::shared_ptr<const tls::TrustStore> ca;
  size_t providers = 0;
  bool broken = false;
};

class ListenersCompiler {
 public:
  explicit ListenersCompiler(const ListenersInput& input) : input_(input), gate_(*input.loaded.gate) {}

  CompiledListeners compile() {
    gather_clients();
    std::vector<std::string> names = listener_names(gate_);
    for (size_t i = 0; i < gate_.listeners.size(); ++i) {
      const config::ListenerSettings& settings = gate_.listeners[i];
      auto listener = std::make_shared<CompiledListener>();
      listener->policy = clear_text_policy(settings);
      listener->name = listener->policy.name = names[i];
      listener->redirect = settings.redirect;
      bool good = !settings.tls || add_tls(i, *listener);
      out_.list.push_back(good ? std::move(listener) : nullptr);
    }
    return std::move(out_);
  }

 private:
  bool is_at_hand(const config::FileText& file) const {
    return !input_.loaded.incomplete || !file.text.empty();
  }

  void gather_clients() {
    std::string pem;
    for (const auth::ProviderSpec& provider : gate_.providers) {
      if (!provider.client_cert) continue;
      ++clients_.providers;
      if (provider.client_cert->ca_pem.empty() && input_.loaded.incomplete) continue;
      // One by one, so that a bundle without a certificate in it does not hide behind the others.
      auto ca = tls::TrustStore::from_pem(provider.client_cert->ca_pem);
      clients_.broken |= !ca;
      // Otherwise it is reported with the providers.
      if (!ca && input_.loaded.incomplete) {
        report({.source = provider.client_cert->ca_source,
                .key = fmt::format("providers.{}.client_cert.ca", provider.name),
                .message = fmt::format("no client can be verified: {}", ca.error()),
                .hint = {},
                .line = {}});
      }
      pem.append(provider.client_cert->ca_pem).append("\n");
    }
    if (clients_.broken || pem.empty()) return;
    if (auto all = tls::TrustStore::from_pem(pem)) clients_.ca = std::move(*all);
  }

  // False: there is no context for it, and the reason is reported.
  bool add_tls(size_t index, CompiledListener& listener) {
    const config::ListenerSettings& settings = gate_.listeners[index];
    const config::TlsSettings& own = *settings.tls;
    tls::ServerSettings wanted;
    std::vector<size_t> places;  // in the settings, of what is compiled
    for (size_t i = 0; i < own.certificates.size(); ++i) {
      const config::CertificateFiles& files = own.certificates[i];
      if (!is_at_hand(files.certificate) || !is_at_hand(files.key)) continue;
      wanted.certificates.push_back({.chain_pem = files.certificate.text,
                                     .key_pem = files.key.text,
                                     .ocsp_response = files.ocsp.text,
                                     .names = {}});
      places.push_back(i);
    }
    // Checked for another machine, which has them: nobody serves what comes of this.
    if (places.empty() && input_.loaded.incomplete) return true;
    wanted.unknown_name = own.unknown_names == config::UnknownNames::refuse
                              ? tls::UnknownName::refuse
                              : tls::UnknownName::first_certificate;
    wanted.version_min =
        own.min_version == config::TlsVersion::tls_1_3 ? tls::Version::tls13 : tls::Version::tls12;
    wanted.alpn = alpn_of(settings.protocols);
    wanted.ticket_keys = input_.ticket_keys;
    if (own.client_cert != config::ClientCert::none && !ask_for_clients(own, wanted)) return false;

    tls::CompiledServer compiled = tls::compile_server_context(wanted, input_.now);
    for (const tls::Problem& problem : compiled.problems) {
      size_t place = problem.certificate < places.size() ? places[problem.certificate] : SIZE_MAX;
      report_problem(index, place, problem);
    }
    listener.policy.tls = std::move(compiled.context);
    if (listener.policy.tls == nullptr) return false;
    for (size_t place : places) describe(own.certificates[place], listener);
    return true;
  }

  bool ask_for_clients(const config::TlsSettings& own, tls::ServerSettings& wanted) {
    if (clients_.ca == nullptr && input_.loaded.incomplete && !clients_.broken) return true;
    if (clients_.broken) return false;
    wanted.client_certificates = own.client_cert == config::ClientCert::required
                                     ? tls::ClientCertificates::required
                                     : tls::ClientCertificates::optional;
    wanted.client_ca = clients_.ca;
    // A resumed connection brings the client's certificate but not the chain that tells the provider.
    if (clients_.providers > 1) wanted.ticket_keys = nullptr;
    return true;
  }

  void report(config::Diagnostic diagnostic) { out_.diagnostics.push_back(std::move(diagnostic)); }

  void report_problem(size_t index, size_t place, const tls::Problem& problem) {
    const config::TlsSettings& own = *gate_.listeners[index].tls;
    config::Diagnostic diagnostic{.severity = problem.severity == tls::Problem::Severity::error
                                                  ? config::Severity::error
                                                  : config::Severity::warning,
                                  .source = own.source,
                                  .key = fmt::format("listen[{}].tls", index),
                                  .message = problem.sentence,
                                  .hint = {},
                                  .line = {}};
    if (place != SIZE_MAX) {
      const config::CertificateFiles& files = own.certificates[place];
      diagnostic.source = files.certificate.source;
      bool in_list = files.source.line != own.source.line || files.source.column != own.source.column;
      if (in_list) diagnostic.key += fmt::format(".certificates[{}]", place);
      if (!files.certificate.file.empty()) {
        diagnostic.message = fmt::format("{}: {}", files.certificate.file, problem.sentence);
      }
    }
    report(std::move(diagnostic));
  }

  static void describe(const config::CertificateFiles& files, CompiledListener& listener) {
    auto info = tls::certificate_info(files.certificate.text);
    if (!info) return;
    ListenerCertificate& certificate = listener.certificates.emplace_back();
    certificate.file = files.certificate.file;
    certificate.not_after = info->not_after;
    certificate.name = !info->dns_names.empty()      ? info->dns_names.front()
                       : !info->ip_addresses.empty() ? info->ip_addresses.front()
                                                     : info->subject;
  }

  const ListenersInput& input_;
  const config::GateSettings& gate_;
  Clients clients_;
  CompiledListeners out_;
};

}  // namespace

std::vector<std::string> listener_names(const config::GateSettings& gate) {
  std::vector<std::string> names;
  for (const config::ListenerSettings& listener : gate.listeners) {
    std::string text = listener.address.text();
    std::string name = text;
    for (int again = 2; std::ranges::find(names, name) != names.end(); ++again) {
      name = fmt::format("{}#{}", text, again);
    }
    names.push_back(std::move(name));
  }
  return names;
}

CompiledListeners compile_listeners(const ListenersInput& input) {
  return ListenersCompiler(input).compile();
}

}  // namespace control
