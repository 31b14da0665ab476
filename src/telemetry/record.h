// The one record an exchange leaves: the log, the metrics, the trace and the live tail are all made from it.
// The exchange owns it, fills it as it goes and hands it over exactly once, at its end. Plain values and
// views; every view lives at least as long as the exchange (its snapshot, its connection's buffer, its
// verdict). Nothing here allocates.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/reason.h"
#include "base/time.h"
#include "http/grpc.h"
#include "http/head.h"
#include "telemetry/request_id.h"

namespace telemetry {

enum class Phase : uint8_t {
  receive,
  route,
  authenticate,
  authorise,  // the rules alone
  limit,      // only reached by those it refuses
  connect,    // the head for the backend with its assertion, and a connection
  send,
  wait,
  relay,
  done
};
inline constexpr int kPhaseCount = 10;
std::string_view phase_name(Phase phase);

enum class Verdict : uint8_t { none, allow, deny };  // none: the exchange ended before a decision
std::string_view verdict_name(Verdict verdict);

enum class Connection : uint8_t { none, fresh, reused };
enum class Scheme : uint8_t { http, https };

inline constexpr base::Duration kNotReached{-1};
inline constexpr uint32_t kNoService = UINT32_MAX;
inline constexpr uint32_t kNoRoute = UINT32_MAX;

// One try at one endpoint. Durations that were not reached stay kNotReached.
struct Attempt {
  std::string_view endpoint;                    // "127.0.0.1:9001"
  Connection connection = Connection::none;     // none: no connection was obtained
  base::Duration connection_age = kNotReached;  // of a reused one
  base::Reason outcome = base::Reason::none;
  uint16_t status = 0;                   // 0: no answer
  base::Duration connect = kNotReached;  // until a connection was there
  base::Duration wait = kNotReached;     // request sent until the answer's head
  base::Duration total = kNotReached;    // start until the answer's end or the failure
};

// How long each phase took; phases entered twice (a retry) add up.
class PhaseTimes {
 public:
  void start(base::Instant now) {
    started_ = entered_ = now;
    current_ = Phase::receive;
    spent_.fill(kNotReached);
    spent_[0] = {};
  }
  void enter(Phase phase, base::Instant now) {
    close(now);
    current_ = phase;
    base::Duration& spent = spent_[static_cast<size_t>(phase)];
    if (spent == kNotReached) spent = {};
  }
  // The exchange ended where it is: Phase::done after enter(Phase::done), else the phase that failed.
  void finish(base::Instant now) { close(now); }

  Phase current() const { return current_; }
  base::Instant started() const { return started_; }
  base::Duration spent(Phase phase) const { return spent_[static_cast<size_t>(phase)]; }  // or kNotReached
  base::Duration total() const { return entered_ - started_; }

 private:
  void close(base::Instant now) {
    base::Duration& spent = spent_[static_cast<size_t>(current_)];
    spent = spent + (now - entered_);
    entered_ = now;
  }

  base::Instant started_;
  base::Instant entered_;
  Phase current_ = Phase::receive;
  std::array<base::Duration, kPhaseCount> spent_{kNotReached, kNotReached, kNotReached, kNotReached,
                                                 kNotReached, kNotReached, kNotReached, kNotReached,
                                                 kNotReached, kNotReached};
};

// Who ended a gRPC call: a backend by its own grpc-status, or the gate, also on behalf of what is no gRPC.
enum class GrpcSaidBy : uint8_t { gate, backend };

struct ExchangeRecord {
  static constexpr uint32_t kAttemptsMax = 4;

  RequestId id;
  base::WallTime time;  // when its first byte came
  uint64_t generation = 0;
  std::string_view client;  // address as text; its connection formats it once
  std::string_view listener;
  Scheme scheme = Scheme::http;
  http::Version protocol = http::Version::http11;
  http::Method method = http::Method::other;
  std::string_view method_text;
  std::string_view host;
  std::string_view path;  // as matched and forwarded, without the query: it may hold secrets
  std::string_view user_agent;

  uint32_t service = kNoService;  // number, stable over reloads
  uint32_t route = kNoRoute;      // RouteSpec::label
  std::string_view service_name;
  std::string_view route_pattern;

  std::string_view provider;  // empty: nobody was authenticated
  std::string_view subject;
  Verdict verdict = Verdict::none;
  std::string_view rule_source;  // "services/orders.yaml:4:5"; empty: no rule decided
  std::string_view rule_name;

  std::string_view
      observed_rule;  // an `observe` rule that would have decided otherwise or at all; empty: none
  Verdict observed_verdict = Verdict::none;

  base::Reason reason = base::Reason::none;
  std::string_view detail;
  uint16_t status = 0;                          // sent to the client; 0: none was
  std::optional<http::GrpcStatus> grpc_status;  // of a gRPC call, where it is known
  GrpcSaidBy grpc_said_by = GrpcSaidBy::gate;
  std::string_view grpc_method;  // "package.Service/Method", as the client chose it
  uint64_t bytes_received = 0;   // from the client, head and body
  uint64_t bytes_sent = 0;
  PhaseTimes phases;

  // The next free place; after kAttemptsMax the last one is used again. attempts_made counts all.
  Attempt& add_attempt() {
    uint32_t at = attempts_made < kAttemptsMax ? attempts_made : kAttemptsMax - 1;
    ++attempts_made;
    attempts[at] = {};
    return attempts[at];
  }
  uint32_t attempts_kept() const { return attempts_made < kAttemptsMax ? attempts_made : kAttemptsMax; }

  uint32_t attempts_made = 0;
  std::array<Attempt, kAttemptsMax> attempts;
};

}  // namespace telemetry
