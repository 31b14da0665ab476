#include "access/sealer.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "access/packed.h"
#include "base/bytes.h"

namespace auth {
namespace {

std::string pack(const Sealer::Binding& binding) {
  Packer packer;
  packer.add_text(binding.purpose);
  packer.add_text(binding.provider);
  packer.add_text(binding.host);
  return packer.take();
}

}  // namespace

Sealer::Sealer(const std::vector<crypto::AeadKey>& keys) {
  static std::atomic<uint64_t> last_serial{0};
  serial_ = last_serial.fetch_add(1, std::memory_order_relaxed) + 1;
  if (keys.empty()) std::abort();
  for (const crypto::AeadKey& key : keys) keys_.push_back({.id = key.id(), .key = key});
}

std::string Sealer::seal(std::string_view plain, const Binding& binding, crypto::RandomSource& random) const {
  const Key& first = keys_.front();
  std::string out(first.id.begin(), first.id.end());
  out += crypto::aead_seal(first.key, plain, pack(binding), random);
  return base::base64url_encode(out);
}

std::optional<std::string> Sealer::open(std::string_view sealed, const Binding& binding) const {
  const auto bytes = base::base64url_decode(sealed);
  KeyId id;
  if (!bytes || bytes->size() < id.size()) return std::nullopt;
  std::copy_n(bytes->begin(), id.size(), id.begin());
  const std::string additional = pack(binding);
  for (const Key& each : keys_) {
    if (each.id != id) continue;
    auto plain = crypto::aead_open(each.key, std::string_view(*bytes).substr(id.size()), additional);
    if (plain) return plain;
  }
  return std::nullopt;
}

}  // namespace auth
