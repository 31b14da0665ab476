#include "access/revocations.h"

#include <algorithm>

#include "access/packed.h"

namespace auth {
namespace {

constexpr uint64_t kForm = 1;

}  // namespace

std::string encode_revocation(const Revocation& revocation) {
  Packer packer;
  packer.add_number(kForm);
  packer.add_number(static_cast<uint64_t>(revocation.by));
  packer.add_text(revocation.provider);
  packer.add_text(revocation.name);
  packer.add_number(static_cast<uint64_t>(revocation.before.ns));
  packer.add_number(static_cast<uint64_t>(revocation.until.ns));
  return packer.take();
}

std::optional<Revocation> decode_revocation(std::string_view text) {
  Unpacker unpacker(text);
  if (unpacker.take_number() != kForm) return std::nullopt;
  const uint64_t by = unpacker.take_number();
  if (by > static_cast<uint64_t>(RevokedBy::subject)) return std::nullopt;
  Revocation revocation{.by = static_cast<RevokedBy>(by)};
  revocation.provider = unpacker.take_text();
  revocation.name = unpacker.take_text();
  revocation.before.ns = static_cast<int64_t>(unpacker.take_number());
  revocation.until.ns = static_cast<int64_t>(unpacker.take_number());
  if (!unpacker.complete()) return std::nullopt;
  return revocation;
}

void Revocations::add(const Revocation& revocation) {
  Times& times = map_[{revocation.by, revocation.provider, revocation.name}];
  const Times known = times;
  times.before = std::max(known.before, revocation.before);
  times.until = std::max(known.until, revocation.until);
  if (times != known) ++version_;
}

bool Revocations::covers(const Session& session, std::string_view subject) const {
  if (map_.empty()) return false;
  // An id is of one login only, whatever the clocks of two gates say of its time.
  if (map_.contains(View{RevokedBy::session, session.provider, session.id})) return true;
  const auto signed_in_before = [&](RevokedBy by, std::string_view name) {
    const auto found = map_.find(View{by, session.provider, name});
    return found != map_.end() && session.signed_in <= found->second.before;
  };
  return signed_in_before(RevokedBy::subject, subject) ||
         (!session.provider_session.empty() &&
          signed_in_before(RevokedBy::provider_session, session.provider_session));
}

void Revocations::forget_passed(base::WallTime now) {
  std::erase_if(map_, [&](const auto& entry) { return entry.second.until <= now; });
}

}  // namespace auth
