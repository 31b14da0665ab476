// How connections to a service's backends are made, compiled from its `forward`: HTTP version, TLS, PROXY
// header. Called by the Compiler. What two services say in the same words is compiled once for both. A
// service that wants TLS and cannot have it gets an error: it never comes out as one in clear text.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "backends/endpoint.h"
#include "config/diagnostics.h"
#include "config/settings.h"

namespace tls {
class TrustStore;
}

namespace control {

using WirePtr = std::shared_ptr<const backends::Wire>;

// Whether both say the same about wires; where their backends are is not looked at, except for the scheme.
bool same_wire(const config::ForwardSettings& a, const config::ForwardSettings& b);

class WireCompiler {
 public:
  // missing_ignored: files that are not at hand are on another machine, and nobody serves what comes of this.
  enum class MissingFiles : uint8_t { refused, ignored };

  // Null: nothing is asked for beyond clear text and a version chosen by itself.
  std::expected<WirePtr, config::Diagnostic> compile(const config::ForwardSettings& forward,
                                                     MissingFiles missing);
  // Forgets what no service uses any more.
  void sweep();

 private:
  using ContextPtr = std::shared_ptr<const tls::ClientContext>;
  using TrustPtr = std::shared_ptr<const tls::TrustStore>;
  enum class Offer : uint8_t { any, http2, http1 };

  std::expected<ContextPtr, config::Diagnostic> context_for(const config::ForwardSettings& forward,
                                                            Offer offer);
  std::expected<TrustPtr, config::Diagnostic> trust_for(const config::ForwardSettings& forward);

  // By digest of what they were compiled from.
  std::map<std::string, std::weak_ptr<const tls::ClientContext>> contexts_;
  std::map<std::string, std::weak_ptr<const tls::TrustStore>> bundles_;
  TrustPtr system_;  // read once
};

}  // namespace control
