#include "control/names.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace control {
namespace {

constexpr base::Duration kLookupPatience = base::seconds(5);
constexpr base::Duration kRetryFirst = base::seconds(1);
constexpr base::Duration kRetryMax = base::seconds(30);

bool same_endpoints(const backends::EndpointListPtr& a, const backends::EndpointList& b) {
  return a != nullptr && std::ranges::equal(*a, b, [](const auto& x, const auto& y) {
           return x.address == y.address && x.authority == y.authority;
         });
}

}  // namespace

void NameKeeper::apply(const std::vector<NamesToResolve>& wanted) {
  std::map<uint32_t, std::unique_ptr<Entry>> kept;
  for (const NamesToResolve& names : wanted) {
    auto known = entries_.find(names.slot);
    if (known != entries_.end() && known->second->generation == names.generation) {
      kept.insert(entries_.extract(known));
      continue;
    }
    auto entry = std::make_unique<Entry>();
    entry->generation = names.generation;
    entry->settings = names.settings;
    entry->wire = names.wire;
    // What is known of the names that stay outlives a change of the others.
    if (known != entries_.end()) entry->addresses = std::move(known->second->addresses);
    std::erase_if(entry->addresses, [&](const auto& item) {
      return std::ranges::none_of(names.settings->forward.to,
                                  [&](const config::Address& address) { return address.host == item.first; });
    });
    kept[names.slot] = std::move(entry);
  }
  entries_ = std::move(kept);
  for (auto& [slot, entry] : entries_) {
    if (entry->task.valid()) continue;
    entry->task = keep(slot, *entry);
    entry->task.start();
  }
}

io::Task<> NameKeeper::keep(uint32_t slot, Entry& entry) {
  base::Duration retry = kRetryFirst;
  for (;;) {
    base::Duration again = io::kTtlMax;
    bool failed = false;
    for (const config::Address& address : entry.settings->forward.to) {
      if (literal_endpoint(address, entry.wire)) continue;
      auto resolved = co_await resolver_.resolve(address.host, loop_.now() + kLookupPatience);
      if (!resolved) {
        failed = true;
        spdlog::warn("service {}: {} cannot be resolved: {}", entry.settings->name, address.host,
                     resolved.error().detail);
        continue;
      }
      again = std::min(again, resolved->ttl);
      entry.addresses[address.host] = std::move(resolved->addresses);
    }
    take_endpoints(slot, entry);
    if (failed) {
      again = std::min(again, retry);
      retry = std::min(retry * 2, kRetryMax);
    } else {
      retry = kRetryFirst;
    }
    co_await io::sleep_for(loop_, again);
  }
}

void NameKeeper::take_endpoints(uint32_t slot, Entry& entry) {
  backends::EndpointList found;
  for (const config::Address& address : entry.settings->forward.to) {
    if (auto literal = literal_endpoint(address, entry.wire)) {
      found.push_back(std::move(*literal));
      continue;
    }
    auto known = entry.addresses.find(address.host);
    if (known == entry.addresses.end()) continue;
    // A name often has one address of each family for the same backend, and `localhost` nearly always: IPv4
    // alone is used where there is any, so that one backend is not two endpoints.
    bool any_v4 = std::ranges::any_of(known->second, [](const base::IpAddress& ip) { return !ip.v6; });
    for (const base::IpAddress& ip : known->second) {
      if (!ip.v6 || !any_v4) found.push_back(resolved_endpoint(address, ip, entry.wire));
    }
  }
  if (!found.empty() && !same_endpoints(entry.endpoints, found)) {
    entry.endpoints = std::make_shared<const backends::EndpointList>(std::move(found));
    publisher_.publish_endpoints(
        {.slot = slot, .generation = entry.generation, .endpoints = entry.endpoints});
  } else if (entry.endpoints == nullptr) {
    publisher_.publish_endpoints({.slot = slot, .generation = entry.generation, .endpoints = nullptr});
  }
}

backends::EndpointListPtr NameKeeper::endpoints_of(uint32_t slot) const {
  auto found = entries_.find(slot);
  return found == entries_.end() ? nullptr : found->second->endpoints;
}

}  // namespace control
