#include "control/fetch.h"

#include <curl/curl.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <string_view>
#include <thread>

#include "base/bytes.h"

namespace control {
namespace {

struct Job {
  FetchRequest request;
  std::unique_ptr<Fetcher::Done> done;
};

struct Transfer {
  const FetchRequest& request;
  FetchResult result;
  bool too_large = false;
};

size_t take_body(char* bytes, size_t, size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (transfer.result.body.size() + count > transfer.request.bytes_max) {
    transfer.too_large = true;
    return 0;
  }
  transfer.result.body.append(bytes, count);
  return count;
}

size_t take_header(char* bytes, size_t, size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  std::string_view line(bytes, count);
  constexpr std::string_view kName = "cache-control:";
  if (line.size() < kName.size() || !base::equals_ignoring_case(line.substr(0, kName.size()), kName))
    return count;
  std::string_view list = line.substr(kName.size());
  while (!list.empty() && (list.back() == '\r' || list.back() == '\n')) list.remove_suffix(1);
  while (auto directive = base::take_list_element(list)) {
    constexpr std::string_view kMaxAge = "max-age=";
    if (directive->size() <= kMaxAge.size() ||
        !base::equals_ignoring_case(directive->substr(0, kMaxAge.size()), kMaxAge)) {
      continue;
    }
    if (auto seconds = base::parse_unsigned(directive->substr(kMaxAge.size()));
        seconds && *seconds < 1'000'000'000) {
      transfer.result.max_age = base::seconds(static_cast<int64_t>(*seconds));
    }
  }
  return count;
}

FetchResult perform(CURL* curl, const FetchRequest& request) {
  Transfer transfer{.request = request, .result = {}, .too_large = false};
  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.milliseconds()));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.timeout.milliseconds()));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "gatehouse");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  CURLcode code = curl_easy_perform(curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (transfer.too_large) {
    transfer.result.problem = "the answer is larger than " + std::to_string(request.bytes_max) + " bytes";
  } else if (code != CURLE_OK) {
    transfer.result.problem = *reason != '\0' ? reason : curl_easy_strerror(code);
  } else if (status != 200) {
    transfer.result.problem = "the answer's status is " + std::to_string(status) + ", not 200";
  } else {
    transfer.result.ok = true;
  }
  return std::move(transfer.result);
}

}  // namespace

struct Fetcher::State {
  std::mutex mutex;
  std::condition_variable more;
  std::deque<Job> jobs;
  bool stopping = false;
  std::thread thread;

  void run() {
    CURL* curl = curl_easy_init();
    for (;;) {
      Job job;
      {
        std::unique_lock lock(mutex);
        more.wait(lock, [&] { return stopping || !jobs.empty(); });
        if (stopping) break;
        job = std::move(jobs.front());
        jobs.pop_front();
      }
      job.done->fetched(perform(curl, job.request));
    }
    curl_easy_cleanup(curl);
  }
};

Fetcher::Fetcher() : state_(std::make_unique<State>()) {}

Fetcher::~Fetcher() {
  if (!state_->thread.joinable()) return;
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->more.notify_all();
  state_->thread.join();
}

void Fetcher::fetch(FetchRequest request, std::unique_ptr<Done> done) {
  std::lock_guard lock(state_->mutex);
  // Most gates fetch nothing: the thread and libcurl's state come with the first fetch.
  if (!state_->thread.joinable()) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    state_->thread = std::thread([state = state_.get()] { state->run(); });
  }
  state_->jobs.push_back({std::move(request), std::move(done)});
  state_->more.notify_one();
}

}  // namespace control
