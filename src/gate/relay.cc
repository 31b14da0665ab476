#include "gate/relay.h"

#include <algorithm>

#include "gate/exchange.h"

namespace gate {
namespace {

// After this much without a wait, others get their turn.
constexpr uint64_t kTurnBytes = 1024 * 1024;

base::Error client_gone() {
  return {base::Reason::client_disconnected, base::Side::client, base::Retry::never, "the client went away"};
}

base::Instant read_deadline_of(const RelayPlan& plan) {
  return plan.read_patience == kUnlimited ? base::kNever : plan.loop.now() + plan.read_patience;
}

io::Task<base::Result<>> wait_for_backend(RelayPlan& plan) {
  base::Instant deadline = std::min(plan.deadline, plan.loop.now() + plan.write_patience);
  io::Wake wake = co_await io::wait_for(plan.loop, deadline, plan.to.writable());
  if (wake == io::Wake::timed_out) co_return base::fail(plan.write_timeout);
  co_return base::Result<>{};
}

// Waits until the sink can take more. Fails when its patience is over.
io::Task<base::Result<>> wait_writable(RelayPlan& plan) {
  return plan.client != nullptr ? wait_for_client({plan.loop, *plan.client, *plan.send_patience,
                                                   plan.write_timeout, plan.deadline})
                                : wait_for_backend(plan);
}

bool failed_by_client(const std::optional<base::Result<>>& outcome) {
  return outcome && !*outcome && outcome->error().side == base::Side::client;
}

std::string_view trailers_passed(const RelayPlan& plan, io::Buffer& kept) {
  std::string_view trailers = plan.from.trailers();
  if (plan.trailers == RelayPlan::Trailers::dropped) return {};
  if (trailers.empty() || plan.trailer_edits == nullptr || plan.trailer_edits->empty()) return trailers;
  if (!kept.reserve(trailers.size())) return {};
  while (!trailers.empty()) {
    std::string_view line = trailers.substr(0, trailers.find('\n') + 1);
    trailers.remove_prefix(line.size());
    http::Header header{.name = line.substr(0, line.find(':'))};
    header.id = http::find_header_id(header.name);
    if (!is_edited_away(*plan.trailer_edits, header)) kept.append(line);
  }
  return kept.filled();
}

}  // namespace

io::Task<base::Result<>> wait_for_client(ClientWait wait) {
  base::Instant began = wait.loop.now();
  base::Instant deadline = wait.patience.begin_wait(began, wait.client.bytes_sent());
  deadline = std::min(deadline, wait.deadline);
  io::Wake wake = co_await io::wait_for(wait.loop, deadline, wait.client.writable(), wait.client.gone());
  wait.patience.end_wait(wait.loop.now() - began);
  if (wait.client.client_gone()) co_return base::fail(client_gone());
  if (wake == io::Wake::timed_out) co_return base::fail(wait.timeout);
  co_return base::Result<>{};
}

io::Task<base::Result<>> relay_body(RelayPlan plan) {
  uint64_t moved = 0;
  uint64_t turn_end = kTurnBytes;
  uint64_t progress_mark = plan.progress_bytes;
  base::Instant read_deadline = read_deadline_of(plan);
  io::Signal nobody;
  io::Signal& other_ended = plan.other_ended != nullptr ? *plan.other_ended : nobody;
  for (;;) {
    if (plan.loop.now() >= plan.deadline) co_return base::fail(plan.read_timeout);
    auto got = plan.from.peek();
    if (!got) co_return std::unexpected(got.error());
    if (!got->bytes.empty()) {
      if (got->bytes.size() > plan.bytes_max - moved) co_return base::fail(plan.too_large);
      bool last = got->end;
      size_t offered = got->bytes.size();
      auto taken = plan.to.write(got->bytes);
      if (!taken) co_return std::unexpected(taken.error());
      plan.from.consume(*taken);
      moved += *taken;
      if (moved >= progress_mark) {
        progress_mark = moved + plan.progress_bytes;
        read_deadline = read_deadline_of(plan);
      }
      if (last && *taken == offered) break;
      if (*taken == 0) {
        if (auto ready = co_await wait_writable(plan); !ready) co_return std::unexpected(ready.error());
        read_deadline = read_deadline_of(plan);  // the wait was the sink's, not the source's
      } else if (moved >= turn_end) {
        turn_end = moved + kTurnBytes;
        co_await io::Yield(plan.loop);
      }
      continue;
    }
    if (got->end) break;
    // What was taken leaves before we wait for more: a peer may need it to go on.
    auto flushed = plan.to.flush();
    if (!flushed) co_return std::unexpected(flushed.error());
    if (!*flushed) {
      if (auto ready = co_await wait_writable(plan); !ready) co_return std::unexpected(ready.error());
      continue;
    }
    if (plan.client != nullptr) plan.send_patience->restore(plan.client->bytes_sent());
    if (plan.other != nullptr && failed_by_client(*plan.other)) co_return **plan.other;
    base::Instant deadline = std::min(read_deadline, plan.deadline);
    io::Wake wake = plan.client != nullptr ? co_await io::wait_for(plan.loop, deadline, plan.from.readable(),
                                                                   plan.client->gone(), other_ended)
                                           : co_await io::wait_for(plan.loop, deadline, plan.from.readable());
    if (plan.client != nullptr && plan.client->client_gone()) co_return base::fail(client_gone());
    if (wake == io::Wake::timed_out) co_return base::fail(plan.read_timeout);
  }
  io::Buffer kept;
  if (auto finished = plan.to.finish(trailers_passed(plan, kept)); !finished) {
    co_return std::unexpected(finished.error());
  }
  for (;;) {
    auto flushed = plan.to.flush();
    if (!flushed) co_return std::unexpected(flushed.error());
    if (*flushed) co_return base::Result<>{};
    if (auto ready = co_await wait_writable(plan); !ready) co_return std::unexpected(ready.error());
  }
}

}  // namespace gate
