#include "websocket/handshake.h"

#include "base/base64.h"
#include "base/bytes.h"
#include "crypto/sha1.h"

namespace websocket {
namespace {

using base::Reason;
using http::HeaderId;

constexpr std::string_view kProtocol = "websocket";
constexpr std::string_view kVersion = "13";
// §1.3: what a server that knows the protocol appends to the key.
constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr size_t kNonceBytes = 16;
constexpr size_t kKeyBytes = std::tuple_size<Key>();

std::unexpected<base::Error> refuse(const char* detail) {
  return base::client_error(Reason::http_request_error, detail);
}
std::unexpected<base::Error> fail(const char* detail) {
  return base::backend_error(Reason::http_upgrade_failed, detail);
}

// The value of the one header of that name; nullptr when there is none or more than one.
const std::string_view* find_only(const http::Headers& headers, std::string_view name) {
  const std::string_view* found = nullptr;
  for (const http::Header& header : headers) {
    if (!base::equals_ignoring_case(header.name, name)) continue;
    if (found != nullptr) return nullptr;
    found = &header.value;
  }
  return found;
}

bool is_key(std::string_view text) {
  base::Base64Decoder decoder;
  char bytes[base::base64_length(kKeyBytes)];
  if (text.size() != kKeyBytes) return false;
  const auto step = decoder.decode(text, bytes);
  return step && decoder.complete() && step->written == kNonceBytes;
}

base::Result<> check_version(const http::Headers& headers) {
  const std::string_view* version = find_only(headers, "sec-websocket-version");
  if (version != nullptr && *version == kVersion) return {};
  return base::client_error(Reason::websocket_version_refused, "Sec-WebSocket-Version is not 13");
}

}  // namespace

Key make_key(crypto::RandomSource& random) {
  std::array<uint8_t, kNonceBytes> nonce;
  random.fill(nonce);
  Key key;
  base::encode_base64({reinterpret_cast<const char*>(nonce.data()), nonce.size()}, key.data());
  return key;
}

Accept make_accept(std::string_view key) {
  // A key that was not checked may be longer; it then has no accept that anybody could be waiting for.
  std::array<char, kKeyBytes + kGuid.size()> text;
  const size_t taken = key.copy(text.data(), kKeyBytes);
  kGuid.copy(text.data() + taken, kGuid.size());
  const crypto::Sha1 digest = crypto::sha1_for_websocket({text.data(), taken + kGuid.size()});
  Accept accept;
  base::encode_base64({reinterpret_cast<const char*>(digest.data()), digest.size()}, accept.data());
  return accept;
}

bool asks_for_websocket(const http::RequestHead& head) {
  return head.upgrade && http::has_token(head.headers, HeaderId::upgrade, kProtocol);
}

base::Result<> check_request(const http::RequestHead& head) {
  if (head.method != http::Method::get) return refuse("a WebSocket handshake is not a GET");
  if (head.version != http::Version::http11) return refuse("a WebSocket handshake is not HTTP/1.1");
  if (head.body.kind != http::BodyLength::Kind::none) return refuse("a WebSocket handshake has a body");
  if (!http::has_token(head.headers, HeaderId::upgrade, kProtocol))
    return refuse("Upgrade does not ask for websocket");
  if (!http::has_token(head.headers, HeaderId::connection, "upgrade"))
    return refuse("Connection does not say upgrade");
  const std::string_view* key = find_only(head.headers, "sec-websocket-key");
  if (key == nullptr || !is_key(*key)) return refuse("Sec-WebSocket-Key is not one key of 16 bytes");
  return check_version(head.headers);
}

base::Result<> check_extended_connect(const http::Headers& headers) { return check_version(headers); }

base::Result<> check_response(const http::ResponseHead& head, std::string_view key) {
  if (head.status != 101) return fail("the status is not 101");
  const http::Header* upgrade = head.headers.find(HeaderId::upgrade);
  if (upgrade == nullptr || head.headers.count(HeaderId::upgrade) != 1 ||
      !base::equals_ignoring_case(upgrade->value, kProtocol)) {
    return fail("the answer's Upgrade is not websocket");
  }
  if (!http::has_token(head.headers, HeaderId::connection, "upgrade")) {
    return fail("the answer's Connection does not say upgrade");
  }
  const std::string_view* accept = find_only(head.headers, "sec-websocket-accept");
  if (accept == nullptr || *accept != as_text(make_accept(key))) {
    return fail("Sec-WebSocket-Accept does not fit the key");
  }
  return {};
}

}  // namespace websocket
