// The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): the header by which a relay in
// front of us says whose connection it carries, and by which we say so to a backend. Bytes in, a value out;
// no I/O. A listener reads it only from sources it was told to trust and then demands it: whoever may send
// one chooses the client's address, so it is never guessed whether one is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "io/address.h"

namespace io {

enum class ProxyVersion : uint8_t { v1 = 1, v2 = 2 };

struct ProxyHeader {
  enum class Kind : uint8_t {
    proxied,  // source and destination are those of the connection that the sender relays
    local,    // the sender speaks for itself, such as with a health check
    unknown,  // relayed, but for something that is not a TCP or unix stream connection
  };
  ProxyVersion version = ProxyVersion::v2;
  // local, unknown: source and destination stay empty, the connection's own addresses hold.
  Kind kind = Kind::local;
  Address source;
  Address destination;
  size_t size = 0;  // bytes it takes; what follows is the relayed stream
};

// A version 1 line with its CRLF, and a version 2 header with its TLVs, are at most this long.
inline constexpr size_t kProxyLineBytesMax = 107;
inline constexpr size_t kProxyHeaderBytesMax = 4096;

// prefix is what the connection has brought so far. True: a header stands in into. False: more is needed; the
// next call gets the same bytes and those that came behind them. Refuses with http_request_error, side
// client, as soon as no bytes to come could make it a header. Of the TLVs a CRC-32C is checked and the rest
// passed over: an authority or a TLS state that another relay reports decides nothing here. IPv4-mapped
// addresses come out as IPv4. Allocates only for a unix path.
base::Result<bool> parse_proxy_header(std::string_view prefix, ProxyHeader& into);

// How many bytes can be read next without taking one that lies behind the header; at least 1. prefix is what
// parse_proxy_header() wanted more of.
size_t proxy_header_bytes_left(std::string_view prefix);

// Writes header (its size is not read) and returns its length, or 0 when out is too small, which
// kProxyHeaderWrittenMax bytes never are. An IPv4 beside an IPv6 address is written as IPv4-mapped. What the
// version cannot say is written as UNKNOWN (1) or UNSPEC (2): a unix path in version 1 or beside an IP
// address. The header goes in front of everything else on a new connection, which then serves that one client
// only.
inline constexpr size_t kProxyHeaderWrittenMax = 16 + 2 * 108;
size_t write_proxy_header(const ProxyHeader& header, std::span<char> out);

}  // namespace io
