#include "tls/client_hello.h"

#include <optional>

namespace tls {
namespace {

std::string extension_of(std::string_view name) {
  std::string out;
  auto put16 = [&](size_t value) {
    out += static_cast<char>(value >> 8);
    out += static_cast<char>(value & 255);
  };
  put16(name.size() + 3);
  out += '\0';
  put16(name.size());
  return out.append(name);
}

std::optional<std::string> parsed(std::string_view bytes) {
  auto name = parse_server_name({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  if (!name) return std::nullopt;
  return std::string(*name);
}

TEST(ClientHello, ServerNames) {
  EXPECT_EQ(parsed(extension_of("a.example")), "a.example");
  EXPECT_EQ(parsed(extension_of("A_b-1.Example.")), "A_b-1.Example");
  EXPECT_EQ(parsed(extension_of(std::string(kServerNameMax, 'a'))), std::string(kServerNameMax, 'a'));
  const std::string refused[] = {
      "",
      extension_of(""),
      extension_of("."),
      extension_of(".a"),
      extension_of("a b"),
      extension_of("*.example"),
      extension_of(std::string("a\0b", 3)),
      extension_of("[::1]"),
      extension_of(std::string(kServerNameMax + 1, 'a')),
      extension_of("a.example") + "x",
  };
  for (const std::string& bytes : refused) EXPECT_EQ(parsed(bytes), std::nullopt) << bytes;
}

TEST(ClientHello, NothingIsReadBeyondTheEnd) {
  std::string whole = extension_of("a.example");
  for (size_t length = 0; length < whole.size(); ++length) {
    // On the heap and exactly as long, so that AddressSanitizer sees a step too far.
    std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_FALSE(parse_server_name(cut)) << length;
  }
  std::string other_type = whole;
  other_type[2] = 1;
  EXPECT_EQ(parsed(other_type), std::nullopt);
}

}  // namespace
}  // namespace tls
