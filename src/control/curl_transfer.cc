#include "control/curl_transfer.h"

#include <curl/curl.h>
#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "control/fetch_address.h"
#include "io/address.h"

namespace control {
namespace {

constexpr int kRedirectsMax = 3;
constexpr size_t kHeadBytesMax = 64 * 1024;  // of one answer, interim answers and trailers with it

using UrlPtr = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

// RFC 9110 §5.5, and no value at all would make libcurl leave the field out.
bool is_sendable(const FetchHeader& header) {
  auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  return !header.value.empty() && std::ranges::none_of(header.value, is_control);
}

std::string_view value_of(std::string_view line, std::string_view name) {
  if (line.size() <= name.size() || line[name.size()] != ':' ||
      !base::equals_ignoring_case(line.substr(0, name.size()), name)) {
    return {};
  }
  return base::trim(line.substr(name.size() + 1));
}

base::Duration read_max_age(std::string_view cache_control) {
  base::Duration max_age{-1};
  while (auto directive = base::take_list_element(cache_control)) {
    constexpr std::string_view kMaxAge = "max-age=";
    if (!base::equals_ignoring_case(directive->substr(0, kMaxAge.size()), kMaxAge)) continue;
    auto seconds = base::parse_unsigned(directive->substr(kMaxAge.size()));
    if (seconds && *seconds < 1'000'000'000) max_age = base::seconds(static_cast<int64_t>(*seconds));
  }
  return max_age;
}

}  // namespace

std::string origin_of(const std::string& url) {
  UrlPtr parsed(curl_url(), curl_url_cleanup);
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return {};
  std::string scheme = url_part(parsed.get(), CURLUPART_SCHEME);
  bool named =
      !url_part(parsed.get(), CURLUPART_USER).empty() || !url_part(parsed.get(), CURLUPART_PASSWORD).empty();
  if ((scheme != "http" && scheme != "https") || named) return {};
  return scheme + "://" + base::lowercase(url_part(parsed.get(), CURLUPART_HOST)) + ":" +
         url_part(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

// What libcurl calls, with the transfer as its context.
struct CurlTransfer::Callbacks {
  static CurlTransfer& of(void* context) { return *static_cast<CurlTransfer*>(context); }

  static size_t take_body(char* bytes, size_t, size_t count, void* context) {
    CurlTransfer& transfer = of(context);
    if (transfer.result_.body.size() + count > transfer.request_.bytes_max) {
      transfer.excess_ = Excess::body;
      return 0;
    }
    transfer.result_.body.append(bytes, count);
    return count;
  }

  static size_t take_header(char* bytes, size_t, size_t count, void* context) {
    CurlTransfer& transfer = of(context);
    transfer.header_bytes_ += count;
    if (transfer.header_bytes_ > kHeadBytesMax) {
      transfer.excess_ = Excess::head;
      return 0;
    }
    std::string_view line(bytes, count);
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("HTTP/")) transfer.result_ = {};  // what came before was an interim answer
    if (auto value = value_of(line, "content-type"); !value.empty()) transfer.result_.content_type = value;
    if (auto value = value_of(line, "cache-control"); !value.empty()) {
      transfer.result_.max_age = read_max_age(value);
    }
    return count;
  }

  // Asked for every address that is tried.
  static curl_socket_t open_socket(void* context, curlsocktype, curl_sockaddr* address) {
    io::Address to = io::from_sockaddr(address->addr, address->addrlen);
    if (to.kind != io::Address::Kind::ip) return CURL_SOCKET_BAD;
    if (const char* why = why_not_called(to.ip, of(context).terms_.allow)) {
      of(context).refused_ = base::format_ip(to.ip) + ", which is " + why;
      return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }
};

CurlTransfer::CurlTransfer(FetchRequest request, const FetchTerms& terms)
    : request_(std::move(request)), terms_(terms), curl_(curl_easy_init()) {
  static_assert(sizeof reason_ >= CURL_ERROR_SIZE);
}

CurlTransfer::~CurlTransfer() {
  curl_easy_cleanup(curl_);
  curl_slist_free_all(headers_);
}

void CurlTransfer::fail(std::string problem) {
  result_ = {};
  result_.problem = std::move(problem);
}

bool CurlTransfer::add_headers() {
  for (const FetchHeader& header : request_.headers) {
    if (!is_sendable(header)) {
      fail("the header " + header.name + " has no value that may be sent");
      return false;
    }
    std::string line = header.name + ": " + header.value;
    headers_ = curl_slist_append(headers_, line.c_str());
  }
  return true;
}

bool CurlTransfer::begin(base::Duration time_left) {
  if (origin_of(request_.url).empty()) {
    fail("the address is not an http:// or https:// URL without user and password");
    return false;
  }
  if (headers_ == nullptr && !add_headers()) return false;
  header_bytes_ = 0;
  result_ = {};
  reason_[0] = '\0';
  CURL* curl = curl_;
  curl_easy_reset(curl);  // nothing of the answer before a redirect stays
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason_);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  // A look-up that hangs is left to itself when its time is over; libcurl would wait for its thread, and all
  // other transfers with it.
  curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "gatehouse");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, std::max<long>(time_left.milliseconds(), 1));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, std::max<long>(time_left.milliseconds(), 1));

  curl_easy_setopt(curl, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  if (!terms_.roots.empty()) {
    curl_blob roots{const_cast<char*>(terms_.roots.data()), terms_.roots.size(), CURL_BLOB_NOCOPY};
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &roots);
  }
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, Callbacks::open_socket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, this);

  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers_);
  if (request_.method == FetchMethod::post) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request_.body.data());
  }
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Callbacks::take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, Callbacks::take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
  return true;
}

bool CurlTransfer::follows_on(int code) {
  if (excess_ == Excess::body) {
    fail(fmt::format("the answer is larger than {} bytes", request_.bytes_max));
  } else if (excess_ == Excess::head) {
    fail(fmt::format("the answer's head is larger than {} bytes", kHeadBytesMax));
  } else if (code != CURLE_OK) {
    fail(!refused_.empty()  ? "calls to " + refused_ + ", are refused; `fetch.allow` names what is meant"
         : *reason_ != '\0' ? reason_
                            : curl_easy_strerror(static_cast<CURLcode>(code)));
  } else {
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    bool leads_elsewhere = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    if (leads_elsewhere && request_.method == FetchMethod::get) return redirect();
    curl_off_t retry_after = 0;
    curl_easy_getinfo(curl_, CURLINFO_RETRY_AFTER, &retry_after);
    if (retry_after > 0) {
      result_.retry_after = base::seconds(std::min<curl_off_t>(retry_after, 24 * 3600));
    }
    result_.status = static_cast<int>(status);
    if (status != 200) result_.problem = fmt::format("the answer's status is {}, not 200", status);
  }
  return false;
}

bool CurlTransfer::redirect() {
  const char* to = nullptr;
  curl_easy_getinfo(curl_, CURLINFO_REDIRECT_URL, &to);
  std::string url = to == nullptr ? "" : to;
  std::string origin = origin_of(url);
  if (origin.empty() || origin != origin_of(request_.url)) {
    fail("the answer is a redirect to another origin, which is not followed: " +
         (origin.empty() ? "no http:// or https:// URL" : origin));
    return false;
  }
  if (++redirects_ > kRedirectsMax) {
    fail(fmt::format("the answer is one redirect after another, more than {}", kRedirectsMax));
    return false;
  }
  request_.url = std::move(url);
  return true;
}

FetchResult CurlTransfer::take_result() { return std::move(result_); }

}  // namespace control
