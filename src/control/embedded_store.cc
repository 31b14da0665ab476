// The session store of one gate: SQLite in its folder. All that touches the disk happens on the store's
// thread, in the order asked, many calls to a transaction: each is answered once it is safely kept.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "control/session_file.h"
#include "control/session_store.h"
#include "control/store_health.h"
#include "io/oneshot.h"

namespace control {
namespace {

using Access = SessionDatabase::Access;
using Problem = SessionDatabase::Problem;
using Jobs = std::vector<std::unique_ptr<class Job>>;

constexpr base::Duration kPatience = base::seconds(5);  // with a disk that does not come back
constexpr size_t kJobsWaitingMax = 10'000;
constexpr size_t kJobsTogetherMax = 256;
// How soon it is noticed what another process did to the file.
constexpr auto kLookAround = std::chrono::seconds(1);
constexpr base::Duration kForgetInterval = base::seconds(60);

// One call, from the control thread to the store's and back.
class Job {
 public:
  explicit Job(Access access) : access_(access) {}
  virtual ~Job() = default;
  Access access() const { return access_; }
  // Keeps the answer; done again when what it belongs to could not be kept.
  virtual SessionDatabase::Result<> run(SessionDatabase& database, base::WallTime now) = 0;
  virtual void fail(const Problem& problem) = 0;
  virtual void answer() = 0;

 private:
  Access access_;
};

template <class T, class Work>
class JobOf final : public Job {
 public:
  using Answer = SessionStore::Result<T>;
  JobOf(Access access, Work work, typename io::Oneshot<Answer>::Sender sender)
      : Job(access), work_(std::move(work)), sender_(std::move(sender)) {}

  SessionDatabase::Result<> run(SessionDatabase& database, base::WallTime now) override {
    SessionDatabase::Result<T> done = work_(database, now);
    if (!done) {
      fail(done.error());
      return std::unexpected(std::move(done.error()));
    }
    if constexpr (std::is_void_v<T>) {
      answer_ = {};
    } else {
      answer_ = std::move(*done);
    }
    return {};
  }
  void fail(const Problem& problem) override { answer_ = std::unexpected(problem.sentence); }
  void answer() override { sender_.send(std::move(answer_)); }

 private:
  Work work_;
  typename io::Oneshot<Answer>::Sender sender_;
  Answer answer_;
};

// What the store's thread does.
class StoreThread {
 public:
  using Revoked = std::vector<auth::Revocation>;
  // Called on the store's thread; must only post.
  struct Teller {
    virtual ~Teller() = default;
    virtual void heard(Revoked revoked) = 0;
  };

  StoreThread(SessionDatabase::Options options, io::Clock& clock, Teller& teller)
      : options_(std::move(options)),
        clock_(clock),
        teller_(teller),
        opened_(open_session_file(options_, clock.wall_now())) {}

  ~StoreThread() {
    if (!thread_.joinable()) return;
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  // Before start(): what is kept from before. nullopt: it cannot be read yet.
  std::optional<Revoked> read_kept() {
    auto revoked = read_revocations();
    if (!revoked && revoked.error().fault == SessionDatabase::Fault::damaged) {
      replace_database(revoked.error().sentence);
      revoked = read_revocations();
    }
    if (revoked) return std::move(*revoked);
    spdlog::warn("{} does not tell which sessions were revoked: {}", opened_.location,
                 revoked.error().sentence);
    return std::nullopt;
  }
  void start() {
    thread_ = std::thread([this] { run(); });
  }

  // Any thread. False: too many wait.
  bool submit(std::unique_ptr<Job> job) {
    {
      std::lock_guard lock(mutex_);
      if (jobs_.size() >= kJobsWaitingMax) return false;
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
    return true;
  }
  // Where the sessions are, and what lasting problem there is.
  std::pair<std::string, std::string> whereabouts() const {
    std::lock_guard lock(mutex_);
    return {opened_.location, opened_.problem};
  }

 private:
  void run() {
    while (std::optional<Jobs> jobs = take_jobs()) {
      if (!jobs->empty()) carry_out(*jobs);
      look_around();
    }
  }

  // nullopt: told to stop, and nothing is left to be done.
  std::optional<Jobs> take_jobs() {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kLookAround, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_ && jobs_.empty()) return std::nullopt;
    Jobs taken;
    while (!jobs_.empty() && taken.size() < kJobsTogetherMax) {
      taken.push_back(std::move(jobs_.front()));
      jobs_.pop_front();
    }
    return taken;
  }

  void carry_out(std::span<std::unique_ptr<Job>> jobs) {
    std::optional<Problem> problem = try_together(jobs);
    if (problem && problem->fault == SessionDatabase::Fault::damaged) {
      replace_database(problem->sentence);
      problem = try_together(jobs);
    }
    if (problem && jobs.size() > 1) {  // one of them may be what spoils it for all
      for (size_t i = 0; i < jobs.size(); ++i) carry_out(jobs.subspan(i, 1));
      return;
    }
    for (const auto& job : jobs) {
      if (problem) job->fail(*problem);
      job->answer();
    }
  }

  // What prevented any of it from being kept.
  std::optional<Problem> try_together(std::span<const std::unique_ptr<Job>> jobs) {
    SessionDatabase& database = *opened_.database;
    bool writes = std::ranges::any_of(jobs, [](const auto& job) { return job->access() == Access::writes; });
    auto outcome = database.begin(writes ? Access::writes : Access::reads);
    base::WallTime now = clock_.wall_now();
    for (const auto& job : jobs) {
      if (!outcome) break;
      auto done = job->run(database, now);
      // A refusal of its own, such as no room, leaves the others alone.
      if (!done && (!database.in_transaction() || done.error().fault == SessionDatabase::Fault::damaged)) {
        outcome = std::move(done);
      }
    }
    if (outcome) outcome = database.commit();
    if (outcome) return std::nullopt;
    database.roll_back();
    return std::move(outcome.error());
  }

  void replace_database(const std::string& why) {
    if (opened_.location != options_.path) return;  // memory is not damaged
    opened_.database.reset();
    OpenedSessions replaced = replace_session_file(options_, why, clock_.wall_now());
    std::lock_guard lock(mutex_);
    opened_ = std::move(replaced);
    seen_ = 0;
    has_read_ = false;
  }

  // Those not seen yet.
  SessionDatabase::Result<Revoked> read_revocations() {
    auto kept = opened_.database->revocations_after(seen_);
    if (!kept) return std::unexpected(std::move(kept.error()));
    Revoked revoked;
    for (const SessionDatabase::Kept& entry : *kept) {
      seen_ = entry.number;
      if (entry.until <= clock_.wall_now()) continue;
      if (auto revocation = auth::decode_revocation(entry.text)) revoked.push_back(std::move(*revocation));
    }
    has_read_ = true;
    return revoked;
  }

  // Others who write to the same file, and what has passed.
  void look_around() {
    SessionDatabase& database = *opened_.database;
    if (!has_read_ || database.changed_elsewhere().value_or(false)) {
      if (auto revoked = read_revocations()) teller_.heard(std::move(*revoked));
    }
    base::Instant now = clock_.now();
    if (now < forget_due_) return;
    bool more = database.forget_passed(clock_.wall_now()).value_or(false);
    if (!more) forget_due_ = now + kForgetInterval;
  }

  const SessionDatabase::Options options_;
  io::Clock& clock_;
  Teller& teller_;
  OpenedSessions opened_;  // replaced under mutex_, by the thread, which alone uses the database
  int64_t seen_ = 0;       // the newest revocation
  bool has_read_ = false;  // all revocations of this database
  base::Instant forget_due_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> jobs_;  // guarded by mutex_
  bool stopping_ = false;                  // guarded by mutex_
  std::thread thread_;
};

class EmbeddedStore final : public SessionStore, private StoreThread::Teller {
 public:
  EmbeddedStore(const StoreParts& parts, SessionDatabase::Options options)
      : parts_(parts),
        self_(std::make_shared<EmbeddedStore*>(this)),
        thread_(std::move(options), parts.loop.clock(), *this) {
    if (auto revoked = thread_.read_kept()) tell(*revoked);
    thread_.start();
  }

  io::Task<Result<>> put(std::string key, std::string value, base::WallTime until) override {
    if (auto sizes = check_store_sizes(key, value); !sizes) return refuse<void>(std::move(sizes.error()));
    return ask<void>(Access::writes, [key = std::move(key), value = std::move(value), until](
                                         SessionDatabase& database, base::WallTime now) {
      return database.put(key, value, until, now);
    });
  }
  io::Task<Result<std::optional<std::string>>> get(std::string key) override {
    return ask<std::optional<std::string>>(
        Access::reads, [key = std::move(key)](SessionDatabase& database, base::WallTime now) {
          return database.get(key, now);
        });
  }
  io::Task<Result<>> erase(std::string key) override {
    return ask<void>(Access::writes, [key = std::move(key)](SessionDatabase& database, base::WallTime) {
      return database.erase(key);
    });
  }
  io::Task<Result<bool>> claim(std::string key, base::WallTime until) override {
    if (auto sizes = check_store_sizes(key, {}); !sizes) return refuse<bool>(std::move(sizes.error()));
    return ask<bool>(
        Access::writes, [key = std::move(key), until](SessionDatabase& database, base::WallTime now) {
          return until > now ? database.claim(key, until, now) : SessionDatabase::Result<bool>(false);
        });
  }
  io::Task<Result<>> revoke(auth::Revocation revocation) override {
    parts_.listener.revoked(revocation);
    return ask<void>(Access::writes, [text = auth::encode_revocation(revocation), until = revocation.until](
                                         SessionDatabase& database, base::WallTime) {
      return database.add_revocation(text, until);
    });
  }

  Status status() const override {
    auto [location, lasting] = thread_.whereabouts();
    return {.kind = "embedded",
            .location = std::move(location),
            .problem = health_.problem().empty() ? std::move(lasting) : health_.problem()};
  }

 private:
  template <class T>
  io::Task<Result<T>> refuse(StoreError why) {
    co_return std::unexpected(std::move(why));
  }

  template <class T, class Work>
  io::Task<Result<T>> ask(Access access, Work work) {
    io::Oneshot<Result<T>> answer(parts_.mailbox);
    if (!thread_.submit(std::make_unique<JobOf<T, Work>>(access, std::move(work), answer.sender()))) {
      co_return std::unexpected(std::to_string(kJobsWaitingMax) + " calls wait for the disk already");
    }
    auto got = co_await answer.receive(parts_.loop, parts_.loop.clock().now() + kPatience);
    Result<T> result = got ? std::move(*got)
                           : std::unexpected("the disk did not answer within " +
                                             std::to_string(kPatience.milliseconds() / 1000) + " s");
    health_.note(result ? std::string() : result.error());
    co_return result;
  }

  // From the store's thread, to whoever is still there.
  void heard(StoreThread::Revoked revoked) override {
    parts_.mailbox.post([self = std::weak_ptr(self_), revoked = std::move(revoked)] {
      if (auto store = self.lock()) (*store)->tell(revoked);
    });
  }
  void tell(const StoreThread::Revoked& revoked) {
    for (const auth::Revocation& revocation : revoked) parts_.listener.revoked(revocation);
    if (!std::exchange(caught_up_, true)) parts_.listener.caught_up();
  }

  StoreParts parts_;
  bool caught_up_ = false;
  StoreHealth health_;
  std::shared_ptr<EmbeddedStore*> self_;
  StoreThread thread_;  // goes first: it calls heard()
};

}  // namespace

std::unique_ptr<SessionStore> make_embedded_store(const StoreParts& parts, const std::string& path) {
  return std::make_unique<EmbeddedStore>(parts, SessionDatabase::Options{.path = path});
}

}  // namespace control
