// The certificate that a client showed in its handshake: who it says is calling, by the providers of the
// moment, and its text for backends. One for each connection that has one, made by gate/client.cc, asked by
// the connection's exchanges. What it works out it keeps, so that a request costs a comparison; it never
// speaks for a certificate that no provider vouches for any more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "access/providers.h"
#include "base/time.h"

namespace tls {
class Stream;
}

namespace gate {

// A longer chain is left out: RFC 9440 §2.3 leaves it to the sender.
inline constexpr size_t kClientCertChainBytesMax = 16 * 1024;

class ShownCertificate {
 public:
  // Past its handshake, with a peer's certificate; outlives this.
  explicit ShownCertificate(const tls::Stream& stream) : stream_(stream) {}

  // By the first of the providers whose authorities vouch for it. nobody: none does. refused: it has expired,
  // or does not say who its holder is.
  auth::Authentication authenticate(const auth::Providers& providers, base::WallTime now);

  // SHA-256 of its DER, whoever vouches for it. Lives as long as this.
  const crypto::Sha256& thumbprint();

  // Field values of RFC 9440; empty where no provider vouches for it, or none any more. They live as long as
  // this.
  struct Fields {
    std::string_view client_cert;
    std::string_view client_cert_chain;  // empty also of a resumed session
  };
  Fields fields(const auth::Providers& providers, base::WallTime now);

 private:
  void ask(const auth::Providers& providers);
  void make_fields();

  const tls::Stream& stream_;
  uint64_t version_ = 0;  // of the providers that were asked last: Providers::certificates_version()
  std::optional<base::WallTime> until_;  // nothing: nobody vouches for it
  auth::IdentityPtr identity_;           // null: the error says why there is none
  base::Error error_;
  std::optional<crypto::Sha256> thumbprint_;  // nothing: not asked for yet
  std::string client_cert_;                   // empty: not asked for yet
  std::string client_cert_chain_;
};

}  // namespace gate
