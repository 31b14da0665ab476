// Any bytes as a revocation that came from the store: one of its one form or none, and what is one covers the
// sessions it names.
#include <cstdlib>

#include "access/revocations.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto revocation = auth::decode_revocation(text);
  if (!revocation) return 0;
  require(auth::encode_revocation(*revocation) == text);
  auth::Revocations revocations;
  revocations.add(*revocation);
  auth::Session session;
  session.provider = revocation->provider;
  session.signed_in = std::max(revocation->before, base::WallTime{});
  session.id = session.provider_session = revocation->name;
  const bool unnamed = revocation->by == auth::RevokedBy::provider_session && revocation->name.empty();
  require(revocations.covers(session, revocation->name) == !unnamed);
  session.provider += 'x';
  require(!revocations.covers(session, revocation->name));
  return 0;
}
