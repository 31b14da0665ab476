// RESP2, the protocol of Redis and what is compatible with it: commands to bytes, bytes to replies. The
// grammar is hiredis's; the bounds are ours, so that a server, or whoever stands in its place, cannot make
// the gate take memory without end. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct redisReader;

namespace redis {

struct Reply {
  enum class Kind : uint8_t { nil, integer, text, error, list } kind = Kind::nil;
  int64_t integer = 0;
  std::string text;  // of text (a status too) and error
  std::vector<Reply> list;

  bool operator==(const Reply&) const = default;
};

// An error's text, short and printable: what a server says may be anything, and goes to a log.
std::string error_text(const Reply& reply);

using Command = std::vector<std::string>;  // {"GET", "key"}; any bytes

void append_command(std::string& out, const Command& command);

// Of one reply with all that is in it.
inline constexpr size_t kReplyBytesMax = 16 * 1024 * 1024;
inline constexpr size_t kReplyItemsMax = 64 * 1024;

class ReplyReader {
 public:
  ReplyReader();
  ~ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;

  void feed(std::string_view bytes);
  // nullopt: not all of it has come. The error is a sentence, and the connection's end: nothing behind it can
  // be understood.
  std::expected<std::optional<Reply>, std::string> next();

 private:
  struct Making;  // the reply being read, where hiredis's callbacks find it
  std::unique_ptr<Making> making_;
  redisReader* reader_;
};

}  // namespace redis
