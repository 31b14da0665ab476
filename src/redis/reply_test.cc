#include "redis/reply.h"

#include <optional>

namespace redis {
namespace {

using Kind = Reply::Kind;

std::string show(const Reply& reply) {
  switch (reply.kind) {
    case Kind::nil:
      return "nil";
    case Kind::integer:
      return std::to_string(reply.integer);
    case Kind::text:
      return "'" + reply.text + "'";
    case Kind::error:
      return "!" + reply.text;
    case Kind::list:
      break;
  }
  std::string out = "[";
  for (const Reply& item : reply.list) out += (out.size() > 1 ? " " : "") + show(item);
  return out + "]";
}

// The replies, then "…" when more is awaited or why there can be none.
std::string read(std::string_view bytes, size_t piece) {
  ReplyReader reader;
  std::string out;
  while (!bytes.empty()) {
    reader.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      auto reply = reader.next();
      if (!reply) return out + reply.error();
      if (!*reply) break;
      out += show(**reply) + " ";
    }
  }
  return out;
}

TEST(Reply, WholeAndInPieces) {
  struct {
    const char* name;
    std::string bytes;
    std::string expected;
  } cases[] = {
      {"status", "+OK\r\n", "'OK' "},
      {"text with anything in it", std::string("$4\r\n\r\n\0x\r\n", 10), std::string("'\r\n\0x' ", 7)},
      {"empty text", "$0\r\n\r\n", "'' "},
      {"nothing", "$-1\r\n*-1\r\n", "nil nil "},
      {"integer", ":-7\r\n", "-7 "},
      {"error", "-ERR no\r\n", "!ERR no "},
      {"list", "*3\r\n:1\r\n*0\r\n*2\r\n$1\r\na\r\n$-1\r\n", "[1 [] ['a' nil]] "},
      {"error in a list", "*1\r\n-ERR x\r\n", "[!ERR x] "},
      {"several", "+a\r\n:1\r\n+b\r\n", "'a' 1 'b' "},
      {"cut", "+a\r\n$5\r\nabc", "'a' "},
      {"HTTP", "HTTP/1.1 400 Bad Request\r\n", "what answers does not speak the protocol of Redis"},
      {"behind what is good", "+a\r\nx", "'a' what answers does not speak the protocol of Redis"},
      {"too deep", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
       "what answers does not speak the protocol of Redis"},
      {"a length that overflows", "*9223372036854775807\r\n",
       "what answers does not speak the protocol of Redis"},
      {"too many items", "*65537\r\n", "a reply is larger than the gate takes"},
      {"too many items in all",
       "*2\r\n*40000\r\n" +
           [] {
             std::string items;
             for (int i = 0; i < 40'000; ++i) items += ":1\r\n";
             return items;
           }() +
           "*40000\r\n",
       "a reply is larger than the gate takes"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(read(c.bytes, c.bytes.size()), c.expected);
    if (c.bytes.size() < 1000) {
      for (size_t piece = 1; piece < c.bytes.size(); ++piece) EXPECT_EQ(read(c.bytes, piece), c.expected);
    }
  }
}

TEST(Reply, AsMuchAsIsAllowedAndNoMore) {
  std::string text(kReplyBytesMax, 'x');
  std::string head = "$" + std::to_string(text.size()) + "\r\n";
  EXPECT_EQ(read(head + text + "\r\n", 1 << 20), "'" + text + "' ");
  // What never ends is not waited for.
  EXPECT_EQ(read("$536870912\r\n" + text + text, 1 << 20), "a reply is larger than the gate takes");
  EXPECT_EQ(read("+" + text + text, 1 << 20), "a reply is larger than the gate takes");
  EXPECT_EQ(read("*2\r\n" + head + text + "\r\n$1\r\nx\r\n", 1 << 20),
            "a reply is larger than the gate takes");
}

TEST(Reply, Commands) {
  std::string out;
  append_command(out, {"SET", std::string("a\0b", 3), ""});
  append_command(out, {"PING"});
  EXPECT_EQ(out, std::string("*3\r\n$3\r\nSET\r\n$3\r\na") + '\0' + "b\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n");
}

}  // namespace
}  // namespace redis
