#include "http2/frames.h"

#include <nghttp2/nghttp2.h>

#include <array>

#include "base/bytes.h"
#include "http/grpc.h"

namespace http2 {

// session_callbacks.cc: the bytes of a stream's body.
ssize_t read_body(nghttp2_session* nghttp2, int32_t id, uint8_t* into, size_t size_max, uint32_t* flags,
                  nghttp2_data_source* source, void* user_data);

namespace {

using http::HeaderId;

// Said by frames and pseudo-headers here; or of one connection only.
constexpr http::HeaderIdSet kNotInFields =
    http::kHopByHopHeaders | http::HeaderIdSet::of(HeaderId::content_length, HeaderId::host);

constexpr size_t kOwnFieldsMax = 10;

// What HPACK shall not keep: credentials, so that they are not guessed from how well they compress (RFC 7541
// §7.1.3), and what is another with every request, which would only push out what is not. nghttp2 looks
// through all values it keeps of a name.
constexpr http::HeaderIdSet kNotKept = http::HeaderIdSet::of(
    HeaderId::authorization, HeaderId::gatehouse_identity, HeaderId::x_request_id, HeaderId::traceparent);

class Fields {
 public:
  void add(std::string_view name, std::string_view value) { add(http::find_header_id(name), name, value); }
  void add(HeaderId id, std::string_view name, std::string_view value) {
    if (count_ == items_.size()) return;
    items_[count_++] = {
        .name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
        .value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
        .namelen = name.size(),
        .valuelen = value.size(),
        .flags = kNotKept.test(id) ? uint8_t{NGHTTP2_NV_FLAG_NO_INDEX} : uint8_t{NGHTTP2_NV_FLAG_NONE}};
  }
  void add(const http::Headers& headers) {
    for (const http::Header& header : headers) {
      const HeaderId id = id_of(header);
      if (!header.hop_by_hop && !kNotInFields.test(id)) add(id, header.name, header.value);
    }
  }
  void add_length(uint64_t bytes) {
    size_t at = digits_.size();
    do {
      digits_[--at] = static_cast<char>('0' + bytes % 10);
      bytes /= 10;
    } while (bytes != 0);
    add(HeaderId::content_length, "content-length", {&digits_[at], digits_.size() - at});
  }

  // Headers that the gate adds come without an id.
  static HeaderId id_of(const http::Header& header) {
    return header.id != HeaderId::other ? header.id : http::find_header_id(header.name);
  }

  const nghttp2_nv* data() const { return items_.data(); }
  size_t size() const { return count_; }

 private:
  std::array<nghttp2_nv, http::Headers::kCapacity + kOwnFieldsMax> items_;
  size_t count_ = 0;
  std::array<char, 20> digits_;
};

struct StatusText {
  explicit StatusText(uint16_t status)
      : digits{static_cast<char>('0' + status / 100 % 10), static_cast<char>('0' + status / 10 % 10),
               static_cast<char>('0' + status % 10)} {}
  std::string_view text() const { return {digits.data(), digits.size()}; }
  std::array<char, 3> digits;
};

// A gRPC server may insist on it, and the gate does pass trailers on.
bool speaks_grpc(const http::Headers& headers) {
  for (const http::Header& header : headers) {
    if (Fields::id_of(header) == HeaderId::content_type) return http::is_grpc(header.value);
  }
  return false;
}

void add_content_length(http::BodyLength body, Fields& fields) {
  if (body.kind == http::BodyLength::Kind::sized) fields.add_length(body.bytes);
}

nghttp2_data_provider body_provider() {
  nghttp2_data_provider provider{};
  provider.read_callback = read_body;
  return provider;
}

}  // namespace

bool submit_response(nghttp2_session* session, const ResponseFrames& response) {
  const StatusText status(response.status);
  Fields fields;
  fields.add(HeaderId::other, ":status", status.text());
  fields.add(response.headers);
  add_content_length(response.body, fields);
  const nghttp2_data_provider provider = body_provider();
  return nghttp2_submit_response(session, response.id, fields.data(), fields.size(),
                                 response.follows == BodyFollows::yes ? &provider : nullptr) == 0;
}

bool submit_interim(nghttp2_session* session, int32_t id, uint16_t status, const http::Headers& headers) {
  const StatusText text(status);
  Fields fields;
  fields.add(HeaderId::other, ":status", text.text());
  fields.add(headers);
  return nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, id, nullptr, fields.data(), fields.size(),
                                nullptr) == 0;
}

int32_t submit_request(nghttp2_session* session, const http::RequestStart& start, std::string_view scheme,
                       void* user_data) {
  std::array<char, 1024> joined;
  std::string path_owned;
  std::string_view path = start.path;
  if (start.has_query) {
    const size_t size = start.path.size() + 1 + start.query.size();
    if (size <= joined.size()) {
      char* at = joined.data();
      at += start.path.copy(at, start.path.size());
      *at++ = '?';
      start.query.copy(at, start.query.size());
      path = {joined.data(), size};
    } else {
      path_owned.reserve(size);
      path_owned.append(start.path).append("?").append(start.query);
      path = path_owned;
    }
  }
  const bool upgrade = !start.upgrade.empty();
  Fields fields;
  fields.add(HeaderId::other, ":method", upgrade ? std::string_view("CONNECT") : start.method);
  if (upgrade) fields.add(HeaderId::other, ":protocol", start.upgrade);
  fields.add(HeaderId::other, ":scheme", scheme);
  fields.add(HeaderId::other, ":authority", start.authority);
  fields.add(HeaderId::other, ":path", path);
  fields.add(*start.headers);
  if (speaks_grpc(*start.headers)) fields.add("te", "trailers");
  add_content_length(start.body, fields);
  const bool body = upgrade || start.body.kind != http::BodyLength::Kind::none;
  const nghttp2_data_provider provider = body_provider();
  return nghttp2_submit_request(session, nullptr, fields.data(), fields.size(), body ? &provider : nullptr,
                                user_data);
}

bool submit_trailers(nghttp2_session* session, int32_t id, std::string_view lines) {
  Fields fields;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find("\r\n"));
    lines.remove_prefix(std::min(lines.size(), line.size() + 2));
    const size_t colon = line.find(':');
    if (colon == 0 || colon == line.npos) continue;
    fields.add(line.substr(0, colon), base::trim(line.substr(colon + 1)));
  }
  return fields.size() > 0 && nghttp2_submit_trailer(session, id, fields.data(), fields.size()) == 0;
}

}  // namespace http2
