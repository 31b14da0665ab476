#include "control/curl_fetcher.h"

#include <curl/curl.h>

#include <algorithm>
#include <deque>
#include <fstream>
#include <iterator>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "control/curl_transfer.h"
#include "io/clock.h"
#include "io/epoll.h"
#include "io/oneshot.h"

namespace control {
namespace {

// To one origin at once; more wait their turn, so that an issuer that hangs holds up its own calls alone.
constexpr size_t kTransfersOfOriginMax = 16;
constexpr size_t kWaitingOfOriginMax = 1024;
constexpr long kOpenConnectionsMax = 64;
constexpr int kPollMs = 60'000;      // libcurl comes back earlier for its own timers and for a wake-up
constexpr int kPollWaitingMs = 100;  // while some wait, whose time may run out

using Reply = io::Oneshot<FetchResult>::Sender;

struct Job {
  FetchRequest request;
  base::Instant deadline;
  Reply reply;
};

struct Lane {
  std::deque<Job> waiting;
  size_t running = 0;
};
using Lanes = std::map<std::string, Lane>;  // by origin: as many as the gate's files and issuers name

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// CURLOPT_CAINFO_BLOB stands in the place of the machine's own roots, so it has to hold them too.
std::string machine_roots(const std::string& configured) {
  if (!configured.empty()) return read_file(configured);
  const char* path = nullptr;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  curl_easy_getinfo(curl.get(), CURLINFO_CAINFO, &path);
  return path == nullptr ? "" : read_file(path);
}

FetchResult failed(std::string problem) {
  FetchResult result;
  result.problem = std::move(problem);
  return result;
}

}  // namespace

// With the connections that were made under its terms.
class CurlFetcher::Thread {
 public:
  explicit Thread(FetchTerms terms) : terms_(std::move(terms)), multi_(curl_multi_init()) {
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kOpenConnectionsMax);
    thread_ = std::thread([this] { run(); });
  }
  ~Thread() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    for (Running& one : running_) curl_multi_remove_handle(multi_, one.transfer.handle());
    running_.clear();
    curl_multi_cleanup(multi_);
  }

  void add(Job job) {
    {
      std::lock_guard lock(mutex_);
      arrived_.push_back(std::move(job));
    }
    curl_multi_wakeup(multi_);
  }

 private:
  struct Running {
    Running(Job job, Lanes::iterator lane, const FetchTerms& terms)
        : lane(lane),
          deadline(job.deadline),
          reply(std::move(job.reply)),
          transfer(std::move(job.request), terms) {}
    Lanes::iterator lane;
    base::Instant deadline;
    Reply reply;
    CurlTransfer transfer;
  };

  void run() {
    while (take_arrived()) {
      bool waiting = start_waiting();
      int running = 0;
      curl_multi_perform(multi_, &running);
      if (!finish_done()) curl_multi_poll(multi_, nullptr, 0, waiting ? kPollWaitingMs : kPollMs, nullptr);
    }
  }

  // False: told to stop.
  bool take_arrived() {
    std::deque<Job> arrived;
    {
      std::lock_guard lock(mutex_);
      arrived.swap(arrived_);
      if (stopping_) return false;
    }
    for (Job& job : arrived) {
      Lane& lane = lanes_[origin_of(job.request.url)];
      if (lane.waiting.size() < kWaitingOfOriginMax) {
        lane.waiting.push_back(std::move(job));
      } else {
        job.reply.send(failed("too many calls to this host wait for their turn"));
      }
    }
    return true;
  }

  // Whether some wait still.
  bool start_waiting() {
    bool waiting = false;
    for (auto lane = lanes_.begin(); lane != lanes_.end();) {
      start_some(lane);
      waiting |= !lane->second.waiting.empty();
      bool idle = lane->second.waiting.empty() && lane->second.running == 0;
      lane = idle ? lanes_.erase(lane) : std::next(lane);
    }
    return waiting;
  }

  void start_some(Lanes::iterator place) {
    Lane& lane = place->second;
    base::Instant now = io::system_clock().now();
    while (!lane.waiting.empty()) {
      bool overdue = lane.waiting.front().deadline <= now;
      if (!overdue && lane.running >= kTransfersOfOriginMax) break;
      Job job = std::move(lane.waiting.front());
      lane.waiting.pop_front();
      if (overdue) {
        job.reply.send(failed("earlier calls to this host took all the time there was"));
        continue;
      }
      ++lane.running;
      running_.emplace_front(std::move(job), place, terms_);
      begin(running_.begin());
    }
  }

  void begin(std::list<Running>::iterator one) {
    if (one->transfer.begin(one->deadline - io::system_clock().now())) {
      curl_easy_setopt(one->transfer.handle(), CURLOPT_PRIVATE, &*one);
      curl_multi_add_handle(multi_, one->transfer.handle());
    } else {
      end(one);
    }
  }

  void end(std::list<Running>::iterator one) {
    one->reply.send(one->transfer.take_result());
    --one->lane->second.running;
    running_.erase(one);
  }

  // Whether any was done, and with it room for another.
  bool finish_done() {
    bool any = false;
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURLcode code = message->data.result;  // gone once the handle is removed
      CURL* handle = message->easy_handle;
      Running* done = nullptr;
      curl_easy_getinfo(handle, CURLINFO_PRIVATE, &done);
      curl_multi_remove_handle(multi_, handle);
      auto one = std::find_if(running_.begin(), running_.end(), [&](Running& r) { return &r == done; });
      one->transfer.follows_on(code) ? begin(one) : end(one);
      any = true;
    }
    return any;
  }

  const FetchTerms terms_;
  std::mutex mutex_;
  std::deque<Job> arrived_;  // guarded by mutex_
  bool stopping_ = false;    // guarded by mutex_
  CURLM* multi_;
  Lanes lanes_;  // of the thread alone, as is what follows
  std::list<Running> running_;
  std::thread thread_;
};

CurlFetcher::CurlFetcher(const Parts& parts) : parts_(parts) {}

CurlFetcher::~CurlFetcher() = default;

void CurlFetcher::apply(const config::FetchSettings& settings) {
  if (settings.ca.text == ca_ && settings.allow == allow_) return;
  ca_ = settings.ca.text;
  allow_ = settings.allow;
  thread_ = nullptr;  // calls under way keep theirs
}

io::Task<FetchResult> CurlFetcher::fetch(FetchRequest request) {
  // Most gates call nobody: the thread and libcurl's state come with the first call.
  if (thread_ == nullptr) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    FetchTerms terms{.roots = {}, .allow = allow_};
    if (!ca_.empty()) terms.roots = machine_roots(parts_.machine_roots) + "\n" + ca_;
    thread_ = std::make_shared<Thread>(std::move(terms));
  }
  std::shared_ptr<Thread> thread = thread_;
  io::Oneshot<FetchResult> answer(parts_.mailbox);
  base::Instant deadline = io::system_clock().now() + request.timeout;
  thread->add({.request = std::move(request), .deadline = deadline, .reply = answer.sender()});
  // The thread answers every call soon after its deadline at the latest.
  co_return *co_await answer.receive(parts_.loop, base::kNever);
}

FetchResult fetch_now(const config::FetchSettings& settings, FetchRequest request) {
  auto poller = io::make_epoll_poller();
  if (poller == nullptr) return failed("this process is out of descriptors");
  io::Loop loop(io::system_clock(), *poller);
  io::Mailbox mailbox(loop);
  CurlFetcher fetcher({.loop = loop, .mailbox = mailbox, .machine_roots = {}});
  fetcher.apply(settings);
  std::optional<FetchResult> result;
  auto ask = [&]() -> io::Task<> { result = co_await fetcher.fetch(std::move(request)); };
  io::Task<> task = ask();
  task.start();
  while (!result) {
    loop.turn(base::kNever);
    mailbox.deliver();
  }
  return std::move(*result);
}

}  // namespace control
