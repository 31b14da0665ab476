#include "control/key_sets.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace control {
namespace {

// A set whose answer names no age is fetched this often; what it names is held within the two bounds.
constexpr base::Duration kAgeDefault = base::seconds(900);
constexpr base::Duration kAgeMin = base::seconds(60);
constexpr base::Duration kAgeMax = base::seconds(24 * 3600);
// A client can make up key ids at will, so unknown keys cause at most one fetch in this time, but for a few:
// an issuer may change its keys right after they were fetched.
constexpr base::Duration kRequestInterval = base::seconds(10);
constexpr uint32_t kRequestBurst = 3;
constexpr base::Duration kRetryFirst = base::seconds(1);
constexpr base::Duration kRetryMax = base::seconds(60);

}  // namespace

void KeySetKeeper::apply(const auth::Providers& providers) {
  std::map<uint32_t, Set> kept;
  for (uint32_t i = 0; i < providers.size(); ++i) {
    const auth::Provider& provider = providers[i];
    if (provider.key_source == auth::KeySource::none) continue;
    auto known = sets_.find(provider.key_slot);
    if (known != sets_.end()) {
      known->second.provider = provider.name;
      kept.insert(sets_.extract(known));
      continue;
    }
    Set& set = kept[provider.key_slot];
    set.provider = provider.name;
    set.source = provider.key_source;
    if (set.source != auth::KeySource::discovery) set.location = provider.key_location;
    if (set.source == auth::KeySource::inline_json) set.keys = provider.inline_keys;
  }
  for (auto& [key_slot, gone] : sets_) gone.looked->notify_all();
  sets_ = std::move(kept);
  for (auto& [key_slot, set] : sets_) {
    if (set.keys != nullptr || set.fetching || set.last_look.reached()) {
      if (set.source == auth::KeySource::inline_json) parts_.publisher.publish_keys(key_slot, set.keys);
      continue;
    }
    if (set.source == auth::KeySource::file) load_file(key_slot, set);
    if (set.source == auth::KeySource::url) start_fetch(key_slot, set);
  }
}

void KeySetKeeper::request(uint32_t key_slot) {
  auto found = sets_.find(key_slot);
  if (found == sets_.end()) return parts_.publisher.publish_checked(key_slot);
  Set& set = found->second;
  if (set.fetching) return;  // its end answers
  if (!set.is_fetched() || !set.may_look(parts_.loop.now()))
    return parts_.publisher.publish_checked(key_slot);
  start_fetch(key_slot, set);
}

bool KeySetKeeper::Set::may_look(base::Instant now) {
  base::Duration since = now - last_look;
  if (last_look.reached() && since < kRetryFirst) return false;
  if (keys == nullptr) return true;
  if (!last_look.reached() || since >= kRequestInterval) {
    looks_left = std::min(looks_left + 1, kRequestBurst);
    return true;
  }
  if (looks_left == 0) return false;
  --looks_left;
  return true;
}

void KeySetKeeper::found_location(uint32_t key_slot, const std::string& url) {
  auto found = sets_.find(key_slot);
  if (found == sets_.end() || found->second.location == url) return;
  found->second.location = url;
  start_fetch(key_slot, found->second);
}

auth::KeySetPtr KeySetKeeper::find(uint32_t key_slot) const {
  auto found = sets_.find(key_slot);
  return found == sets_.end() ? nullptr : found->second.keys;
}

io::Task<auth::KeySetPtr> KeySetKeeper::fetch_anew(uint32_t key_slot) {
  auto found = sets_.find(key_slot);
  if (found == sets_.end()) co_return nullptr;
  Set& set = found->second;
  bool just_looked = set.last_look.reached() && parts_.loop.now() - set.last_look < kRetryFirst;
  if (!set.fetching && set.is_fetched() && !just_looked) start_fetch(key_slot, set);
  if (set.fetching) {
    std::shared_ptr<io::Broadcast> looked = set.looked;
    io::Broadcast::Seat seat(*looked);
    co_await io::wait_for(parts_.loop, base::kNever, seat.signal);
  }
  co_return find(key_slot);
}

void KeySetKeeper::files_changed(std::span<const std::string> paths, bool everything) {
  for (auto& [key_slot, set] : sets_) {
    if (set.source != auth::KeySource::file) continue;
    if (everything || std::ranges::find(paths, set.location) != paths.end()) load_file(key_slot, set);
  }
}

void KeySetKeeper::load_file(uint32_t key_slot, Set& set) {
  set.last_look = parts_.loop.now();
  auto text = parts_.files.read(set.location, auth::kKeySetBytesMax);
  if (text) {
    accept(key_slot, set, *text);
  } else {
    set.problem = fmt::format("the file {}", config::words_of(text.error()));
  }
  if (!set.problem.empty())
    spdlog::error("key set of provider {} from {}: {}", set.provider, set.location, set.problem);
  parts_.publisher.publish_checked(key_slot);
}

void KeySetKeeper::accept(uint32_t key_slot, Set& set, std::string_view json) {
  auto parsed = auth::parse_key_set(json);
  if (!parsed) {
    set.problem = parsed.error();
    return;
  }
  set.problem.clear();
  set.keys = *parsed;
  parts_.publisher.publish_keys(key_slot, set.keys);
}

void KeySetKeeper::start_fetch(uint32_t key_slot, Set& set) {
  set.fetching = true;
  set.last_look = parts_.loop.now();
  fetches_.spawn(fetch(key_slot, set.location));
}

io::Task<> KeySetKeeper::fetch(uint32_t key_slot, std::string location) {
  FetchResult result = co_await parts_.fetcher.fetch({.url = location, .bytes_max = auth::kKeySetBytesMax});
  take(key_slot, location, result);
}

void KeySetKeeper::take(uint32_t key_slot, const std::string& location, const FetchResult& result) {
  auto found = sets_.find(key_slot);
  if (found == sets_.end() || found->second.location != location) return;  // its provider is gone
  Set& set = found->second;
  set.fetching = false;
  if (result.ok()) {
    accept(key_slot, set, result.body);
  } else {
    set.problem = result.problem;
  }
  base::Instant now = parts_.loop.now();
  if (set.problem.empty()) {
    if (set.failures > 0) spdlog::info("key set of provider {}: fetched again", set.provider);
    set.failures = 0;
    base::Duration age = result.max_age.ns < 0 ? kAgeDefault : std::clamp(result.max_age, kAgeMin, kAgeMax);
    set.due = now + base::Duration{age.ns / 5 * 4};  // ahead of its expiry
  } else {
    spdlog::error("key set of provider {} from {}: {}", set.provider, set.location, set.problem);
    base::Duration retry = kRetryFirst * (int64_t{1} << std::min(set.failures, 6u));
    ++set.failures;
    set.due = now + std::min(retry, kRetryMax);
  }
  due_changed_.fire();
  set.looked->notify_all();
  parts_.publisher.publish_checked(key_slot);
}

io::Task<> KeySetKeeper::run() {
  for (;;) {
    base::Instant next = base::kNever;
    for (auto& [key_slot, set] : sets_) {
      if (!set.is_fetched() || set.fetching || !set.due.reached()) continue;
      if (set.due <= parts_.loop.now()) {
        start_fetch(key_slot, set);
      } else {
        next = std::min(next, set.due);
      }
    }
    co_await io::wait_for(parts_.loop, next, due_changed_);
  }
}

std::vector<KeySetKeeper::Status> KeySetKeeper::status() const {
  std::vector<Status> all;
  for (const auto& [key_slot, set] : sets_) {
    all.push_back(
        {set.provider, set.location, set.keys != nullptr ? set.keys->keys().size() : 0, set.problem});
  }
  return all;
}

}  // namespace control
