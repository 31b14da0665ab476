// For tests only: a Fetcher that answers as the test says and when it says so, in the simulated world.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "control/fetch.h"
#include "io/broadcast.h"
#include "io/loop.h"

namespace control::testing {

inline FetchResult answered(int status, std::string body, std::string content_type = "application/json") {
  FetchResult result;
  result.status = status;
  if (status != 200) result.problem = "the answer's status is " + std::to_string(status) + ", not 200";
  result.body = std::move(body);
  result.content_type = std::move(content_type);
  return result;
}
inline FetchResult unanswered() {
  FetchResult result;
  result.problem = "connection refused";
  return result;
}

class ScriptedFetcher final : public Fetcher {
 public:
  explicit ScriptedFetcher(io::Loop& loop) : loop_(loop) {}

  io::Task<FetchResult> fetch(FetchRequest request) override {
    asked.push_back(request);
    co_await io::Yield(loop_);  // an answer never comes while it is asked for
    io::Broadcast::Seat seat(released_);
    while (held_) co_await io::wait_for(loop_, base::kNever, seat.signal);
    co_return answer(request);
  }

  // From now on nobody is answered, until release().
  void hold() { held_ = true; }
  void release() {
    held_ = false;
    released_.notify_all();
  }

  std::function<FetchResult(const FetchRequest&)> answer = [](const FetchRequest&) { return unanswered(); };
  std::vector<FetchRequest> asked;

 private:
  io::Loop& loop_;
  io::Broadcast released_;
  bool held_ = false;
};

inline std::string header_of(const FetchRequest& request, std::string_view name) {
  for (const FetchHeader& header : request.headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

}  // namespace control::testing
