// The gate's own calls over HTTP(S): discovery, key sets, tokens, introspection. This is the seam that
// whoever asks an issuer something is built on and tested at; control/curl_fetcher.h is what runs behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "io/task.h"

namespace control {

enum class FetchMethod : uint8_t { get, post };

struct FetchHeader {
  std::string name;
  std::string value;  // one with control characters fails the fetch, and nothing is sent
};

struct FetchRequest {
  std::string url;  // http:// or https://
  FetchMethod method = FetchMethod::get;
  std::vector<FetchHeader> headers;
  std::string body;                           // of a POST
  size_t bytes_max = 256 * 1024;              // of the answer's body
  base::Duration timeout = base::seconds(5);  // from the call to the answer's last byte
};

struct FetchResult {
  int status = 0;       // of the answer; 0: there is no whole answer
  std::string problem;  // a sentence for the operator; empty only for a status of 200
  std::string body;
  std::string content_type;
  base::Duration max_age{-1};      // of Cache-Control; negative: not said
  base::Duration retry_after{-1};  // likewise

  bool ok() const { return status == 200; }
};

class Fetcher {
 public:
  virtual ~Fetcher() = default;
  // The control thread's. Destroying the Task is safe; what was asked is carried out all the same.
  virtual io::Task<FetchResult> fetch(FetchRequest request) = 0;
};

}  // namespace control
