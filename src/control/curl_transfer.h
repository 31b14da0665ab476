// One call under way: the libcurl handle with all that it may and may not do. Of the fetching thread alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "control/fetch.h"

struct curl_slist;

namespace control {

// What every call of the gate is held to.
struct FetchTerms {
  std::string roots;  // PEM, all of them; empty: libcurl's own, which are the machine's
  std::vector<base::Network> allow;
};

// Scheme, host and port as libcurl reads them, so that what is compared is what is called. Empty: not an
// http:// or https:// URL without user and password.
std::string origin_of(const std::string& url);

class CurlTransfer {
 public:
  CurlTransfer(FetchRequest request, const FetchTerms& terms);  // which outlive it
  ~CurlTransfer();
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  void* handle() const { return curl_; }  // a CURL*, to be added to a CURLM after begin()

  // Whether it can be begun; if not, take_result() says why.
  bool begin(base::Duration time_left);
  // libcurl is done (code: its CURLcode). True: the answer leads elsewhere, begin() again.
  bool follows_on(int code);
  FetchResult take_result();

 private:
  struct Callbacks;
  friend struct Callbacks;

  bool add_headers();
  bool redirect();
  void fail(std::string problem);

  FetchRequest request_;
  const FetchTerms& terms_;
  void* curl_;
  curl_slist* headers_ = nullptr;
  FetchResult result_;
  std::string refused_;  // the last address that was
  size_t header_bytes_ = 0;
  int redirects_ = 0;
  enum class Excess : uint8_t { none, head, body } excess_ = Excess::none;
  char reason_[256] = "";  // CURL_ERROR_SIZE
};

}  // namespace control
