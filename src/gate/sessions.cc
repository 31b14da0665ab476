#include "gate/sessions.h"

#include <algorithm>

namespace gate {
namespace {

// Every request made at about the time of a renewal still brings the old cookie; after this long a browser
// has long had the new one, unless it was closed meanwhile.
constexpr base::Duration kRenewedKept = base::seconds(600);
constexpr base::Duration kSweepInterval = base::seconds(10);

}  // namespace

void Sessions::put_renewed(RenewedSession renewed, base::WallTime now) {
  if (by_id_.size() >= kRenewedMax && !by_id_.contains(renewed.session->id)) {
    forget_passed(now);
    if (by_id_.size() >= kRenewedMax) by_id_.erase(by_id_.begin());
  }
  Entry& entry = by_id_[renewed.session->id];
  if (entry.renewed.session != nullptr && entry.renewed.session->version >= renewed.session->version) return;
  entry.until = {now.ns + kRenewedKept.ns};
  entry.renewed = std::move(renewed);
}

const RenewedSession* Sessions::newer_than(const auth::Session& session) const {
  if (by_id_.empty()) return nullptr;
  auto found = by_id_.find(session.id);
  if (found == by_id_.end() || found->second.renewed.session == nullptr) return nullptr;
  const RenewedSession& renewed = found->second.renewed;
  return renewed.session->version > session.version ? &renewed : nullptr;
}

bool Sessions::may_ask_renewal(const auth::Session& session, base::WallTime now) {
  if (by_id_.size() >= kRenewedMax && !by_id_.contains(session.id)) return true;
  Entry& entry = by_id_[session.id];
  if (now.ns - entry.asked.ns < kAskAgain.ns) return false;
  entry.asked = now;
  entry.until = std::max(entry.until, base::WallTime{now.ns + kAskAgain.ns});
  return true;
}

void Sessions::put_issuer(std::string provider, IssuerMetadataPtr metadata) {
  auto known = std::ranges::find(issuers_, provider, &std::pair<std::string, IssuerMetadataPtr>::first);
  if (known != issuers_.end()) {
    known->second = std::move(metadata);
  } else {
    issuers_.emplace_back(std::move(provider), std::move(metadata));
  }
}

IssuerMetadataPtr Sessions::issuer(std::string_view provider) const {
  for (const auto& [name, metadata] : issuers_) {
    if (name == provider) return metadata;
  }
  return nullptr;
}

void Sessions::forget_passed(base::WallTime now) {
  if (now.ns - swept_.ns < kSweepInterval.ns) return;
  swept_ = now;
  std::erase_if(by_id_, [now](const auto& item) { return item.second.until < now; });
  revocations_.forget_passed(now);
}

}  // namespace gate
