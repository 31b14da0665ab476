// Asks issuers about tokens that only they can read (RFC 7662): once for a token, however many requests and
// workers wait for the answer. Answers live in the workers' caches; what stands here is only what is under
// way, what was not active a moment ago, and which endpoint has just failed. Control thread only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "access/providers.h"
#include "control/token_endpoint.h"
#include "crypto/digest.h"
#include "gate/inquiry.h"
#include "io/broadcast.h"
#include "io/loop.h"
#include "io/task.h"

namespace control {

class Introspector {
 public:
  // An answer is shared for this long by workers that have not heard it yet; a token that was not active is
  // not asked about again for as long.
  static constexpr base::Duration kAnswerShared = base::seconds(5);
  // After an endpoint failed nobody waits for it again for this long.
  static constexpr base::Duration kFailurePause = base::seconds(1);
  static constexpr size_t kAnswersMax = 16'384;
  // Under way at once: tokens can be made up at will.
  static constexpr size_t kUnderWayMax = 1024;

  Introspector(io::Loop& loop, TokenEndpoint& endpoint) : loop_(loop), endpoint_(endpoint) {}

  void apply(std::shared_ptr<const auth::Providers> providers) { providers_ = std::move(providers); }
  io::Task<gate::Answer> ask(gate::Introspect question);

 private:
  // One token asked about, and those who wait for the answer.
  struct Inquiry {
    std::shared_ptr<const auth::Providers> providers;
    const auth::Provider& provider;  // of these
    std::string token;
    io::Broadcast done;
    std::optional<gate::Answer> answer;
  };
  struct Shared {
    gate::Answer answer;
    base::Instant until;
  };
  struct Key {
    uint64_t provider_version = 0;
    crypto::Sha256 digest{};
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const;
  };
  // Belongs to nobody who waits: whoever asked first may be gone before the answer comes.
  io::Task<> settle(Key key, std::shared_ptr<Inquiry> inquiry);
  io::Task<gate::Answer> ask_once(Inquiry& inquiry);
  void share(const Key& key, const gate::Answer& answer);

  io::Loop& loop_;
  TokenEndpoint& endpoint_;
  std::shared_ptr<const auth::Providers> providers_;
  std::unordered_map<Key, std::shared_ptr<Inquiry>, Hash> under_way_;
  std::unordered_map<Key, Shared, Hash> shared_;
  std::map<uint64_t, base::Instant> paused_;  // by the provider's version
  io::Scope asking_;
};

}  // namespace control
