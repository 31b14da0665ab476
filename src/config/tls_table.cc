// What stands in a user's files about TLS: a listener's certificates, how backends are called, and the CAs
// whose client certificates say who is calling. The texts of the files are read here; whether a certificate
// is good is for src/tls to say, when control/ compiles.
#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/ip.h"
#include "config/kinds.h"
#include "config/tables.h"

namespace config {
namespace {

constexpr size_t kTlsFileBytesMax = 1024 * 1024;  // the bundle of an operating system has 250 KB

// --- A listener's certificates ---

constexpr Field kCertificateFields[] = {
    field<&CertificateFiles::certificate, kFileText>(
        {.key = "certificate",
         .doc = "A PEM file with the certificate and those between it and the root, its own first.",
         .need = Need::required,
         .example = "\"certs/api.pem\""}),
    field<&CertificateFiles::key, kFileText>({.key = "key",
                                              .doc = "A PEM file with the private key.",
                                              .need = Need::required,
                                              .example = "\"certs/api.key\""}),
    field<&CertificateFiles::ocsp, kFileText>(
        {.key = "ocsp",
         .doc = "A file with the CA's OCSP answer (DER), which is stapled to the handshake.",
         .example = "\"certs/api.ocsp\""}),
};
constexpr Record kCertificateRecord = {"certificate", "a certificate",
                                       "A certificate and its key; a change of the files is seen.",
                                       kCertificateFields};
constexpr Kind<CertificateFiles> kCertificate = {
    [](Decoder& decoder, const Node& node, CertificateFiles& out) {
      out.source = decoder.source(node);
      if (node.kind == Node::Kind::scalar) {
        return decoder.error(
            node, fmt::format("a certificate is a map of keys, and this is {}", decoder.described(node)),
            "write `{ certificate: FILE, key: FILE }`");
      }
      decode_record(decoder, node, kCertificateRecord, &out);
    },
    record_schema<kCertificateRecord>};

// As the keys stand, before one certificate and a list of them become one list.
struct TlsKeys {
  std::vector<CertificateFiles> certificates;
  FileText certificate;
  FileText key;
  FileText ocsp;
  TlsVersion min_version = TlsVersion::tls_1_2;
  ClientCert client_cert = ClientCert::none;
  UnknownNames unknown_names = UnknownNames::first_certificate;
};

constexpr std::string_view kVersionWords[] = {"1.2", "1.3"};
constexpr Kind<TlsVersion> kTlsVersion = {
    [](Decoder& decoder, const Node& node, TlsVersion& out) {
      if (node.kind == Node::Kind::scalar && (node.text == "1.0" || node.text == "1.1")) {
        return decoder.error(node, fmt::format("TLS {} is broken and not spoken", node.text),
                             "write \"1.2\" or \"1.3\"");
      }
      if (auto index = read_word(decoder, node, kVersionWords))
        out = *index == 0 ? TlsVersion::tls_1_2 : TlsVersion::tls_1_3;
    },
    // Without quotes it is a number, and means the same.
    [](SchemaBook&) -> std::string { return R"({"enum":["1.2","1.3",1.2,1.3]})"; }};

constexpr Word<ClientCert> kClientCertWords[] = {
    {"none", ClientCert::none}, {"optional", ClientCert::optional}, {"required", ClientCert::required}};
constexpr Word<UnknownNames> kUnknownNamesWords[] = {{"default", UnknownNames::first_certificate},
                                                     {"refuse", UnknownNames::refuse}};

constexpr Field kTlsFields[] = {
    field<&TlsKeys::certificates, kSome<kCertificate>>(
        {.key = "certificates",
         .doc = "Several certificates, chosen by the name a client asks for; the first is the default.",
         .example = R"([{"certificate":"certs/api.pem","key":"certs/api.key"}])"}),
    field<&TlsKeys::certificate, kFileText>(
        {.key = "certificate",
         .doc = "The only certificate: a PEM file with it and those between it and the root.",
         .example = "\"certs/api.pem\""}),
    field<&TlsKeys::key, kFileText>({.key = "key",
                                     .doc = "The only certificate's private key, a PEM file.",
                                     .example = "\"certs/api.key\""}),
    field<&TlsKeys::ocsp, kFileText>({.key = "ocsp",
                                      .doc = "The only certificate's OCSP answer (DER), stapled.",
                                      .example = "\"certs/api.ocsp\""}),
    field<&TlsKeys::min_version, kTlsVersion>(
        {.key = "min_version", .doc = "The oldest version of TLS spoken.", .fallback = "\"1.2\""}),
    field<&TlsKeys::client_cert, kOneOf<kClientCertWords>>(
        {.key = "client_cert",
         .doc = "Whether clients are asked for a certificate, which a `client_cert` provider vouches for.",
         .fallback = "\"none\""}),
    field<&TlsKeys::unknown_names, kOneOf<kUnknownNamesWords>>(
        {.key = "unknown_names",
         .doc = "A name that no certificate holds: use the first certificate, or refuse the handshake.",
         .fallback = "\"default\""}),
};
constexpr Record kTlsRecord = {"tls", "`tls`", "TLS of a listener: certificates and who may connect.",
                               kTlsFields};

// The certificates, written one way or the other.
void take_certificates(Decoder& decoder, const Node& node, TlsKeys& keys, TlsSettings& out) {
  constexpr std::string_view kSingle[] = {"certificate", "key", "ocsp"};
  auto single = std::ranges::find_if(kSingle, [&](std::string_view key) { return node.find(key); });
  if (node.find("certificates")) {
    if (single != std::end(kSingle)) {
      Decoder::At at(decoder, *single);
      decoder.error(*node.find(*single), "certificates stand here in both ways",
                    "keep the list, or the one `certificate` with its `key`");
    }
    out.certificates = std::move(keys.certificates);
    return;
  }
  if (single == std::end(kSingle)) {
    return decoder.error(node, "a listener that speaks TLS needs a certificate",
                         "write `tls: { certificate: FILE, key: FILE }`, or a list under `certificates`");
  }
  for (const char* key : {"certificate", "key"}) {
    if (!node.find(key)) decoder.error(node, fmt::format("`{}` is missing", key), "name its PEM file");
  }
  out.certificates.push_back({.certificate = std::move(keys.certificate),
                              .key = std::move(keys.key),
                              .ocsp = std::move(keys.ocsp),
                              .source = decoder.source(node)});
}

// --- Backends ---

constexpr Word<Verify> kVerifyWords[] = {{"on", Verify::on}, {"insecure", Verify::insecure}};
constexpr Kind<Verify> kVerify = {
    [](Decoder& decoder, const Node& node, Verify& out) {
      bool off = node.kind == Node::Kind::scalar && (node.text == "off" || node.text == "false");
      if (off) {
        return decoder.error(
            node, fmt::format("must be `on` or `insecure`, and this is {}", decoder.described(node)),
            "did you mean `insecure`?");
      }
      OneOf<kVerifyWords>::decode(decoder, node, out);
      if (out == Verify::insecure) {
        decoder.warning(node, "whoever answers at the address is taken for the backend",
                        "outside of a laptop, name the CA that vouches for it: `ca: FILE`");
      }
    },
    OneOf<kVerifyWords>::schema};

constexpr Kind<std::string> kServerName = {
    [](Decoder& decoder, const Node& node, std::string& out) {
      auto text = read_text(decoder, node, "the name in a certificate");
      if (!text) return;
      if (!is_host_name(*text) && !base::parse_ip(*text)) {
        return decoder.error(node,
                             fmt::format("{} is not a host name or an IP address", decoder.quoted(node)),
                             "write the name alone, such as `orders.internal`");
      }
      out = base::lowercase(*text);
    },
    text_schema};

constexpr Field kBackendTlsFields[] = {
    field<&BackendTls::ca, kFileText>(
        {.key = "ca",
         .doc = "A PEM file with the CAs that vouch for the backend. Without it, the machine's own.",
         .example = "\"ca.pem\""}),
    field<&BackendTls::name, kServerName>(
        {.key = "name",
         .doc = "The name asked for and verified. Without it, the address's host.",
         .example = "\"orders.internal\""}),
    field<&BackendTls::certificate, kFileText>(
        {.key = "certificate",
         .doc = "A PEM file with the certificate the gate shows to the backend.",
         .example = "\"gate.pem\""}),
    field<&BackendTls::key, kFileText>(
        {.key = "key", .doc = "A PEM file with that certificate's key.", .example = "\"gate.key\""}),
    field<&BackendTls::verify, kVerify>({.key = "verify",
                                         .doc = "`insecure` believes every certificate: for a laptop.",
                                         .fallback = "\"on\""}),
};
constexpr Record kBackendTlsRecord = {"backend_tls", "`tls`", "How backends with `https://` are called.",
                                      kBackendTlsFields};

// --- Client certificates ---

constexpr Word<auth::CertificateName> kNameWords[] = {{"spiffe", auth::CertificateName::spiffe},
                                                      {"dns", auth::CertificateName::dns},
                                                      {"subject", auth::CertificateName::subject}};
constexpr Word<auth::CertificateGroups> kGroupsWords[] = {
    {"ou", auth::CertificateGroups::organizational_units}};

// As the keys stand: access/ knows no FileText.
struct ClientCertKeys {
  FileText ca;
  std::vector<auth::CertificateName> identity;
  auth::CertificateGroups groups_from = auth::CertificateGroups::none;
};

constexpr Field kClientCertFields[] = {
    field<&ClientCertKeys::ca, kFileText>({.key = "ca",
                                           .doc = "A PEM file with the CAs that vouch for clients.",
                                           .need = Need::required,
                                           .example = "\"ca.pem\""}),
    field<&ClientCertKeys::identity, kSome<kOneOf<kNameWords>>>(
        {.key = "identity",
         .doc = "Which name says who is calling: the first of these that the certificate has.",
         .fallback = R"(["spiffe","dns","subject"])"}),
    field<&ClientCertKeys::groups_from, kOneOf<kGroupsWords>>(
        {.key = "groups_from",
         .doc = "`ou`: the caller's groups are the subject's organizational units. Without it, none.",
         .example = "\"ou\""}),
};
constexpr Record kClientCertRecord = {"client_cert", "`client_cert`", "Client certificates of one's own CAs.",
                                      kClientCertFields};

}  // namespace

void decode_file_text(Decoder& decoder, const Node& node, FileText& out) {
  out.source = decoder.source(node);
  if (!decoder.value_file().empty()) {
    out.file = decoder.value_file();
  } else if (node.kind == Node::Kind::scalar && base::trim(node.text).starts_with("-----BEGIN")) {
    if (!decoder.is_secret()) {
      return decoder.error(
          node, "the text of a certificate or a key stands where a file is named",
          "write the path of a file, or `${name}` with `name: { env: VAR }` in the environment");
    }
    out.text = node.text;
    return;
  } else {
    decode_file_path(decoder, node, out.file);
  }
  if (out.file.empty()) return;
  if (auto text = decoder.read_file(node, out.file, kTlsFileBytesMax)) out.text = std::move(*text);
}

void decode_tls(Decoder& decoder, const Node& node, std::optional<TlsSettings>& out) {
  TlsSettings& tls = out.emplace();
  tls.source = decoder.source(node);
  if (node.kind != Node::Kind::map) {
    return decoder.error(node, fmt::format("`tls` is a map of keys, and this is {}", decoder.described(node)),
                         "write `tls: { certificate: FILE, key: FILE }`");
  }
  TlsKeys keys;
  size_t errors = decoder.errors();
  decode_record(decoder, node, kTlsRecord, &keys);
  tls.min_version = keys.min_version;
  tls.client_cert = keys.client_cert;
  tls.unknown_names = keys.unknown_names;
  // A misspelt `certificate`, most likely, was reported.
  if (decoder.errors() == errors) take_certificates(decoder, node, keys, tls);
}

std::string tls_schema(SchemaBook& book) {
  return fmt::format(
      R"({{"allOf":[{},{{"oneOf":[{{"required":["certificates"]}},{{"required":["certificate","key"]}}]}}]}})",
      book.reference(kTlsRecord));
}

void decode_backend_tls(Decoder& decoder, const Node& node, BackendTls& out) {
  out.source = decoder.source(node);
  size_t errors = decoder.errors();
  decode_record(decoder, node, kBackendTlsRecord, &out);
  if (node.kind != Node::Kind::map || decoder.errors() != errors) return;
  bool has_certificate = node.find("certificate") != nullptr;
  if (has_certificate == (node.find("key") != nullptr)) return;
  decoder.error(
      node,
      has_certificate ? "`certificate` stands without its `key`" : "`key` stands without its `certificate`",
      "name both, or neither");
}

std::string backend_tls_schema(SchemaBook& book) { return book.reference(kBackendTlsRecord); }

void decode_client_cert(Decoder& decoder, const Node& node, std::optional<auth::ClientCertSpec>& out) {
  ClientCertKeys keys;
  decode_record(decoder, node, kClientCertRecord, &keys);
  auth::ClientCertSpec& spec = out.emplace();
  spec.ca_file = std::move(keys.ca.file);
  spec.ca_pem = std::move(keys.ca.text);
  spec.ca_source = std::move(keys.ca.source);
  spec.groups_from = keys.groups_from;
  if (keys.identity.empty()) return;
  spec.identity = std::move(keys.identity);
  auto sorted = spec.identity;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) == sorted.end()) return;
  Decoder::At at(decoder, "identity");
  decoder.error(*node.find("identity"), "one kind of name stands here twice", "keep the first");
}

std::string client_cert_schema(SchemaBook& book) { return book.reference(kClientCertRecord); }

}  // namespace config
