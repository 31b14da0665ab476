#include "tls/ticket_keys.h"

#include <openssl/crypto.h>

#include <cstring>

namespace tls {

static_assert(sizeof(TicketKey) == 80);

TicketKey::~TicketKey() { OPENSSL_cleanse(this, sizeof *this); }

TicketKeys::TicketKeys(crypto::RandomSource& random) { rotate(random); }

TicketKeys::~TicketKeys() {
  for (auto& word : words_) word.store(0, std::memory_order_relaxed);
}

void TicketKeys::rotate(crypto::RandomSource& random) {
  for (size_t i = kKept - 1; i > 0; --i) keys_[i] = keys_[i - 1];
  random.fill(keys_[0].name);
  random.fill(keys_[0].cipher);
  random.fill(keys_[0].mac);
  store(keys_);
}

void TicketKeys::store(const Keys& keys) {
  uint32_t sequence = sequence_.load(std::memory_order_relaxed);
  sequence_.store(sequence + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  for (size_t i = 0; i < kWords; ++i) {
    uint64_t word;
    std::memcpy(&word, reinterpret_cast<const char*>(&keys) + i * sizeof word, sizeof word);
    words_[i].store(word, std::memory_order_relaxed);
  }
  sequence_.store(sequence + 2, std::memory_order_release);
}

TicketKeys::Keys TicketKeys::load() const {
  Keys keys;
  for (;;) {
    uint32_t before = sequence_.load(std::memory_order_acquire);
    for (size_t i = 0; i < kWords; ++i) {
      uint64_t word = words_[i].load(std::memory_order_relaxed);
      std::memcpy(reinterpret_cast<char*>(&keys) + i * sizeof word, &word, sizeof word);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 == 0 && sequence_.load(std::memory_order_relaxed) == before) return keys;
  }
}

TicketKey TicketKeys::current() const { return load()[0]; }

std::optional<TicketKeys::Found> TicketKeys::find(const uint8_t* name) const {
  constexpr std::array<uint8_t, 16> kUnused{};
  Keys keys = load();
  for (size_t i = 0; i < kKept; ++i) {
    if (keys[i].name == kUnused || std::memcmp(keys[i].name.data(), name, kUnused.size()) != 0) continue;
    return Found{keys[i], i == 0};
  }
  return std::nullopt;
}

}  // namespace tls
