#include "tls/failure.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace tls {
namespace {

using base::Reason;

// libssl reports an alert that came as this plus the alert's number.
constexpr int kAlertBase = SSL_AD_REASON_OFFSET;

const char* certificate_detail(long outcome) {
  switch (outcome) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "the peer's certificate, or one it hangs on, has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "the peer's certificate is not valid yet";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "the peer's certificate is for another name";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return "the peer's certificate is self-signed and not among the trusted ones";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
      return "the peer's certificate does not lead to a trusted authority";
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
      return "the peer's certificate chain is too long";
    case X509_V_ERR_INVALID_PURPOSE:
      return "the peer's certificate is not meant for this use";
    case X509_V_ERR_INVALID_CA:
      return "the peer's certificate was issued by one that may not issue";
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return "the signature on the peer's certificate is not valid";
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return "the peer's certificate uses a key or digest that is too weak";
    default:
      return "the peer's certificate is not valid";
  }
}

const char* alert_detail(int alert) {
  switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE:
      return "the peer found no common ciphers or parameters (alert handshake_failure)";
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
      return "the peer refused the gate's certificate (alert bad_certificate)";
    case SSL_AD_CERTIFICATE_EXPIRED:
      return "the peer says that the gate's certificate has expired (alert certificate_expired)";
    case SSL_AD_CERTIFICATE_UNKNOWN:
      return "the peer did not accept the gate's certificate (alert certificate_unknown)";
    case SSL_AD_UNKNOWN_CA:
      return "the peer does not trust who issued the gate's certificate (alert unknown_ca)";
    case SSL_AD_PROTOCOL_VERSION:
      return "the peer speaks no common TLS version (alert protocol_version)";
    case SSL_AD_UNRECOGNIZED_NAME:
      return "the peer does not know the name it was called by (alert unrecognized_name)";
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return "the peer speaks none of the protocols offered (alert no_application_protocol)";
    case SSL_AD_CERTIFICATE_REQUIRED:
      return "the peer wants a client certificate (alert certificate_required)";
    case SSL_AD_ACCESS_DENIED:
      return "the peer denied access (alert access_denied)";
    default:
      return "the peer ended the connection with an alert";
  }
}

const char* protocol_detail(int reason, base::Side peer) {
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return "plain HTTP was sent to a TLS port";
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_UNEXPECTED_MESSAGE:
      return peer == base::Side::client ? "what the client sent is not TLS"
                                        : "the backend does not speak TLS here";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
      return "the peer speaks only TLS versions that are too old";
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
      return "there is no cipher, curve or signature that both sides accept";
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return "the client offers none of the protocols that are spoken here";
    case SSL_R_CLIENTHELLO_TLSEXT:
    case SSL_R_CALLBACK_FAILED:
      return "no certificate is for the name that the client asked for";
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
      return "a record was damaged on its way";
    default:
      return "the TLS protocol was violated";
  }
}

}  // namespace

Failure take_failure(ssl_st* ssl, base::Side peer) {
  unsigned long why = ERR_peek_error();  // the first one is the cause
  ERR_clear_error();
  int reason = ERR_GET_REASON(why);
  Failure out;
  out.error = {.reason = Reason::tls_protocol_error, .side = peer};
  if (why == 0 || (ERR_GET_LIB(why) == ERR_LIB_SSL && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
    out.cut = true;
  } else if (ERR_GET_LIB(why) != ERR_LIB_SSL) {
    out.error.detail = "the TLS library failed";
  } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    out.error.reason = Reason::tls_certificate_error;
    out.error.detail = certificate_detail(SSL_get_verify_result(ssl));
  } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    out.error.reason = Reason::tls_certificate_error;
    out.error.detail = "the client showed no certificate";
  } else if (reason > kAlertBase && reason < kAlertBase + 256) {
    out.error.reason = Reason::tls_alert_received;
    out.error.detail = alert_detail(reason - kAlertBase);
  } else {
    out.error.detail = protocol_detail(reason, peer);
    out.plain_http = reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST;
  }
  return out;
}

}  // namespace tls
