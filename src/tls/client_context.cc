#include "tls/client_context.h"

#include <openssl/ssl.h>

#include <utility>

#include "tls/context.h"
#include "tls/stream.h"

namespace tls {
namespace {

// libssl hands its reference over when 1 is returned.
int keep_session(SSL* ssl, SSL_SESSION* session) {
  Stream::of(ssl).keep_session(SessionHandle(session));
  return 1;
}

}  // namespace

std::expected<std::shared_ptr<const ClientContext>, std::string> compile_client_context(
    const ClientSettings& settings) {
  std::shared_ptr<ClientContext> out(new ClientContext);
  out->verification_ = settings.verification;
  out->server_name_ = settings.server_name;
  out->context_ = make_context(Role::client, settings.version_min);
  if (!out->context_) return std::unexpected("the TLS library has none of the ciphers that the gate uses");
  SSL_CTX* context = out->context_.get();
  if (settings.version_max == Version::tls12) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  if (settings.verification == Verification::full) {
    if (!settings.ca) return std::unexpected("no certificate authorities are given to verify backends with");
    SSL_CTX_set1_cert_store(context, settings.ca->store());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  if (!settings.certificate_pem.empty()) {
    auto pair = parse_key_pair(settings.certificate_pem, settings.key_pem);
    if (!pair) return std::unexpected(std::move(pair.error()));
    if (auto used = use_key_pair(context, *pair); !used) return std::unexpected(std::move(used.error()));
  }
  auto wire = alpn_wire(settings.alpn);
  if (!wire) return std::unexpected("an ALPN name is empty or longer than 255 bytes");
  if (!wire->empty()) {
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(wire->data()),
                            static_cast<unsigned>(wire->size()));
  }
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
  return out;
}

void SessionSlot::keep(const std::shared_ptr<const ClientContext>& context, const std::string& name,
                       SessionHandle session) {
  context_ = context;
  name_ = name;
  session_ = std::move(session);
}

ssl_session_st* SessionSlot::find(const std::shared_ptr<const ClientContext>& context,
                                  const std::string& name) const {
  bool fits = session_ != nullptr && context_.lock() == context && name_ == name &&
              SSL_SESSION_is_resumable(session_.get()) == 1;
  return fits ? session_.get() : nullptr;
}

}  // namespace tls
