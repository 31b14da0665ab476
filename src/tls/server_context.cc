#include "tls/server_context.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <map>

#include "base/bytes.h"
#include "tls/client_hello.h"
#include "tls/context.h"
#include "tls/server_callbacks.h"
#include "tls/site.h"
#include "tls/ticket_keys.h"

namespace tls {
namespace {

constexpr size_t kCertificatesMax = 10'000;
// More names would only swell the handshake; clients then choose a certificate by themselves.
constexpr size_t kAuthoritiesNamedMax = 32;

using Severity = Problem::Severity;

bool is_name_pattern(std::string_view name) {
  if (name.starts_with("*.")) name.remove_prefix(2);
  return !name.empty() && name.size() <= kServerNameMax && name.find('*') == std::string_view::npos &&
         name.front() != '.' && name.back() != '.' && name.find("..") == std::string_view::npos;
}

std::string day(base::WallTime time) { return base::format_rfc3339(time.ns).substr(0, 10); }

crypto::Sha256 policy_of(const ServerSettings& settings) {
  std::string text(1, static_cast<char>(settings.client_certificates));
  if (settings.client_certificates != ClientCertificates::none) {
    text.append(crypto::as_text(settings.client_ca->digest()));
    text.append(std::to_string(settings.client_intermediates_max));
  }
  return crypto::sha256(text);
}

}  // namespace

// One compilation: collects problems, and goes on after each so that all are told.
struct ServerCompiler {
  const ServerSettings& settings;
  base::WallTime now;
  CompiledServer out;
  std::shared_ptr<ServerContext> context{new ServerContext};
  std::vector<KeyPair> pairs;                        // as in the settings
  std::map<std::string, std::vector<size_t>> names;  // which certificates serve each
  std::map<std::vector<size_t>, Site*> sites;

  void problem(Severity severity, size_t certificate, std::string sentence) {
    out.problems.push_back({severity, certificate, std::move(sentence)});
  }

  bool failed() const {
    return std::ranges::any_of(out.problems, [](const Problem& p) { return p.severity == Severity::error; });
  }

  void check_dates(size_t index, const CertificateInfo& info) {
    if (info.not_after <= now) {
      problem(Severity::warning, index, "the certificate expired on " + day(info.not_after));
    } else if (info.not_after.ns - now.ns < kExpirySoon.ns) {
      problem(Severity::warning, index, "the certificate expires on " + day(info.not_after));
    }
    if (info.not_before > now) {
      problem(Severity::warning, index, "the certificate is not valid before " + day(info.not_before));
    }
  }

  void claim_names(size_t index, const CertificateInfo& info) {
    const auto& listed = settings.certificates[index].names;
    const auto& claimed = listed.empty() ? info.dns_names : listed;
    if (claimed.empty() && index > 0) {
      problem(Severity::warning, index,
              "the certificate names no host and none is given, so no client will get it");
    }
    for (const std::string& written : claimed) {
      std::string name = base::lowercase(written);
      if (!is_name_pattern(name)) {
        problem(listed.empty() ? Severity::warning : Severity::error, index,
                "\"" + written + "\" is not a host name, nor one with \"*\" for its first label");
        continue;
      }
      std::vector<size_t>& serving = names[name];
      // One of each key type: the first in the settings stays.
      bool taken = std::ranges::any_of(serving, [&](size_t i) { return pairs[i].kind == pairs[index].kind; });
      if (!taken) serving.push_back(index);
    }
  }

  void load_certificates() {
    if (settings.certificates.empty())
      problem(Severity::error, SIZE_MAX, "at least one certificate is needed");
    if (settings.certificates.size() > kCertificatesMax) {
      problem(Severity::error, SIZE_MAX, "there are more than 10000 certificates");
      return;
    }
    for (size_t i = 0; i < settings.certificates.size(); ++i) {
      const CertificateSettings& one = settings.certificates[i];
      auto pair = parse_key_pair(one.chain_pem, one.key_pem);
      pairs.push_back(pair ? std::move(*pair) : KeyPair{});
      if (!pair) {
        problem(Severity::error, i, pair.error());
        continue;
      }
      CertificateInfo info = describe(pairs.back().chain[0].get());
      check_dates(i, info);
      claim_names(i, info);
    }
  }

  void check_clients() {
    if (settings.client_certificates != ClientCertificates::none && !settings.client_ca) {
      problem(Severity::error, SIZE_MAX,
              "client certificates are asked for, but no authority for them is given");
    }
    auto wire = alpn_wire(settings.alpn);
    if (!wire) problem(Severity::error, SIZE_MAX, "an ALPN name is empty or longer than 255 bytes");
    context->alpn_wire_ = wire.value_or("");
  }

  void ask_for_clients(SSL_CTX* ssl_context) {
    if (settings.client_certificates == ClientCertificates::none) return;
    int mode = SSL_VERIFY_PEER;
    if (settings.client_certificates == ClientCertificates::required) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ssl_context, mode, nullptr);
    SSL_CTX_set_verify_depth(ssl_context, settings.client_intermediates_max);
    SSL_CTX_set1_cert_store(ssl_context, settings.client_ca->store());
    const auto& authorities = settings.client_ca->certificates();
    if (authorities.size() > kAuthoritiesNamedMax) return;
    for (const X509Handle& authority : authorities) SSL_CTX_add_client_CA(ssl_context, authority.get());
  }

  Site* make_site(const std::vector<size_t>& certificates) {
    auto site = std::make_unique<Site>();
    site->certificates = certificates;
    site->context = make_context(Role::server, settings.version_min);
    if (!site->context) {
      problem(Severity::error, SIZE_MAX, "the TLS library has none of the ciphers that the gate uses");
      return nullptr;
    }
    for (size_t index : certificates) {
      auto used = use_key_pair(site->context.get(), pairs[index]);
      if (!used) problem(Severity::error, index, used.error());
      const std::string& staple = settings.certificates[index].ocsp_response;
      if (!staple.empty()) site->ocsp_staples.emplace_back(pairs[index].chain[0].get(), staple);
    }
    ask_for_clients(site->context.get());
    install_server_callbacks(site->context.get(), *context, *site);
    return context->sites_.emplace_back(std::move(site)).get();
  }

  const Site* site_for(const std::vector<size_t>& certificates) {
    auto [at, added] = sites.try_emplace(certificates, nullptr);
    if (added) at->second = make_site(certificates);
    return at->second;
  }

  // The first certificate, and the one of another key type that serves with it.
  std::vector<size_t> default_certificates() const {
    for (const auto& [name, serving] : names) {
      if (std::ranges::find(serving, size_t{0}) != serving.end()) return serving;
    }
    return {0};
  }

  CompiledServer compile() {
    load_certificates();
    check_clients();
    if (failed()) return std::move(out);
    context->unknown_name_ = settings.unknown_name;
    context->ticket_keys_ = settings.ticket_keys;
    context->policy_ = policy_of(settings);
    if (settings.client_certificates != ClientCertificates::none)
      context->client_authorities_ = settings.client_ca;
    for (const auto& [name, serving] : names) context->names_.emplace(name, site_for(serving));
    context->default_ = site_for(default_certificates());
    if (!failed()) out.context = std::move(context);
    return std::move(out);
  }
};

ServerContext::~ServerContext() = default;

const Site* ServerContext::find(std::string_view name) const {
  if (auto exact = names_.find(name); exact != names_.end()) return exact->second;
  size_t dot = name.find('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() > kServerNameMax) return nullptr;
  char pattern[kServerNameMax + 1] = "*";
  size_t length = name.copy(pattern + 1, kServerNameMax, dot) + 1;
  auto wildcard = names_.find(std::string_view(pattern, length));
  return wildcard != names_.end() ? wildcard->second : nullptr;
}

const Site& ServerContext::default_site() const { return *default_; }

const Site* ServerContext::choose(std::string_view name) const {
  const Site* found = name.empty() ? nullptr : find(name);
  if (found != nullptr || unknown_name_ == UnknownName::refuse) return found;
  return default_;
}

CompiledServer compile_server_context(const ServerSettings& settings, base::WallTime now) {
  return ServerCompiler{.settings = settings, .now = now}.compile();
}

}  // namespace tls
