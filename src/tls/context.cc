#include "tls/context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls/stream.h"

namespace tls {
namespace {

// Only forward secrecy and authenticated encryption. AES-128 first: no weaker in practice, and the cheapest.
constexpr const char* kCiphers12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kCiphers13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:P-256:P-384";
// Of the peer's certificate message; libssl's own limit is 100 KiB.
constexpr long kCertificateBytesMax = 64 * 1024;
// At least 112 bits: no RSA below 2048, no SHA-1 in signatures.
constexpr int kSecurityLevel = 2;

}  // namespace

ContextHandle make_context(Role role, Version version_min) {
  SSL_CTX* context = SSL_CTX_new(role == Role::server ? TLS_server_method() : TLS_client_method());
  ContextHandle out(context);
  if (context == nullptr) return out;
  SSL_CTX_set_min_proto_version(context, version_min == Version::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_security_level(context, kSecurityLevel);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // One read takes a record's header and body, and whatever else is there.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_max_cert_list(context, kCertificateBytesMax);
  SSL_CTX_set_max_early_data(context, 0);
  bool good = SSL_CTX_set_cipher_list(context, kCiphers12) == 1 &&
              SSL_CTX_set_ciphersuites(context, kCiphers13) == 1 &&
              SSL_CTX_set1_groups_list(context, kGroups) == 1;
  SSL_CTX_set_info_callback(context, Stream::on_state_change);
  if (!good) out.reset();
  return out;
}

std::expected<void, std::string> use_key_pair(ssl_ctx_st* context, const KeyPair& pair) {
  STACK_OF(X509)* issuers = sk_X509_new_null();
  for (size_t i = 1; i < pair.chain.size(); ++i) sk_X509_push(issuers, pair.chain[i].get());
  bool used = SSL_CTX_use_cert_and_key(context, pair.chain[0].get(), pair.key.get(), issuers, 1) == 1;
  sk_X509_free(issuers);
  unsigned long why = ERR_peek_last_error();
  ERR_clear_error();
  if (used) return {};
  switch (ERR_GET_REASON(why)) {
    case SSL_R_EE_KEY_TOO_SMALL:
    case SSL_R_CA_KEY_TOO_SMALL:
      return std::unexpected("a key in the chain is too small (RSA needs 2048 bits)");
    case SSL_R_CA_MD_TOO_WEAK:
      return std::unexpected(
          "a certificate in the chain is signed with a digest that is too weak, such as SHA-1");
    default:
      return std::unexpected("the certificate and its key cannot be used for TLS");
  }
}

std::optional<std::string> alpn_wire(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 255) return std::nullopt;
    out += static_cast<char>(name.size());
    out += name;
  }
  return out;
}

}  // namespace tls
