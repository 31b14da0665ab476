// What an open connection knows of its peer's certificate, and who vouches for it beyond the handshake.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "tls/stream.h"

namespace tls {
namespace {

struct FreeStoreContext {
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
};
using StoreContext = std::unique_ptr<X509_STORE_CTX, FreeStoreContext>;

// Certificates that hold are still preferred where there is a choice.
int pass_expired(int ok, X509_STORE_CTX* context) {
  return ok == 1 || X509_STORE_CTX_get_error(context) == X509_V_ERR_CERT_HAS_EXPIRED ? 1 : 0;
}

base::WallTime holds_until(const STACK_OF(X509) * chain) {
  base::WallTime until{INT64_MAX};
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    until = std::min(until, describe(sk_X509_value(chain, i)).not_after);
  }
  return until;
}

std::optional<base::WallTime> verify(SSL* ssl, X509* leaf, const TrustStore& authorities) {
  StoreContext context(X509_STORE_CTX_new());
  if (!context ||
      X509_STORE_CTX_init(context.get(), authorities.store(), leaf, SSL_get_peer_cert_chain(ssl)) != 1) {
    return std::nullopt;
  }
  X509_STORE_CTX_set_default(context.get(), SSL_is_server(ssl) == 1 ? "ssl_client" : "ssl_server");
  X509_VERIFY_PARAM* conditions = X509_STORE_CTX_get0_param(context.get());
  if (int depth = SSL_get_verify_depth(ssl); depth >= 0) X509_VERIFY_PARAM_set_depth(conditions, depth);
  X509_VERIFY_PARAM_set_auth_level(conditions, SSL_get_security_level(ssl));
  X509_STORE_CTX_set_verify_cb(context.get(), pass_expired);
  if (X509_verify_cert(context.get()) != 1) return std::nullopt;
  return holds_until(X509_STORE_CTX_get0_chain(context.get()));
}

}  // namespace

bool Stream::has_peer_certificate() const { return ssl_ && SSL_get0_peer_certificate(ssl_.get()) != nullptr; }

std::optional<CertificateInfo> Stream::peer_certificate() const {
  if (!has_peer_certificate()) return std::nullopt;
  return describe(SSL_get0_peer_certificate(ssl_.get()));
}

std::optional<base::WallTime> Stream::vouched_until(const TrustStore& authorities) const {
  if (!has_peer_certificate()) return std::nullopt;
  SSL* ssl = ssl_.get();
  X509* leaf = SSL_get0_peer_certificate(ssl);
  const TrustStore* asked = server_ ? server_->client_authorities() : nullptr;
  if (asked != nullptr && SSL_get_verify_result(ssl) == X509_V_OK) {
    // What leads from the certificate to an authority stayed with the first connection; that it did lead to
    // one of those asked, the ticket proves, which opens under no others.
    if (resumed() && authorities.includes(*asked)) return describe(leaf).not_after;
    const STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl);
    if (chain != nullptr && authorities.digest() == asked->digest()) return holds_until(chain);
  }
  auto until = verify(ssl, leaf, authorities);
  ERR_clear_error();
  return until;
}

std::vector<std::string> Stream::peer_issuers() const {
  std::vector<std::string> out;
  const STACK_OF(X509)* chain = ssl_ ? SSL_get0_verified_chain(ssl_.get()) : nullptr;
  for (int i = 1; i + 1 < sk_X509_num(chain); ++i) out.push_back(describe(sk_X509_value(chain, i)).der);
  return out;
}

}  // namespace tls
