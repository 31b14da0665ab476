// Any bytes as what a Redis server sends: whole and in pieces the replies are the same, and within bounds.
// The first byte says how to cut.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "redis/reply.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

size_t items_of(const redis::Reply& reply) {
  size_t count = reply.list.size();
  for (const redis::Reply& item : reply.list) count += items_of(item);
  return count;
}

struct Outcome {
  std::vector<redis::Reply> replies;
  bool failed = false;
  bool operator==(const Outcome&) const = default;
};

Outcome read_in_pieces(std::string_view bytes, size_t piece) {
  redis::ReplyReader reader;
  Outcome outcome;
  while (!bytes.empty()) {
    std::string_view part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    reader.feed(part);
    for (;;) {
      auto reply = reader.next();
      if (!reply) {
        outcome.failed = true;
        return outcome;
      }
      if (!*reply) break;
      require(items_of(**reply) <= redis::kReplyItemsMax);
      outcome.replies.push_back(std::move(**reply));
    }
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  require(read_in_pieces(bytes, bytes.size()) == read_in_pieces(bytes, data[0] % 32 + 1));
  return 0;
}
