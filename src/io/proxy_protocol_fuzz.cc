// Any bytes as a PROXY header: an outcome, once reached, stays when more bytes come; and what was read,
// written again in either version, is read the same.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "io/proxy_protocol.h"

namespace {

using io::ProxyHeader;

void require(bool holds) {
  if (!holds) std::abort();
}

// From memory of exactly that size, so that the sanitizer sees a read past it.
base::Result<bool> parse_exact(std::string_view bytes, ProxyHeader& into) {
  std::unique_ptr<char[]> owner(new char[bytes.size()]);
  if (!bytes.empty()) std::memcpy(owner.get(), bytes.data(), bytes.size());
  return io::parse_proxy_header({owner.get(), bytes.size()}, into);
}

bool same(const ProxyHeader& a, const ProxyHeader& b) {
  return a.kind == b.kind && a.source == b.source && a.destination == b.destination;
}

bool is_ip(const ProxyHeader& header) { return header.source.kind == io::Address::Kind::ip; }

void check_rewritten(ProxyHeader header) {
  for (io::ProxyVersion version : {io::ProxyVersion::v1, io::ProxyVersion::v2}) {
    header.version = version;
    char out[io::kProxyHeaderWrittenMax];
    const size_t size = io::write_proxy_header(header, out);
    require(size > 0);
    ProxyHeader again;
    const auto parsed = parse_exact({out, size}, again);
    require(parsed && *parsed && again.size == size && again.version == version);
    if (version == io::ProxyVersion::v2 || (header.kind == ProxyHeader::Kind::proxied && is_ip(header))) {
      require(same(header, again));
    } else {
      require(again.kind == ProxyHeader::Kind::unknown);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ProxyHeader whole;
  const auto outcome = parse_exact(bytes, whole);
  bool decided = false;
  for (size_t at = 0; at <= size && at <= 300; ++at) {
    ProxyHeader header;
    const auto now = parse_exact(bytes.substr(0, at), header);
    if (now && !*now) {
      require(!decided);
      continue;
    }
    decided = true;
    require(now.has_value() == outcome.has_value());
    if (!now) require(std::string_view(now.error().detail) == outcome.error().detail);
    if (now) require(same(header, whole) && header.size == whole.size && header.size == at);
    if (now) break;
  }
  if (!outcome || !*outcome) return 0;
  require(whole.size <= size && whole.size <= io::kProxyHeaderBytesMax);
  check_rewritten(whole);
  return 0;
}
