// The keys that session tickets are sealed with. They live outside any context, so that resumption survives
// certificate swaps and reloads; the control thread rotates them, every worker reads them in its handshakes,
// without a lock. Tickets sealed with a key that has been rotated out are refused, and forward secrecy of
// TLS 1.2 sessions is as good as the rotation.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "crypto/random.h"

namespace tls {

// RFC 5077 §4: AES-256-CBC, then HMAC-SHA256.
struct TicketKey {
  std::array<uint8_t, 16> name{};
  std::array<uint8_t, 32> cipher{};
  std::array<uint8_t, 32> mac{};
  TicketKey() = default;
  TicketKey(const TicketKey&) = default;
  TicketKey& operator=(const TicketKey&) = default;
  ~TicketKey();  // wipes
};

class TicketKeys {
 public:
  // The newest seals; it and those before it open. With hourly rotation a ticket lives two to three hours.
  static constexpr size_t kKept = 3;

  explicit TicketKeys(crypto::RandomSource& random);
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;
  ~TicketKeys();

  // One thread only, the control thread.
  void rotate(crypto::RandomSource& random);

  // Any thread.
  TicketKey current() const;
  struct Found {
    TicketKey key;
    bool newest = false;
  };
  std::optional<Found> find(const uint8_t* name) const;  // 16 bytes

 private:
  static constexpr size_t kWords = kKept * sizeof(TicketKey) / sizeof(uint64_t);
  using Keys = std::array<TicketKey, kKept>;
  Keys load() const;
  void store(const Keys& keys);

  Keys keys_;  // the control thread's own copy, newest first; unused ones have the name zero
  // A sequence lock over words: odd while it is being written. Readers that meet a rotation read again.
  std::atomic<uint32_t> sequence_{0};
  std::array<std::atomic<uint64_t>, kWords> words_{};
};

}  // namespace tls
