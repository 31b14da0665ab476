// Recognising a header name: a perfect hash over its length and three characters picks the only candidate,
// then eight bytes at a time are compared, so that the codec pays a few nanoseconds a header.
#include "http/header_id.h"

#include <array>
#include <cstring>

namespace http {
namespace {

constexpr std::array kNames = {std::string_view(),
#define X(id, name) std::string_view(name),
                               GATEHOUSE_HEADERS(X)
#undef X
};
static_assert(kNames.size() <= 64, "HeaderIdSet has one bit an id");

constexpr size_t kNameMax = 32;  // a multiple of the eight bytes compared at once

// A table, since four tests a character are what a name mostly costs.
constexpr auto kFolded = [] {
  std::array<unsigned char, 256> table{};
  for (size_t c = 0; c < 256; ++c) table[c] = static_cast<unsigned char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  table['_'] = '-';
  return table;
}();

constexpr unsigned char fold(char c) { return kFolded[static_cast<unsigned char>(c)]; }

constexpr uint32_t slot_of(std::string_view name, uint32_t seed) {
  const size_t size = name.size();
  const uint32_t key = fold(name[0]) | static_cast<uint32_t>(fold(name[size - 1])) << 8 |
                       static_cast<uint32_t>(fold(name[size < 4 ? 0 : size - 4])) << 16 |
                       static_cast<uint32_t>(size) << 24;
  return key * seed >> 24;
}

constexpr bool separates(uint32_t seed) {
  std::array<bool, 256> taken{};
  for (size_t i = 1; i < kNames.size(); ++i) {
    const uint32_t slot = slot_of(kNames[i], seed);
    if (taken[slot]) return false;
    taken[slot] = true;
  }
  return true;
}

constexpr uint32_t find_seed() {
  uint32_t seed = 0x9E3779B1;
  for (int tries = 0; tries < 20000; ++tries) {
    if (separates(seed)) return seed;
    seed = (seed * 1664525 + 1013904223) | 1;
  }
  return 0;
}

constexpr uint32_t kSeed = find_seed();
static_assert(kSeed != 0, "no seed keeps the names apart: look at another character in slot_of");

// A name in lower case and, for each byte, the bit in which the other case may differ.
struct Entry {
  std::array<char, kNameMax> text{};
  std::array<char, kNameMax> case_bits{};
  uint8_t size = 0;
  HeaderId id = HeaderId::other;
};

constexpr auto kEntries = [] {
  std::array<Entry, kNames.size()> entries{};
  for (size_t i = 1; i < kNames.size(); ++i) {
    entries[i].size = static_cast<uint8_t>(kNames[i].size());
    entries[i].id = static_cast<HeaderId>(i);
    for (size_t at = 0; at < kNames[i].size(); ++at) {
      const char c = kNames[i][at];
      entries[i].text[at] = c;
      entries[i].case_bits[at] = c >= 'a' && c <= 'z' ? 0x20 : 0;
    }
  }
  return entries;
}();

constexpr auto kSlots = [] {
  std::array<uint8_t, 256> slots{};
  for (size_t i = 1; i < kNames.size(); ++i) slots[slot_of(kNames[i], kSeed)] = static_cast<uint8_t>(i);
  return slots;
}();

uint64_t load8(const char* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// size >= 8; the last eight bytes overlap those before, which costs less than a loop over the rest.
bool matches_words(const char* name, const Entry& entry) {
  const auto differs = [&](size_t at) {
    return (load8(name + at) ^ load8(&entry.text[at])) & ~load8(&entry.case_bits[at]);
  };
  const size_t last = entry.size - size_t{8};
  uint64_t difference = differs(last);
  for (size_t at = 0; at < last; at += 8) difference |= differs(at);
  return difference == 0;
}

bool matches_bytes(std::string_view name, const Entry& entry) {
  for (size_t i = 0; i < name.size(); ++i) {
    if (fold(name[i]) != static_cast<unsigned char>(entry.text[i])) return false;
  }
  return true;
}

}  // namespace

HeaderId find_header_id(std::string_view name) {
  if (name.empty() || name.size() > kNameMax) return HeaderId::other;
  const Entry& entry = kEntries[kSlots[slot_of(name, kSeed)]];
  if (entry.size != name.size()) return HeaderId::other;
  if (entry.size >= 8 && matches_words(name.data(), entry)) return entry.id;
  // Short, spelled with '_', or not the candidate after all.
  return matches_bytes(name, entry) ? entry.id : HeaderId::other;
}

std::string_view header_name(HeaderId id) { return kNames[static_cast<size_t>(id)]; }

}  // namespace http
