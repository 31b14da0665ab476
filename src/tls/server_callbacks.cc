#include "tls/server_callbacks.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

#include "tls/server_context.h"
#include "tls/site.h"
#include "tls/stream.h"
#include "tls/ticket_keys.h"

namespace tls {
namespace {

// As long as two rotations of hourly ticket keys.
constexpr long kSessionSeconds = 2 * 3600;
// One is enough for a client to resume every connection with a ticket it has not used before (RFC 8446 §C.4),
// since each resumed handshake brings another; clients that open several at once resume with the same one.
constexpr size_t kTickets = 1;

int choose_site(SSL* ssl, int* alert, void* context) {
  const unsigned char* extension = nullptr;
  size_t length = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &length) != 1) length = 0;
  bool chosen = Stream::of(ssl).choose_site(*static_cast<const ServerContext*>(context), {extension, length});
  if (chosen) return SSL_CLIENT_HELLO_SUCCESS;
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_CLIENT_HELLO_ERROR;
}

// Only so that the extension is acknowledged: the choice was made above.
int acknowledge_name(SSL* ssl, int*, void*) {
  return Stream::of(ssl).sni().empty() ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
                    unsigned int offered_length, void* argument) {
  const std::string& ours = static_cast<const ServerContext*>(argument)->alpn_wire();
  unsigned char* found = nullptr;
  // Goes by our order, since ours comes first; the result points into it.
  int outcome = SSL_select_next_proto(&found, out_length, reinterpret_cast<const unsigned char*>(ours.data()),
                                      static_cast<unsigned>(ours.size()), offered, offered_length);
  *out = found;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int staple_response(SSL* ssl, void* argument) {
  const X509* served = SSL_get_certificate(ssl);
  for (const auto& [certificate, response] : static_cast<const Site*>(argument)->ocsp_staples) {
    if (certificate != served) continue;
    void* copy = OPENSSL_memdup(response.data(), response.size());
    if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(response.size()));
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

bool set_mac(EVP_MAC_CTX* mac, TicketKey& key) {
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, params) == 1;
}

const EVP_CIPHER* ticket_cipher() {
  static const EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return cipher;
}

enum TicketAnswer { failed = -1, refused = 0, accepted = 1, accepted_and_renewed = 2 };

int seal_or_open_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac, int sealing) {
  const TicketKeys& keys = *Stream::of(ssl).server()->ticket_keys();
  if (sealing != 0) {
    TicketKey key = keys.current();
    std::memcpy(name, key.name.data(), key.name.size());
    bool ready = RAND_bytes(iv, EVP_CIPHER_get_iv_length(ticket_cipher())) == 1 &&
                 EVP_EncryptInit_ex2(cipher, ticket_cipher(), key.cipher.data(), iv, nullptr) == 1 &&
                 set_mac(mac, key);
    return ready ? accepted : failed;
  }
  auto found = keys.find(name);
  if (!found) return refused;
  bool ready = set_mac(mac, found->key) &&
               EVP_DecryptInit_ex2(cipher, ticket_cipher(), found->key.cipher.data(), iv, nullptr) == 1;
  if (!ready) return failed;
  // RFC 8446 §C.4: in TLS 1.3 a ticket is for one use, so that each resumption brings the next.
  bool renew = !found->newest || SSL_version(ssl) == TLS1_3_VERSION;
  return renew ? accepted_and_renewed : accepted;
}

// A resumed handshake does not look at the client's certificate again, so an expired one ends the session.
SSL_TICKET_RETURN check_ticket(SSL*, SSL_SESSION* session, const unsigned char*, size_t,
                               SSL_TICKET_STATUS status, void*) {
  switch (status) {
    case SSL_TICKET_EMPTY:
    case SSL_TICKET_NO_DECRYPT:
      return SSL_TICKET_RETURN_IGNORE_RENEW;
    case SSL_TICKET_SUCCESS:
    case SSL_TICKET_SUCCESS_RENEW:
      break;
    default:
      return SSL_TICKET_RETURN_ABORT;
  }
  X509* peer = SSL_SESSION_get0_peer(session);
  if (peer != nullptr && X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

}  // namespace

void install_server_callbacks(ssl_ctx_st* ssl_context, const ServerContext& context, const Site& site) {
  void* argument = const_cast<ServerContext*>(&context);
  SSL_CTX_set_client_hello_cb(ssl_context, choose_site, argument);
  SSL_CTX_set_tlsext_servername_callback(ssl_context, acknowledge_name);
  if (!context.alpn_wire().empty()) SSL_CTX_set_alpn_select_cb(ssl_context, choose_protocol, argument);
  if (!site.ocsp_staples.empty()) {
    SSL_CTX_set_tlsext_status_cb(ssl_context, staple_response);
    SSL_CTX_set_tlsext_status_arg(ssl_context, const_cast<Site*>(&site));
  }
  // Tickets only: no server keeps sessions for clients.
  SSL_CTX_set_session_cache_mode(ssl_context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(ssl_context, kSessionSeconds);
  if (context.ticket_keys() == nullptr) {
    SSL_CTX_set_options(ssl_context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ssl_context, 0);
    return;
  }
  SSL_CTX_set_num_tickets(ssl_context, kTickets);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_context, seal_or_open_ticket);
  SSL_CTX_set_session_ticket_cb(ssl_context, nullptr, check_ticket, nullptr);
}

}  // namespace tls
