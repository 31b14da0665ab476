// A gate in a simulated world, for this folder's tests: one worker, services made by hand, backends that do
// what a request's X-Do header says, clients that send bytes. The log ring is read as the writer would.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gate/exchange.h"
#include "gate/worker.h"
#include "io/sim.h"

namespace gate::test {

class SimRandomSource final : public crypto::RandomSource {
 public:
  explicit SimRandomSource(uint64_t seed) : random_(seed) {}
  void fill(std::span<uint8_t> out) override {
    if (before_fill) before_fill();
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(random_.next());
  }
  std::function<void()> before_fill;

 private:
  io::SimRandom random_;
};

class SilentControl final : public ControlPlane {
 public:
  void request_keys(uint32_t) override { ++keys_asked; }
  void worker_drained(uint32_t) override { drained = true; }
  void wake_log_writer() override {}
  void ask(uint32_t, uint64_t number, Question question) override {
    asked.push_back({number, std::move(question)});
    if (on_question) on_question(asked.back());
  }
  struct Asked {
    uint64_t number;
    Question question;
  };
  std::vector<Asked> asked;
  std::function<void(Asked&)> on_question;
  bool drained = false;
  int keys_asked = 0;
};

struct Seen {
  uint8_t backend = 0;
  std::string head;
  std::string body;
  std::string trailers;
  bool whole = false;  // the body too
};

// Listens at sim_address(number, 9000). What X-Do says:
//   nothing: 200 "hello from NUMBER"     chunked, bare (until close), empty (204), hints (103 first)
//   garbage, huge-head, incomplete, cut-chunk, silent, stall, close, reset, early, early-close
//   leave (answers, then closes), switch (101), switch-half (speaks first), switch-unasked, continue,
//   switch-tick (101, then a word every 50 minutes, five times, before it listens)
class Backend {
 public:
  Backend(io::SimWorld& sim, uint8_t number, std::vector<Seen>& seen);
  void stop() {
    accepting_.cancel_all();  // it waits on the listener
    listener_.reset();
  }

 private:
  io::Task<> accept_all();
  io::Task<> serve(std::unique_ptr<io::Stream> stream);
  enum class Next : uint8_t { another, close, reset };
  io::Task<bool> read_head(io::Stream& stream, std::string& bytes, std::string& head);
  io::Task<> read_body(io::Stream& stream, std::string& bytes, Seen& seen);
  io::Task<Next> answer(io::Stream& stream, std::string& bytes, size_t index, std::string what);
  io::Task<bool> fill(io::Stream& stream, std::string& bytes);
  io::Task<> send(io::Stream& stream, std::string bytes);

  io::SimWorld& sim_;
  uint8_t number_;
  std::vector<Seen>& seen_;
  std::unique_ptr<io::Listener> listener_;
  io::Scope accepting_;
  io::Scope scope_;
};

struct ServiceSetup {
  std::string path;
  std::vector<uint8_t> backends = {10};
  std::function<void(Service&)> adjust = {};
};

class Client {
 public:
  Client(io::SimWorld& sim, uint8_t number = 2, uint16_t port = 80);
  void send(std::string bytes);
  void half_close();
  void leave_by_reset();
  bool ended() const { return !ending.empty(); }

  std::string received;
  std::string ending;  // "end", "reset", "refused"

 private:
  io::Task<> run();
  io::Task<> receive();
  io::SimWorld& sim_;
  std::unique_ptr<io::Stream> stream_;
  std::string to_send_;
  bool close_after_ = false;
  io::Signal more_;
  io::Scope scope_;
};

class GateWorld {
 public:
  explicit GateWorld(uint64_t seed = 1, io::SimWeather* weather = nullptr);
  ~GateWorld();

  // Rules of every service: GET /…/open is anyone's, POST and PUT too; /…/secret needs a key; /…/people is
  // for those who logged in with the provider "staff", where the service says so, /…/strong
  // for those of them who did so well; the rest is denied.
  void serve(std::vector<ServiceSetup> services, std::function<void(Snapshot&)> adjust = {});
  std::vector<std::string> records();  // the lines since the last call
  // Sends one request on a connection of its own and waits for the answer's end.
  std::string ask(const std::string& request, base::Duration patience = base::seconds(100));
  uint64_t accepted() { return worker->metrics().value(telemetry::Counter::exchanges_accepted); }

  io::SimWorld sim;
  SimRandomSource random;
  SilentControl control;
  auth::ReplayGuard replays;
  std::vector<Seen> seen;
  std::map<uint8_t, std::unique_ptr<Backend>> backends;
  std::string key;                             // with the scope "read"
  std::shared_ptr<const auth::Sealer> sealer;  // of every snapshot
  std::unique_ptr<Worker> worker;
  uint64_t generation = 0;
};

// The value of a key in a record, as text.
std::string field(const std::string& record, const std::string& key);

}  // namespace gate::test
