// What libssl asks the gate during a server's handshake: which certificate for this name, which protocol,
// which ticket key, which staple. Private to tls/.
#pragma once

struct ssl_ctx_st;

namespace tls {

class ServerContext;
struct Site;

// Both outlive the libssl context's last handshake: streams pin them.
void install_server_callbacks(ssl_ctx_st* ssl_context, const ServerContext& context, const Site& site);

}  // namespace tls
