// What the issuers of oidc providers say of themselves (OpenID Connect Discovery 1.0, RFC 8414): fetched when
// a provider is new, again ahead of its expiry, and when somebody needs it and it is not there. The last good
// document goes on serving when a fetch fails. Where its keys are is told to the KeySetKeeper. Control thread
// only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "access/providers.h"
#include "base/result.h"
#include "base/time.h"
#include "control/fetch.h"
#include "control/key_sets.h"
#include "gate/sessions.h"
#include "io/broadcast.h"
#include "io/loop.h"
#include "io/task.h"

namespace control {

class IssuerKeeper {
 public:
  // Passes what was learnt on to the workers.
  class Publisher {
   public:
    virtual ~Publisher() = default;
    virtual void publish_issuer(const std::string& provider, const gate::IssuerMetadataPtr& metadata) = 0;
  };

  struct Parts {
    io::Loop& loop;
    Fetcher& fetcher;
    KeySetKeeper& keys;
    Publisher& publisher;
  };
  explicit IssuerKeeper(const Parts& parts) : parts_(parts) {}
  ~IssuerKeeper() { fetches_.cancel_all(); }

  // The providers of a new generation: issuers that are new are looked up, those no longer named forgotten.
  void apply(const auth::Providers& providers);
  // At once when it is known, else after a fetch: identity_provider_unavailable when that fails.
  io::Task<base::Result<gate::IssuerMetadataPtr>> find(std::string provider);
  // A task for the control loop: fetches what is due.
  io::Task<> run();

  struct Status {
    std::string provider;
    std::string issuer;
    bool known = false;
    std::string problem;  // of the last look; empty: it went well
  };
  std::vector<Status> status() const;

 private:
  struct Issuer {
    std::string issuer;
    uint32_t key_slot = 0;
    gate::IssuerMetadataPtr metadata;
    std::string problem;
    bool fetching = false;
    uint32_t failures = 0;
    base::Instant due;  // next fetch by itself
    io::Broadcast looked;
  };

  void start_fetch(const std::string& provider, Issuer& issuer);
  io::Task<> fetch(std::string provider, std::shared_ptr<Issuer> issuer);
  void take(const std::string& provider, Issuer& issuer, const FetchResult& result);

  Parts parts_;
  std::map<std::string, std::shared_ptr<Issuer>, std::less<>> issuers_;  // by provider
  io::Signal due_changed_;
  io::Scope fetches_;
};

}  // namespace control
