// Keeps the key sets of jwt and oidc providers: read from files when they change, fetched from URLs ahead of
// their expiry and when a token names a key that is not known, never more often than a bound, and never by a
// request itself. The last good set goes on serving when a fetch fails. Control thread only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "access/providers.h"
#include "base/time.h"
#include "config/files.h"
#include "control/fetch.h"
#include "io/broadcast.h"
#include "io/loop.h"
#include "io/task.h"

namespace control {

class KeySetKeeper {
 public:
  // Passes what was learnt on to the workers.
  class Publisher {
   public:
    virtual ~Publisher() = default;
    virtual void publish_keys(uint32_t key_slot, const auth::KeySetPtr& keys) = 0;
    // A look for new keys is over, whatever came of it.
    virtual void publish_checked(uint32_t key_slot) = 0;
  };

  struct Parts {
    io::Loop& loop;
    Fetcher& fetcher;
    const config::Files& files;
    Publisher& publisher;
  };
  explicit KeySetKeeper(const Parts& parts) : parts_(parts) {}

  // The providers of a new generation: sets that are new are loaded, those no longer named are forgotten.
  void apply(const auth::Providers& providers);
  // A worker met a token whose key is not in the set.
  void request(uint32_t key_slot);
  // Discovery says where an issuer's keys are.
  void found_location(uint32_t key_slot, const std::string& url);
  // The set at hand; null: none yet, or no such slot.
  auth::KeySetPtr find(uint32_t key_slot) const;
  // After a look for new keys, unless there has just been one. For tokens that came from the issuer itself:
  // no client chose what is looked for.
  io::Task<auth::KeySetPtr> fetch_anew(uint32_t key_slot);
  void files_changed(std::span<const std::string> paths, bool everything);

  struct Status {
    std::string provider;
    std::string location;
    size_t keys = 0;
    std::string problem;  // of the last look; empty: it went well
  };
  std::vector<Status> status() const;

  // A task for the control loop: fetches what is due.
  io::Task<> run();

 private:
  struct Set {
    std::string provider;
    auth::KeySource source = auth::KeySource::none;
    std::string location;
    auth::KeySetPtr keys;
    std::string problem;
    bool fetching = false;
    uint32_t failures = 0;
    base::Instant due;  // next fetch by itself
    base::Instant last_look;
    uint32_t looks_left = 3;  // that requests may cause soon after another
    std::shared_ptr<io::Broadcast> looked = std::make_shared<io::Broadcast>();
    // discovery: once it has said where.
    bool is_fetched() const {
      return source == auth::KeySource::url || (source == auth::KeySource::discovery && !location.empty());
    }
    // Whether a request may cause a look now.
    bool may_look(base::Instant now);
  };
  void load_file(uint32_t key_slot, Set& set);
  void start_fetch(uint32_t key_slot, Set& set);
  io::Task<> fetch(uint32_t key_slot, std::string location);
  void take(uint32_t key_slot, const std::string& location, const FetchResult& result);
  void accept(uint32_t key_slot, Set& set, std::string_view json);

  Parts parts_;
  std::map<uint32_t, Set> sets_;  // by key slot
  io::Signal due_changed_;
  io::Scope fetches_;
};

}  // namespace control
