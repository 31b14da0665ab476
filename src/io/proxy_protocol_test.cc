#include "io/proxy_protocol.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace io {
namespace {

using Kind = ProxyHeader::Kind;
using std::string_view_literals::operator""sv;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

// "kind source destination size", or "more", or "refused: why".
std::string tell(std::string_view prefix) {
  ProxyHeader header;
  const auto parsed = parse_proxy_header(prefix, header);
  if (!parsed) {
    EXPECT_EQ(parsed.error().reason, base::Reason::http_request_error);
    EXPECT_EQ(parsed.error().side, base::Side::client);
    return std::string("refused: ") + parsed.error().detail;
  }
  if (!*parsed) return "more";
  const std::string size = " " + std::to_string(header.size);
  if (header.kind == Kind::local) return "local" + size;
  if (header.kind == Kind::unknown) return "unknown" + size;
  return format_address(header.source) + " " + format_address(header.destination) + size;
}

// The outcome of bytes, the same however many of them have come: "more" up to where it is decided, then that.
std::string tell_growing(const std::string& bytes) {
  const std::string whole = tell(bytes);
  std::string seen = "more";
  for (size_t size = 0; size <= bytes.size(); ++size) {
    // A copy to the byte, so that a sanitizer sees a read past it.
    const std::vector<char> exact(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const std::string now = tell({exact.data(), exact.size()});
    if (seen != "more") EXPECT_EQ(now, seen) << base::hex_encode(bytes) << " at " << size;
    seen = now;
  }
  EXPECT_EQ(seen, whole);
  return whole;
}

std::string v2(uint8_t command, uint8_t family, std::string_view body) {
  std::string out = kSignature;
  for (size_t byte : {size_t{command}, size_t{family}, body.size() >> 8, body.size() & 255}) {
    out += static_cast<char>(byte);
  }
  return out.append(body);
}

std::string tlv(uint8_t type, std::string_view value) {
  std::string out;
  for (size_t byte : {size_t{type}, value.size() >> 8, value.size() & 255}) out += static_cast<char>(byte);
  return out.append(value);
}

const std::string kV4("\x0A\x00\x00\x01\xC0\xA8\x00\x0B\xDC\x04\x01\xBB", 12);
const std::string kV6 = *base::hex_decode(
    "20010db8000000000000000000000001"
    "20010db80000000000000000000000ff0001ffff");
constexpr std::string_view kV4Told = "10.0.0.1:56324 192.168.0.11:443 ";

TEST(ProxyProtocol, LinesRead) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1:56324 192.168.0.11:443 47"},
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
       "255.255.255.255:65535 255.255.255.255:65535 56"},
      {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0 0.0.0.0:0 32"},
      {"PROXY TCP6 2001:db8::1 2001:DB8::ff 1 65535\r\n", "[2001:db8::1]:1 [2001:db8::ff]:65535 45"},
      {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
       "65535\r\n",
       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 104"},
      {"PROXY TCP6 ::ffff:a00:1 ::ffff:10.0.0.2 1 2\r\n", "10.0.0.1:1 10.0.0.2:2 45"},
      {"PROXY UNKNOWN\r\n", "unknown 15"},
      {"PROXY UNKNOWN \r\n", "unknown 16"},
      {"PROXY UNKNOWN whatever stands here\r\n", "unknown 36"},
      {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
       "65535\r\n",
       "unknown 107"},
  };
  for (const auto& [line, told] : cases) {
    EXPECT_EQ(tell_growing(std::string(line)), told) << line;
    EXPECT_EQ(tell_growing(std::string(line) + "GET / HTTP/1.1\r\n"), told) << line;
  }
}

TEST(ProxyProtocol, LinesRefused) {
  const std::string_view address = "refused: an address of the PROXY line is malformed";
  const std::string_view port = "refused: a port of the PROXY line is malformed";
  const std::string_view protocol = "refused: the PROXY line names no known protocol";
  const std::string_view crlf = "refused: the PROXY line does not end in CRLF";
  const std::string_view start = "refused: the connection does not begin with a PROXY header";
  const std::string_view too_long = "refused: the PROXY line is too long";
  const std::pair<std::string, std::string_view> cases[] = {
      {"GET / HTTP/1.1\r\n", start},
      {"POST / HTTP/1.1\r\n", start},
      {"proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n", start},
      {" PROXY UNKNOWN\r\n", start},
      {"PROXY\r\n", start},
      {"PROXYUNKNOWN\r\n", start},
      {"\x16\x03\x01", start},
      {"PROXY \r\n", protocol},
      {"PROXY TCP4\r\n", protocol},
      {"PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n", protocol},
      {"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", protocol},
      {"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", protocol},
      {"PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", protocol},
      {"PROXY UNKNOWNS\r\n", protocol},
      {"PROXY TCP4 1.1.1.1\r\n", address},
      {"PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", address},
      {"PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", address},
      {"PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n", address},
      {"PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n", address},
      {"PROXY TCP4 1.1.1.1 2.2.2.2.2 1 2\r\n", address},
      {"PROXY TCP4 ::1 ::2 1 2\r\n", address},
      {"PROXY TCP4 ::ffff:1.1.1.1 2.2.2.2 1 2\r\n", address},
      {"PROXY TCP4 localhost 2.2.2.2 1 2\r\n", address},
      {"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", address},
      {"PROXY TCP6 ::1 2.2.2.2 1 2\r\n", address},
      {"PROXY TCP6 ::1::2 ::2 1 2\r\n", address},
      {"PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n", address},
      {"PROXY TCP6 [::1] ::2 1 2\r\n", address},
      {std::string("PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n", 34), address},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2  1 2\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 00 2\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 99999999999999999999999\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 -2\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 0x2\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", crlf},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rX", crlf},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\r\n", crlf},
      {"PROXY UNKNOWN a\rb\r\n", crlf},
      {"PROXY UNKNOWN " + std::string(92, 'x') + "\r\n", too_long},
      {"PROXY UNKNOWN " + std::string(500, 'x'), too_long},
  };
  for (const auto& [line, told] : cases) EXPECT_EQ(tell_growing(line), told) << line;
  EXPECT_EQ(tell_growing("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n"), "unknown 107");
}

TEST(ProxyProtocol, BinaryRead) {
  std::string unix_paths = "/run/a.sock" + std::string(97, '\0') + std::string(108, 'b');
  const std::pair<std::string, std::string> cases[] = {
      {v2(0x21, 0x11, kV4), std::string(kV4Told) + "28"},
      {v2(0x21, 0x21, kV6), "[2001:db8::1]:1 [2001:db8::ff]:65535 52"},
      {v2(0x21, 0x21,
          *base::hex_decode("00000000000000000000ffff0a000001"
                            "00000000000000000000ffff0a00000200010002")),
       "10.0.0.1:1 10.0.0.2:2 52"},
      {v2(0x21, 0x31, unix_paths), "unix:/run/a.sock unix:" + std::string(108, 'b') + " 232"},
      {v2(0x21, 0x31, std::string(216, '\0')), "unix: unix: 232"},
      {v2(0x20, 0x00, ""), "local 16"},
      {v2(0x20, 0x11, kV4), "local 28"},
      {v2(0x20, 0xFF, "anything"), "local 24"},
      {v2(0x21, 0x00, ""), "unknown 16"},
      {v2(0x21, 0x00, "x"), "unknown 17"},
      {v2(0x21, 0x12, kV4), "unknown 28"},
      {v2(0x21, 0x22, kV6), "unknown 52"},
      {v2(0x21, 0x32, unix_paths), "unknown 232"},
      {v2(0x21, 0x10, kV4), "unknown 28"},
      {v2(0x21, 0x01, kV4), "unknown 28"},
      {v2(0x21, 0x11, kV4 + tlv(4, "")), std::string(kV4Told) + "31"},
      {v2(0x21, 0x11, kV4 + tlv(1, "h2") + tlv(2, "api.example.com") + tlv(0xEA, "\x01vpce-1")),
       std::string(kV4Told) + "61"},
      {v2(0x21, 0x11, kV4 + tlv(4, std::string(4065, 'x'))), std::string(kV4Told) + "4096"},
  };
  for (const auto& [bytes, told] : cases) {
    EXPECT_EQ(tell_growing(bytes), told) << base::hex_encode(bytes);
    EXPECT_EQ(tell(bytes + "GET / HTTP/1.1\r\n"), told) << base::hex_encode(bytes);
  }
}

TEST(ProxyProtocol, BinaryRefused) {
  const std::string_view start = "refused: the connection does not begin with a PROXY header";
  const std::string_view version = "refused: the PROXY header's version is not 2";
  const std::string_view command = "refused: the PROXY header's command is not known";
  const std::string_view family = "refused: the PROXY header's address family is not known";
  const std::string_view too_short = "refused: the PROXY header is too short for its addresses";
  const std::string_view cut = "refused: a TLV of the PROXY header is cut short";
  const std::string_view overrun = "refused: a TLV of the PROXY header is longer than the header";
  const std::string_view too_long = "refused: the PROXY header is too long";
  const std::pair<std::string, std::string_view> cases[] = {
      {std::string("\r\n\r\n\0\r\nQUIT\r\n", 13), start},
      {"\r\n\r\nGET / HTTP/1.1\r\n", start},
      {v2(0x11, 0x11, kV4), version},
      {v2(0x31, 0x11, kV4), version},
      {v2(0x22, 0x11, kV4), command},
      {v2(0x2F, 0x11, kV4), command},
      {v2(0x21, 0x41, kV4), family},
      {v2(0x21, 0x13, kV4), family},
      {v2(0x21, 0x11, kV4.substr(0, 11)), too_short},
      {v2(0x21, 0x11, ""), too_short},
      {v2(0x21, 0x21, kV4), too_short},
      {v2(0x21, 0x31, std::string(215, 'a')), too_short},
      {v2(0x21, 0x11, kV4 + "\x04"), cut},
      {v2(0x21, 0x11, kV4 + std::string("\x04\x00", 2)), cut},
      {v2(0x21, 0x11, kV4 + std::string("\x04\x00\x01", 3)), overrun},
      {v2(0x21, 0x11, kV4 + tlv(4, "") + "\xFF\xFF\xFF"), overrun},
      {v2(0x21, 0x11, kV4 + tlv(4, std::string(4066, 'x'))), too_long},
      {v2(0x20, 0x00, std::string(4081, 'x')), too_long},
  };
  for (const auto& [bytes, told] : cases) EXPECT_EQ(tell_growing(bytes), told) << base::hex_encode(bytes);
}

// RFC 3720 B.4's check value, computed here bit by bit so that the table under test is not its own judge.
uint32_t slow_crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
  }
  return ~crc;
}

std::string with_crc(std::string header) {
  const std::string zeros = tlv(3, std::string(4, '\0'));
  const size_t at = header.find(zeros, 16) + 3;
  const uint32_t crc = slow_crc32c(header);
  for (size_t i = 0; i < 4; ++i) header[at + i] = static_cast<char>(crc >> (24 - 8 * i));
  return header;
}

TEST(ProxyProtocol, ChecksumIsChecked) {
  ASSERT_EQ(slow_crc32c("123456789"), 0xE3069283u);
  const std::string zeros = tlv(3, std::string(4, '\0'));
  for (const std::string& header :
       {with_crc(v2(0x21, 0x11, kV4 + zeros)),
        with_crc(v2(0x21, 0x11, kV4 + tlv(4, "pad") + zeros + tlv(2, "a.example")))}) {
    ASSERT_TRUE(tell_growing(header).starts_with(kV4Told));
    const size_t type_at = header.find("\x03\0\4"sv, 16);
    for (size_t at = 16; at < header.size(); ++at) {
      if (at == type_at) continue;  // then it is no checksum any more
      std::string bent = header;
      bent[at] ^= 0x10;
      EXPECT_TRUE(tell(bent).starts_with("refused")) << at;
    }
  }
  EXPECT_EQ(tell(v2(0x21, 0x11, kV4 + zeros)), "refused: the PROXY header's checksum does not match");
  EXPECT_EQ(tell(v2(0x21, 0x11, kV4 + tlv(3, "abc"))), "refused: the PROXY header's checksum is malformed");
  EXPECT_TRUE(tell(v2(0x21, 0x11, kV4 + zeros + zeros)).starts_with("refused: the PROXY header's checksum"));
}

TEST(ProxyProtocol, WrittenAndReadBack) {
  const auto ip = [](std::string_view text, uint16_t port) {
    return Address{.ip = *base::parse_ip(text), .port = port};
  };
  const auto unix_path = [](std::string path) {
    return Address{.kind = Address::Kind::unix_path, .path = std::move(path)};
  };
  struct Case {
    ProxyHeader header;
    std::string_view line;    // version 1, without CRLF
    std::string_view binary;  // version 2 as it is read
  } const cases[] = {
      {{.kind = Kind::proxied, .source = ip("10.0.0.1", 56324), .destination = ip("192.168.0.11", 443)},
       "PROXY TCP4 10.0.0.1 192.168.0.11 56324 443",
       "10.0.0.1:56324 192.168.0.11:443 28"},
      {{.kind = Kind::proxied, .source = ip("2001:db8::1", 0), .destination = ip("::1", 65535)},
       "PROXY TCP6 2001:db8::1 ::1 0 65535",
       "[2001:db8::1]:0 [::1]:65535 52"},
      {{.kind = Kind::proxied, .source = ip("10.1.2.3", 1), .destination = ip("::1", 2)},
       "PROXY TCP6 ::ffff:a01:203 ::1 1 2",
       "10.1.2.3:1 [::1]:2 52"},
      {{.kind = Kind::proxied, .source = ip("2001:db8::1", 1), .destination = ip("10.0.0.0", 2)},
       "PROXY TCP6 2001:db8::1 ::ffff:a00:0 1 2",
       "[2001:db8::1]:1 10.0.0.0:2 52"},
      {{.kind = Kind::proxied, .source = unix_path("/a"), .destination = unix_path(std::string(108, 'b'))},
       "PROXY UNKNOWN",
       "unix:/a "
       "unix:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
       "bbbbbbbbbbbbbbb 232"},
      {{.kind = Kind::proxied, .source = unix_path(""), .destination = unix_path(std::string(109, 'b'))},
       "PROXY UNKNOWN",
       "unknown 16"},
      {{.kind = Kind::proxied, .source = unix_path("/a"), .destination = ip("::1", 2)},
       "PROXY UNKNOWN",
       "unknown 16"},
      {{.kind = Kind::local, .source = {}, .destination = {}}, "PROXY UNKNOWN", "local 16"},
      {{.kind = Kind::unknown, .source = {}, .destination = {}}, "PROXY UNKNOWN", "unknown 16"},
  };
  for (const Case& c : cases) {
    char out[kProxyHeaderWrittenMax];
    ProxyHeader header = c.header;
    header.version = ProxyVersion::v1;
    size_t size = write_proxy_header(header, out);
    EXPECT_EQ(std::string_view(out, size), std::string(c.line) + "\r\n");
    EXPECT_TRUE(tell({out, size}).ends_with(" " + std::to_string(size))) << tell({out, size});
    for (size_t room = 0; room < size; ++room) EXPECT_EQ(write_proxy_header(header, {out, room}), 0u);
    header.version = ProxyVersion::v2;
    size = write_proxy_header(header, out);
    EXPECT_EQ(tell({out, size}), c.binary);
    for (size_t room = 0; room < size; ++room) EXPECT_EQ(write_proxy_header(header, {out, room}), 0u);
  }
}

}  // namespace
}  // namespace io
