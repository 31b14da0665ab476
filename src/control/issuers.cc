#include "control/issuers.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "access/oidc.h"

namespace control {
namespace {

using base::Reason;

constexpr base::Duration kAgeDefault = base::seconds(3600);
constexpr base::Duration kAgeMin = base::seconds(300);
constexpr base::Duration kAgeMax = base::seconds(24 * 3600);
constexpr base::Duration kRetryFirst = base::seconds(1);
constexpr base::Duration kRetryMax = base::seconds(60);

}  // namespace

void IssuerKeeper::apply(const auth::Providers& providers) {
  std::map<std::string, std::shared_ptr<Issuer>, std::less<>> kept;
  for (uint32_t i = 0; i < providers.size(); ++i) {
    const auth::Provider& provider = providers[i];
    if (!provider.oidc) continue;
    auto known = issuers_.find(provider.name);
    bool same = known != issuers_.end() && known->second->issuer == provider.oidc->spec.issuer &&
                known->second->key_slot == provider.key_slot;
    if (same) {
      kept.insert(issuers_.extract(known));
      continue;
    }
    auto& issuer = kept[provider.name] = std::make_shared<Issuer>();
    issuer->issuer = provider.oidc->spec.issuer;
    issuer->key_slot = provider.key_slot;
  }
  for (auto& [name, gone] : issuers_) {
    gone->looked.notify_all();
    // Also of a provider that names another issuer now: nobody is sent to the old one meanwhile.
    parts_.publisher.publish_issuer(name, nullptr);
  }
  issuers_ = std::move(kept);
  for (auto& [name, issuer] : issuers_) {
    if (issuer->metadata == nullptr && !issuer->fetching) start_fetch(name, *issuer);
  }
}

io::Task<base::Result<gate::IssuerMetadataPtr>> IssuerKeeper::find(std::string provider) {
  auto found = issuers_.find(provider);
  if (found == issuers_.end()) {
    co_return base::gate_error(Reason::identity_provider_unavailable,
                               "the identity provider is not defined any more");
  }
  std::shared_ptr<Issuer> issuer = found->second;
  if (issuer->metadata == nullptr) {
    io::Broadcast::Seat seat(issuer->looked);
    // Right after a failure nobody waits for another.
    if (!issuer->fetching && issuer->due <= parts_.loop.now()) start_fetch(provider, *issuer);
    if (issuer->fetching) co_await io::wait_for(parts_.loop, base::kNever, seat.signal);
  }
  if (issuer->metadata == nullptr) {
    co_return base::gate_error(Reason::identity_provider_unavailable,
                               "the identity provider's discovery document could not be loaded");
  }
  co_return issuer->metadata;
}

void IssuerKeeper::start_fetch(const std::string& provider, Issuer& issuer) {
  issuer.fetching = true;
  fetches_.spawn(fetch(provider, issuers_.find(provider)->second));
}

io::Task<> IssuerKeeper::fetch(std::string provider, std::shared_ptr<Issuer> issuer) {
  FetchRequest request{.url = auth::discovery_url(issuer->issuer), .bytes_max = auth::kMetadataBytesMax};
  request.headers.push_back({"Accept", "application/json"});
  FetchResult result = co_await parts_.fetcher.fetch(std::move(request));
  issuer->fetching = false;
  auto current = issuers_.find(provider);
  if (current != issuers_.end() && current->second == issuer) take(provider, *issuer, result);
  issuer->looked.notify_all();
}

void IssuerKeeper::take(const std::string& provider, Issuer& issuer, const FetchResult& result) {
  issuer.problem = result.problem;
  if (result.ok()) {
    auto parsed = auth::parse_issuer_metadata(result.body, issuer.issuer);
    if (parsed) {
      issuer.metadata = std::make_shared<const auth::IssuerMetadata>(std::move(*parsed));
      parts_.keys.found_location(issuer.key_slot, issuer.metadata->jwks_uri);
      parts_.publisher.publish_issuer(provider, issuer.metadata);
    } else {
      issuer.problem = parsed.error();
    }
  }
  base::Instant now = parts_.loop.now();
  if (issuer.problem.empty()) {
    if (issuer.failures > 0) spdlog::info("provider {}: discovery works again", provider);
    issuer.failures = 0;
    base::Duration age = result.max_age.ns < 0 ? kAgeDefault : std::clamp(result.max_age, kAgeMin, kAgeMax);
    issuer.due = now + base::Duration{age.ns / 5 * 4};
  } else {
    spdlog::error("provider {}: discovery at {}: {}", provider, auth::discovery_url(issuer.issuer),
                  issuer.problem);
    base::Duration retry = kRetryFirst * (int64_t{1} << std::min(issuer.failures, 6u));
    ++issuer.failures;
    issuer.due = now + std::min(retry, kRetryMax);
  }
  due_changed_.fire();
}

io::Task<> IssuerKeeper::run() {
  for (;;) {
    base::Instant next = base::kNever;
    for (auto& [name, issuer] : issuers_) {
      if (issuer->fetching || !issuer->due.reached()) continue;
      if (issuer->due <= parts_.loop.now()) {
        start_fetch(name, *issuer);
      } else {
        next = std::min(next, issuer->due);
      }
    }
    co_await io::wait_for(parts_.loop, next, due_changed_);
  }
}

std::vector<IssuerKeeper::Status> IssuerKeeper::status() const {
  std::vector<Status> all;
  for (const auto& [name, issuer] : issuers_) {
    all.push_back({name, issuer->issuer, issuer->metadata != nullptr, issuer->problem});
  }
  return all;
}

}  // namespace control
