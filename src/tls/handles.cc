#include "tls/handles.h"

#include <openssl/ssl.h>

namespace tls {

void Release::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }
void Release::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void Release::operator()(ssl_session_st* session) const { SSL_SESSION_free(session); }
void Release::operator()(ssl_st* ssl) const { SSL_free(ssl); }
void Release::operator()(x509_st* certificate) const { X509_free(certificate); }
void Release::operator()(x509_store_st* store) const { X509_STORE_free(store); }

}  // namespace tls
