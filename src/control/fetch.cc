#include "control/fetch.h"

#include <curl/curl.h>

#include <deque>
#include <list>
#include <mutex>
#include <string_view>
#include <thread>

#include "base/bytes.h"

namespace control {
namespace {

// At once; more wait their turn. A host that hangs holds one of them, for its fetch's timeout.
constexpr size_t kTransfersMax = 32;
constexpr int kPollMs = 60'000;  // libcurl comes back earlier for its own timers and for a wake-up

struct Job {
  FetchRequest request;
  std::unique_ptr<Fetcher::Done> done;
};

// One fetch under way. libcurl holds pointers to it until the handle is cleaned up.
struct Transfer {
  explicit Transfer(Job job) : job(std::move(job)), curl(curl_easy_init()) {}
  ~Transfer() { curl_easy_cleanup(curl); }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  Job job;
  CURL* curl;
  FetchResult result;
  bool too_large = false;
  char reason[CURL_ERROR_SIZE] = "";
};

size_t take_body(char* bytes, size_t, size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (transfer.result.body.size() + count > transfer.job.request.bytes_max) {
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

void set_options(Transfer& transfer) {
  CURL* curl = transfer.curl;
  const FetchRequest& request = transfer.job.request;
  curl_easy_setopt(curl, CURLOPT_PRIVATE, &transfer);
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
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer.reason);
}

FetchResult take_result(Transfer& transfer, CURLcode code) {
  long status = 0;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &status);
  if (transfer.too_large) {
    transfer.result.problem =
        "the answer is larger than " + std::to_string(transfer.job.request.bytes_max) + " bytes";
  } else if (code != CURLE_OK) {
    transfer.result.problem = *transfer.reason != '\0' ? transfer.reason : curl_easy_strerror(code);
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
  std::deque<Job> jobs;   // guarded by mutex
  bool stopping = false;  // guarded by mutex
  CURLM* multi = nullptr;
  std::list<Transfer> transfers;  // of the thread alone
  std::thread thread;

  ~State() { curl_multi_cleanup(multi); }

  void run() {
    while (start_waiting()) {
      int running = 0;
      curl_multi_perform(multi, &running);
      if (!finish_done()) curl_multi_poll(multi, nullptr, 0, kPollMs, nullptr);
    }
    for (Transfer& transfer : transfers) curl_multi_remove_handle(multi, transfer.curl);
    transfers.clear();
  }

  // False: told to stop.
  bool start_waiting() {
    std::lock_guard lock(mutex);
    while (!jobs.empty() && transfers.size() < kTransfersMax) {
      Transfer& transfer = transfers.emplace_back(std::move(jobs.front()));
      jobs.pop_front();
      set_options(transfer);
      curl_multi_add_handle(multi, transfer.curl);
    }
    return !stopping;
  }

  // Whether any was done, and with it room for another.
  bool finish_done() {
    bool any = false;
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURLcode code = message->data.result;  // gone once the handle is removed
      Transfer* transfer = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      transfer->job.done->fetched(take_result(*transfer, code));
      curl_multi_remove_handle(multi, transfer->curl);
      transfers.remove_if([&](const Transfer& other) { return &other == transfer; });
      any = true;
    }
    return any;
  }
};

Fetcher::Fetcher() : state_(std::make_unique<State>()) {}

Fetcher::~Fetcher() {
  if (!state_->thread.joinable()) return;
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  curl_multi_wakeup(state_->multi);
  state_->thread.join();
}

void Fetcher::fetch(FetchRequest request, std::unique_ptr<Done> done) {
  // Most gates fetch nothing: the thread and libcurl's state come with the first fetch.
  if (!state_->thread.joinable()) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    state_->multi = curl_multi_init();
    state_->thread = std::thread([state = state_.get()] { state->run(); });
  }
  {
    std::lock_guard lock(state_->mutex);
    state_->jobs.push_back({std::move(request), std::move(done)});
  }
  curl_multi_wakeup(state_->multi);
}

}  // namespace control
