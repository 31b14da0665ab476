#include "access/identity.h"

#include <algorithm>
#include <atomic>

namespace auth {
namespace {

size_t memory_bytes(const std::vector<std::string>& list) {
  size_t bytes = list.capacity() * sizeof(std::string);
  for (const std::string& item : list) bytes += item.capacity();
  return bytes;
}

}  // namespace

bool is_clean(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

IdentityPtr make_identity(Identity identity) {
  static std::atomic<uint64_t> last_serial{0};
  identity.serial = last_serial.fetch_add(1, std::memory_order_relaxed) + 1;
  return std::make_shared<const Identity>(std::move(identity));
}

size_t memory_bytes(const Identity& identity) {
  return sizeof(Identity) + identity.provider.capacity() + identity.subject.capacity() +
         identity.email.capacity() + identity.preferred_username.capacity() + identity.session_id.capacity() +
         identity.credential_id.capacity() + memory_bytes(identity.groups) + memory_bytes(identity.scopes) +
         identity.claims.memory_bytes();
}

}  // namespace auth
