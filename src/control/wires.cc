#include "control/wires.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

#include "crypto/digest.h"
#include "tls/certificate.h"
#include "tls/client_context.h"

namespace control {
namespace {

bool uses_tls(const config::ForwardSettings& forward) {
  return !forward.to.empty() && forward.to.front().scheme == config::Address::Scheme::https;
}

bool same_text(const config::FileText& a, const config::FileText& b) {
  return a.written() == b.written() && a.text == b.text;
}

bool same_tls(const config::BackendTls& a, const config::BackendTls& b) {
  return same_text(a.ca, b.ca) && a.name == b.name && same_text(a.certificate, b.certificate) &&
         same_text(a.key, b.key) && a.verify == b.verify;
}

backends::Protocol protocol_of(config::BackendProtocol protocol) {
  switch (protocol) {
    case config::BackendProtocol::http1:
      return backends::Protocol::http1;
    case config::BackendProtocol::http2:
      return backends::Protocol::http2;
    case config::BackendProtocol::automatic:
      break;
  }
  return backends::Protocol::automatic;
}

std::optional<io::ProxyVersion> proxy_header_of(config::ProxyProtocolSent sent) {
  if (sent == config::ProxyProtocolSent::off) return std::nullopt;
  return sent == config::ProxyProtocolSent::v1 ? io::ProxyVersion::v1 : io::ProxyVersion::v2;
}

void add_field(std::string& text, std::string_view field) {
  text.append(std::to_string(field.size())).append(":").append(field);
}

// A key is a secret: only its digest is kept.
std::string digest_of(std::string_view text) { return std::string(crypto::as_text(crypto::sha256(text))); }

config::Diagnostic problem_with(const config::FileText& file, std::string_view key, std::string sentence) {
  if (!file.file.empty()) sentence = fmt::format("{}: {}", file.file, sentence);
  return {.source = file.source,
          .key = fmt::format("forward.tls.{}", key),
          .message = std::move(sentence),
          .hint = {},
          .line = {}};
}

bool misses_files(const config::BackendTls& tls) {
  auto missing = [](const config::FileText& file) { return file.written() && file.text.empty(); };
  return missing(tls.ca) || missing(tls.certificate) || missing(tls.key);
}

}  // namespace

bool same_wire(const config::ForwardSettings& a, const config::ForwardSettings& b) {
  if (uses_tls(a) != uses_tls(b) || a.protocol != b.protocol || a.proxy_protocol != b.proxy_protocol) {
    return false;
  }
  return !uses_tls(a) || same_tls(a.tls, b.tls);
}

std::expected<WirePtr, config::Diagnostic> WireCompiler::compile(const config::ForwardSettings& forward,
                                                                 MissingFiles missing) {
  auto wire = std::make_shared<backends::Wire>();
  wire->protocol = protocol_of(forward.protocol);
  wire->proxy_header = proxy_header_of(forward.proxy_protocol);
  if (!uses_tls(forward)) {
    if (wire->protocol == backends::Protocol::automatic && !wire->proxy_header) return nullptr;
    return wire;
  }
  if (missing == MissingFiles::ignored && misses_files(forward.tls)) return nullptr;
  auto http1 = context_for(forward, Offer::http1);
  if (!http1) return std::unexpected(std::move(http1.error()));
  wire->tls_http1 = std::move(*http1);
  if (wire->protocol == backends::Protocol::http1) {
    wire->tls = wire->tls_http1;
    return wire;
  }
  auto context =
      context_for(forward, wire->protocol == backends::Protocol::http2 ? Offer::http2 : Offer::any);
  if (!context) return std::unexpected(std::move(context.error()));
  wire->tls = std::move(*context);
  return wire;
}

std::expected<WireCompiler::ContextPtr, config::Diagnostic> WireCompiler::context_for(
    const config::ForwardSettings& forward, Offer offer) {
  const config::BackendTls& own = forward.tls;
  std::string words(1, static_cast<char>('0' + static_cast<int>(offer)));
  words += own.verify == config::Verify::insecure ? 'i' : 'v';
  words += own.ca.written() ? 'b' : 's';
  for (std::string_view field : {std::string_view(own.ca.text), std::string_view(own.name),
                                 std::string_view(own.certificate.text), std::string_view(own.key.text)}) {
    add_field(words, field);
  }
  std::string digest = digest_of(words);
  if (auto known = contexts_[digest].lock()) return known;

  tls::ClientSettings wanted;
  wanted.server_name = own.name;
  wanted.certificate_pem = own.certificate.text;
  wanted.key_pem = own.key.text;
  if (offer != Offer::http1) wanted.alpn.emplace_back("h2");
  if (offer != Offer::http2) wanted.alpn.emplace_back("http/1.1");
  if (own.verify == config::Verify::insecure) {
    wanted.verification = tls::Verification::insecurely_off;
  } else {
    auto trust = trust_for(forward);
    if (!trust) return std::unexpected(std::move(trust.error()));
    wanted.ca = std::move(*trust);
  }
  if (own.certificate.written() && own.certificate.text.empty()) {
    return std::unexpected(problem_with(own.certificate, "certificate", "there is no certificate in it"));
  }
  auto context = tls::compile_client_context(wanted);
  if (!context) return std::unexpected(problem_with(own.certificate, "certificate", context.error()));
  contexts_[digest] = *context;
  return std::move(*context);
}

std::expected<WireCompiler::TrustPtr, config::Diagnostic> WireCompiler::trust_for(
    const config::ForwardSettings& forward) {
  const config::FileText& ca = forward.tls.ca;
  if (!ca.written()) {
    if (system_ != nullptr) return system_;
    auto system = tls::TrustStore::of_system();
    if (!system) {
      return std::unexpected(config::Diagnostic{
          .source = forward.to_source,
          .key = "forward.to",
          .message = fmt::format("the backend's certificate cannot be verified: {}", system.error()),
          .hint = "name the CA that vouches for it: `tls: { ca: FILE }`",
          .line = {}});
    }
    return system_ = std::move(*system);
  }
  std::string digest = digest_of(ca.text);
  if (auto known = bundles_[digest].lock()) return known;
  auto bundle = tls::TrustStore::from_pem(ca.text);
  if (!bundle) return std::unexpected(problem_with(ca, "ca", bundle.error()));
  bundles_[digest] = *bundle;
  return std::move(*bundle);
}

void WireCompiler::sweep() {
  std::erase_if(contexts_, [](const auto& entry) { return entry.second.expired(); });
  std::erase_if(bundles_, [](const auto& entry) { return entry.second.expired(); });
}

}  // namespace control
