// Makes the gate's own calls with libcurl, on one thread of its own, so that no loop ever waits for a name, a
// handshake or a slow server. Calls run beside each other: a host that hangs delays no other. TLS is
// verified, sizes and times are bounded, redirects are followed only for GET and within an origin, and
// addresses nobody calls on purpose are refused after name resolution (control/fetch_address.h). A proxy that
// the process's environment names is not used: the address check would be its to make, and a gate does what
// its files say.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "config/settings.h"
#include "control/fetch.h"
#include "io/loop.h"
#include "io/mailbox.h"

namespace control {

class CurlFetcher final : public Fetcher {
 public:
  struct Parts {
    io::Loop& loop;
    io::Mailbox& mailbox;       // the loop's; delivered for as long as there are calls
    std::string machine_roots;  // file of the machine's own roots; empty: where libcurl finds them
  };
  explicit CurlFetcher(const Parts& parts);
  ~CurlFetcher() override;  // gives up what is under way; a Task that still waits is not woken
  CurlFetcher(const CurlFetcher&) = delete;
  CurlFetcher& operator=(const CurlFetcher&) = delete;

  // From the next call on, which uses no connection that was made before.
  void apply(const config::FetchSettings& settings);
  io::Task<FetchResult> fetch(FetchRequest request) override;

 private:
  class Thread;
  Parts parts_;
  std::string ca_;
  std::vector<base::Network> allow_;
  std::shared_ptr<Thread> thread_;  // null: nobody has called anybody under these terms
};

// For commands, which have no loop: waits for the answer.
FetchResult fetch_now(const config::FetchSettings& settings, FetchRequest request);

}  // namespace control
