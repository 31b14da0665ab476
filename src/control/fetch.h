// The gate's own calls over HTTP(S): key sets, discovery, tokens, introspection. One thread of its own with
// libcurl, so that no loop ever waits for a name, a handshake or a slow server. Fetches run beside each
// other: one that hangs delays no other. TLS is verified, sizes and times are bounded, redirects are followed
// only within an origin, and addresses nobody fetches from on purpose (link-local, cloud metadata) are
// refused.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/time.h"

namespace control {

struct FetchRequest {
  std::string url;  // http:// or https://
  size_t bytes_max = 256 * 1024;
  base::Duration timeout = base::seconds(5);
};

struct FetchResult {
  bool ok = false;
  std::string problem;  // a sentence for the operator, when not ok
  std::string body;
  base::Duration max_age{-1};  // of Cache-Control; negative: not said
};

class Fetcher {
 public:
  Fetcher();
  ~Fetcher();  // gives up what is under way; its Done is not called
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  // Called on the fetcher's thread when a fetch is over; must only post.
  struct Done {
    virtual ~Done() = default;
    virtual void fetched(FetchResult result) = 0;
  };
  // From one thread at a time.
  void fetch(FetchRequest request, std::unique_ptr<Done> done);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace control
