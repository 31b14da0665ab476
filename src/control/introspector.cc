#include "control/introspector.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

namespace control {
namespace {

using base::Reason;
using gate::Answer;

Answer failed(const std::unexpected<base::Error>& error) {
  Answer answer;
  answer.outcome = error;
  return answer;
}

}  // namespace

size_t Introspector::Hash::operator()(const Key& key) const {
  size_t hash;
  std::memcpy(&hash, key.digest.data(), sizeof hash);
  return hash ^ key.provider_version;
}

io::Task<Answer> Introspector::ask(gate::Introspect question) {
  auto providers = providers_;
  const auth::Provider* provider = providers != nullptr ? providers->find(question.provider) : nullptr;
  if (provider == nullptr || !provider->introspection) {
    co_return failed(base::client_error(Reason::credential_invalid, "the token's issuer is not accepted"));
  }
  Key key{.provider_version = provider->version, .digest = crypto::sha256(question.token)};
  base::Instant now = loop_.now();
  if (auto known = shared_.find(key); known != shared_.end() && known->second.until > now) {
    co_return known->second.answer;
  }
  std::shared_ptr<Inquiry> inquiry;
  if (auto asked = under_way_.find(key); asked != under_way_.end()) {
    inquiry = asked->second;
  } else {
    auto paused = paused_.find(key.provider_version);
    if (paused != paused_.end() && paused->second > now) {
      co_return failed(
          base::gate_error(Reason::introspection_unavailable, "the introspection endpoint has just failed"));
    }
    if (under_way_.size() >= kUnderWayMax) {
      co_return failed(base::gate_error(Reason::introspection_unavailable,
                                        "too many tokens are being asked about at once"));
    }
    inquiry = std::make_shared<Inquiry>(providers, *provider, std::move(question.token));
    under_way_.emplace(key, inquiry);
    asking_.spawn(settle(key, inquiry));
  }
  io::Broadcast::Seat seat(inquiry->done);
  while (!inquiry->answer) co_await io::wait_for(loop_, base::kNever, seat.signal);
  co_return *inquiry->answer;
}

io::Task<> Introspector::settle(Key key, std::shared_ptr<Inquiry> inquiry) {
  inquiry->answer = co_await ask_once(*inquiry);
  under_way_.erase(key);
  share(key, *inquiry->answer);
  inquiry->done.notify_all();
}

io::Task<Answer> Introspector::ask_once(Inquiry& inquiry) {
  const auth::Provider& provider = inquiry.provider;
  auto body = co_await endpoint_.introspect(*provider.introspection, std::move(inquiry.token));
  base::Result<auth::Introspected> read =
      base::gate_error(Reason::introspection_unavailable, "the introspection endpoint could not be asked");
  if (body) read = auth::read_introspection(*body, *provider.introspection, loop_.clock().wall_now());
  if (!read) {
    if (read.error().reason == Reason::introspection_unavailable) {
      if (paused_.size() > 64) paused_.clear();  // of definitions that were replaced
      paused_[provider.version] = loop_.now() + kFailurePause;
      spdlog::error("provider {}: {}", provider.name, body ? read.error().detail : body.error().sentence);
    }
    co_return failed(std::unexpected(read.error()));
  }
  Answer answer;
  answer.identity = std::move(read->identity);
  answer.until = read->valid_until;
  co_return answer;
}

void Introspector::share(const Key& key, const Answer& answer) {
  if (!answer.outcome && answer.outcome.error().reason == Reason::introspection_unavailable) return;
  base::Instant now = loop_.now();
  base::Instant until = now + kAnswerShared;
  if (answer.outcome) {
    int64_t left = answer.until.ns - loop_.clock().wall_now().ns;
    if (left <= 0) return;  // `cache: 0s`: only those who asked meanwhile share it
    until = std::min(until, now + base::Duration{left});
  }
  if (shared_.size() >= kAnswersMax) {
    std::erase_if(shared_, [now](const auto& item) { return item.second.until <= now; });
    if (shared_.size() >= kAnswersMax) shared_.erase(shared_.begin());
  }
  shared_[key] = {answer, until};
}

}  // namespace control
