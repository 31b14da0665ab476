#include "io/proxy_protocol.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/bytes.h"

namespace io {
namespace {

using Kind = ProxyHeader::Kind;
using std::string_view_literals::operator""sv;

constexpr std::string_view kLineStart = "PROXY ";
constexpr std::string_view kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr size_t kFixedBytes = 16;  // signature, version and command, family and protocol, length
constexpr size_t kUnixPathBytes = 108;
constexpr size_t kTlvHeaderBytes = 3;
constexpr uint8_t kTlvCrc32c = 0x03;

enum : uint8_t { kCommandLocal = 0x20, kCommandProxy = 0x21 };
enum : uint8_t { kUnspec = 0x00, kTcp4 = 0x11, kTcp6 = 0x21, kUnixStream = 0x31 };

std::unexpected<base::Error> malformed(const char* detail) {
  return base::client_error(base::Reason::http_request_error, detail);
}

uint8_t byte_at(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }
uint16_t number_at(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

bool agrees(std::string_view prefix, std::string_view start) {
  const size_t size = std::min(prefix.size(), start.size());
  return prefix.substr(0, size) == start.substr(0, size);
}

// --- Version 1 ---------------------------------------------------------------------------------------------

// The line without its CRLF; nullopt while that is to come.
base::Result<std::optional<std::string_view>> find_line(std::string_view prefix) {
  const std::string_view bounded = prefix.substr(0, kProxyLineBytesMax);
  const size_t end = bounded.find_first_of("\r\n");
  const bool cut_by_bound = prefix.size() >= kProxyLineBytesMax;
  if (end == std::string_view::npos || (bounded[end] == '\r' && end + 1 == bounded.size())) {
    if (cut_by_bound) return malformed("the PROXY line is too long");
    return std::nullopt;
  }
  if (bounded[end] == '\n' || bounded[end + 1] != '\n')
    return malformed("the PROXY line does not end in CRLF");
  return bounded.substr(0, end);
}

// Up to the next space, which is taken too; the last field has none.
std::optional<std::string_view> take_field(std::string_view& line) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view field = line.substr(0, space);
  line.remove_prefix(space + 1);
  return field;
}

std::optional<uint16_t> parse_port(std::string_view digits) {
  if (digits.size() > 5 || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
  const auto number = base::parse_unsigned(digits);
  if (!number || *number > 65535) return std::nullopt;
  return static_cast<uint16_t>(*number);
}

enum class Family : uint8_t { v4, v6 };

bool parse_line_address(std::string_view text, Family family, Address& into) {
  const bool has_colon = text.find(':') != std::string_view::npos;
  if (has_colon != (family == Family::v6)) return false;
  const auto ip = base::parse_ip(text);
  if (ip) into.ip = *ip;
  return ip.has_value();
}

base::Result<bool> parse_line(std::string_view prefix, ProxyHeader& into) {
  const auto found = find_line(prefix);
  if (!found) return std::unexpected(found.error());
  if (!*found) return false;
  std::string_view line = **found;
  into.version = ProxyVersion::v1;
  into.size = line.size() + 2;
  line.remove_prefix(kLineStart.size());
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) {
    into.kind = Kind::unknown;
    return true;
  }
  const auto protocol = take_field(line);
  if (protocol != "TCP4" && protocol != "TCP6") return malformed("the PROXY line names no known protocol");
  const Family family = protocol == "TCP6" ? Family::v6 : Family::v4;
  for (Address* address : {&into.source, &into.destination}) {
    const auto text = take_field(line);
    if (!text || !parse_line_address(*text, family, *address)) {
      return malformed("an address of the PROXY line is malformed");
    }
  }
  const auto source_port = parse_port(take_field(line).value_or(""));
  const auto destination_port = parse_port(line);
  if (!source_port || !destination_port) return malformed("a port of the PROXY line is malformed");
  into.source.port = *source_port;
  into.destination.port = *destination_port;
  into.kind = Kind::proxied;
  return true;
}

// --- Version 2 ---------------------------------------------------------------------------------------------

// RFC 3720 appendix B.4, reflected; once a connection at most, so a table of 256 is fast enough.
constexpr auto kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
    table[i] = crc;
  }
  return table;
}();

uint32_t crc32c(uint32_t crc, std::string_view bytes) {
  for (char c : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xFF];
  return crc;
}

// The checksum is over the header with the four bytes of its own value at zero.
bool matches_crc(std::string_view header, size_t value_at) {
  uint32_t crc = crc32c(~uint32_t{0}, header.substr(0, value_at));
  crc = crc32c(crc, "\0\0\0\0"sv);
  crc = ~crc32c(crc, header.substr(value_at + 4));
  const uint32_t sent = uint32_t{number_at(header, value_at)} << 16 | number_at(header, value_at + 2);
  return crc == sent;
}

// nullptr, or what is wrong with the TLVs, which are header from `at` on.
const char* check_tlvs(std::string_view header, size_t at) {
  bool has_crc = false;
  while (at < header.size()) {
    if (header.size() - at < kTlvHeaderBytes) return "a TLV of the PROXY header is cut short";
    const uint8_t type = byte_at(header, at);
    const size_t length = number_at(header, at + 1);
    at += kTlvHeaderBytes;
    if (header.size() - at < length) return "a TLV of the PROXY header is longer than the header";
    if (type == kTlvCrc32c) {
      if (has_crc || length != 4) return "the PROXY header's checksum is malformed";
      if (!matches_crc(header, at)) return "the PROXY header's checksum does not match";
      has_crc = true;
    }
    at += length;
  }
  return nullptr;
}

void read_ip(std::string_view bytes, Address& into) {
  constexpr auto kMapped = "\0\0\0\0\0\0\0\0\0\0\xFF\xFF"sv;
  if (bytes.starts_with(kMapped)) bytes.remove_prefix(kMapped.size());
  std::memcpy(into.ip.bytes.data(), bytes.data(), bytes.size());
  into.ip.v6 = bytes.size() == 16;
}

void read_unix(std::string_view bytes, Address& into) {
  into.kind = Address::Kind::unix_path;
  into.path.assign(bytes.substr(0, bytes.find('\0')));
}

size_t address_bytes(uint8_t family) {
  switch (family) {
    case kTcp4:
      return 4;
    case kTcp6:
      return 16;
    case kUnixStream:
      return kUnixPathBytes;
    default:
      return 0;
  }
}

// body is what follows the fixed part: addresses, ports unless unix, TLVs.
void read_addresses(std::string_view body, uint8_t family, ProxyHeader& into) {
  const size_t size = address_bytes(family);
  const auto read = family == kUnixStream ? read_unix : read_ip;
  read(body.substr(0, size), into.source);
  read(body.substr(size, size), into.destination);
  if (family == kUnixStream) return;
  into.source.port = number_at(body, 2 * size);
  into.destination.port = number_at(body, 2 * size + 2);
}

base::Result<bool> parse_binary(std::string_view prefix, ProxyHeader& into) {
  const size_t had = prefix.size();
  const size_t at = kSignature.size();
  if (had <= at) return false;
  const uint8_t command = byte_at(prefix, at);
  if (command >> 4 != 2) return malformed("the PROXY header's version is not 2");
  if (command != kCommandLocal && command != kCommandProxy) {
    return malformed("the PROXY header's command is not known");
  }
  if (had <= at + 1) return false;
  const uint8_t family = byte_at(prefix, at + 1);
  // Of a LOCAL header the family is ignored, whatever it is.
  if (command == kCommandProxy && (family >> 4 > 3 || (family & 15) > 2)) {
    return malformed("the PROXY header's address family is not known");
  }
  if (had < kFixedBytes) return false;
  const size_t size = kFixedBytes + number_at(prefix, at + 2);
  if (size > kProxyHeaderBytesMax) return malformed("the PROXY header is too long");
  const size_t each = command == kCommandProxy ? address_bytes(family) : 0;
  const size_t tlvs_at = kFixedBytes + 2 * each + (each != 0 && family != kUnixStream ? 4 : 0);
  if (size < tlvs_at) return malformed("the PROXY header is too short for its addresses");
  if (had < size) return false;
  into.version = ProxyVersion::v2;
  into.size = size;
  into.kind = command == kCommandLocal ? Kind::local : each == 0 ? Kind::unknown : Kind::proxied;
  // Without addresses of a known size nobody can say where TLVs begin; the block is passed over whole.
  if (into.kind != Kind::proxied) return true;
  const std::string_view header = prefix.substr(0, size);
  if (const char* fault = check_tlvs(header, tlvs_at)) return malformed(fault);
  read_addresses(header.substr(kFixedBytes), family, into);
  return true;
}

// --- Writing -----------------------------------------------------------------------------------------------

class Writer {
 public:
  explicit Writer(std::span<char> out) : out_(out) {}
  void put(std::string_view bytes) {
    if (out_.size() - at_ < bytes.size()) {
      fits_ = false;
      return;
    }
    std::memcpy(out_.data() + at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  void put_byte(uint8_t byte) {
    const char c = static_cast<char>(byte);
    put({&c, 1});
  }
  void put_number(size_t number) {  // 16 bits, network order
    put_byte(static_cast<uint8_t>(number >> 8));
    put_byte(static_cast<uint8_t>(number));
  }
  void put_text(uint32_t number, uint32_t radix) {
    char digits[10];
    size_t at = sizeof digits;
    do {
      digits[--at] = "0123456789abcdef"[number % radix];
      number /= radix;
    } while (number != 0);
    put({digits + at, sizeof digits - at});
  }
  size_t size() const { return fits_ ? at_ : 0; }

 private:
  std::span<char> out_;
  size_t at_ = 0;
  bool fits_ = true;
};

std::string_view octets(const base::IpAddress& ip) {
  return {reinterpret_cast<const char*>(ip.bytes.data()), ip.v6 ? size_t{16} : size_t{4}};
}

bool is_ip(const Address& address) { return address.kind == Address::Kind::ip; }

void put_line_address(Writer& out, const base::IpAddress& ip, Family family) {
  if (family == Family::v6 && !ip.v6) {
    // In groups of hexadecimal digits, since §2.1 has no dotted form within TCP6.
    out.put("::ffff:");
    out.put_text(number_at(octets(ip), 0), 16);
    out.put(":");
    out.put_text(number_at(octets(ip), 2), 16);
    return;
  }
  char text[INET6_ADDRSTRLEN];
  inet_ntop(ip.v6 ? AF_INET6 : AF_INET, ip.bytes.data(), text, sizeof text);
  out.put(text);
}

void put_line(Writer& out, const ProxyHeader& header) {
  if (header.kind != Kind::proxied || !is_ip(header.source) || !is_ip(header.destination)) {
    out.put("PROXY UNKNOWN\r\n");
    return;
  }
  const Family family = header.source.ip.v6 || header.destination.ip.v6 ? Family::v6 : Family::v4;
  out.put(family == Family::v6 ? "PROXY TCP6 " : "PROXY TCP4 ");
  put_line_address(out, header.source.ip, family);
  out.put(" ");
  put_line_address(out, header.destination.ip, family);
  out.put(" ");
  out.put_text(header.source.port, 10);
  out.put(" ");
  out.put_text(header.destination.port, 10);
  out.put("\r\n");
}

uint8_t family_of(const ProxyHeader& header) {
  if (header.kind != Kind::proxied || is_ip(header.source) != is_ip(header.destination)) return kUnspec;
  if (is_ip(header.source)) return header.source.ip.v6 || header.destination.ip.v6 ? kTcp6 : kTcp4;
  // A path that fills its field needs no NUL behind it.
  const size_t longest = std::max(header.source.path.size(), header.destination.path.size());
  return longest <= kUnixPathBytes ? kUnixStream : kUnspec;
}

void put_address(Writer& out, const Address& address, uint8_t family) {
  if (family == kUnixStream) {
    out.put(address.path);
    for (size_t i = address.path.size(); i < kUnixPathBytes; ++i) out.put_byte(0);
    return;
  }
  if (family == kTcp6 && !address.ip.v6) out.put("\0\0\0\0\0\0\0\0\0\0\xFF\xFF"sv);
  out.put(octets(address.ip));
}

void put_binary(Writer& out, const ProxyHeader& header) {
  const uint8_t family = family_of(header);
  out.put(kSignature);
  out.put_byte(header.kind == Kind::local ? kCommandLocal : kCommandProxy);
  out.put_byte(family);
  const bool has_ports = family == kTcp4 || family == kTcp6;
  out.put_number(2 * address_bytes(family) + (has_ports ? 4 : 0));
  if (family == kUnspec) return;
  put_address(out, header.source, family);
  put_address(out, header.destination, family);
  if (!has_ports) return;
  out.put_number(header.source.port);
  out.put_number(header.destination.port);
}

}  // namespace

base::Result<bool> parse_proxy_header(std::string_view prefix, ProxyHeader& into) {
  into = {};
  if (prefix.empty()) return false;
  const bool is_line = prefix.front() == kLineStart.front();
  const std::string_view start = is_line ? kLineStart : kSignature;
  if (!agrees(prefix, start)) return malformed("the connection does not begin with a PROXY header");
  if (prefix.size() < start.size()) return false;
  return is_line ? parse_line(prefix, into) : parse_binary(prefix, into);
}

size_t proxy_header_bytes_left(std::string_view prefix) {
  constexpr size_t kShortest = "PROXY UNKNOWN\r\n"sv.size();
  if (prefix.size() < kShortest) return kShortest - prefix.size();
  if (prefix.starts_with(kLineStart)) return 1;
  if (prefix.size() < kFixedBytes) return kFixedBytes - prefix.size();
  size_t whole = kFixedBytes + number_at(prefix, kFixedBytes - 2);
  return whole > prefix.size() ? whole - prefix.size() : 1;
}

size_t write_proxy_header(const ProxyHeader& header, std::span<char> out) {
  Writer writer(out);
  if (header.version == ProxyVersion::v1) {
    put_line(writer, header);
  } else {
    put_binary(writer, header);
  }
  return writer.size();
}

}  // namespace io
