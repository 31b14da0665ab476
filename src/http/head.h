// What every HTTP version shares of a message's head. Heads are views: names and values point into the
// connection's buffer, which stays put until the exchange ends. Nothing here allocates.
// Called by the codecs (which fill heads), the gate (which reads them) and the encoders.
#pragma once

#include <array>
#include <cstdint>
#include <new>
#include <optional>
#include <string_view>

#include "http/header_id.h"

namespace http {

enum class Method : uint8_t { get, head, post, put, delete_, patch, options, connect, trace, other };
Method parse_method(std::string_view text);   // other when unknown; case-sensitive (RFC 9110 §9.1)
std::string_view method_name(Method method);  // "_OTHER" for other, as telemetry names it
bool is_idempotent(Method method);            // RFC 9110 §9.2.2

struct Header {
  std::string_view name;   // as sent
  std::string_view value;  // trimmed
  HeaderId id = HeaderId::other;
  // Concerns this connection alone and is never forwarded (RFC 9110 §7.6.1): hop-by-hop by definition, or
  // nominated by the Connection header.
  bool hop_by_hop = false;
};

// In the order received. Bounded; the bound is the product's, the limit a user sets lies below it.
class Headers {
 public:
  static constexpr uint32_t kCapacity = 200;

  // False when full.
  bool add(Header header) {
    if (count_ == kCapacity) return false;
    new (&items_[count_++]) Header(header);
    present_.set(header.id);
    return true;
  }
  void clear() {
    count_ = 0;
    present_ = {};
  }
  uint32_t size() const { return count_; }
  const Header* begin() const { return &items_[0].header; }
  const Header* end() const { return begin() + count_; }
  const Header& operator[](uint32_t i) const { return begin()[i]; }
  void set_value(uint32_t i, std::string_view value) { items_[i].header.value = value; }

  bool has(HeaderId id) const { return present_.test(id); }
  // The first of that kind; nullptr when absent.
  const Header* find(HeaderId id) const;
  // By name, ignoring case; for names that are not well known.
  const Header* find(std::string_view name) const;
  uint32_t count(HeaderId id) const;

  // Marks every header of that name, ignoring case, as hop-by-hop.
  void mark_hop_by_hop(std::string_view name);

 private:
  uint32_t count_ = 0;
  HeaderIdSet present_;
  // Left uninitialised: clearing several KiB for each request would cost more than parsing one.
  union Slot {
    Slot() {}
    Header header;
  };
  std::array<Slot, kCapacity> items_;
};

// How long a body is, as the head says it (RFC 9112 §6.3).
struct BodyLength {
  enum class Kind : uint8_t { none, sized, chunked, until_close } kind = Kind::none;
  uint64_t bytes = 0;  // only for sized
};

enum class Version : uint8_t { http10, http11, http2 };

struct RequestHead {
  Method method = Method::other;
  std::string_view method_text;
  std::string_view scheme;     // of an absolute-form target or :scheme; else empty
  std::string_view authority;  // Host or :authority, as sent; empty only for HTTP/1.0 without Host
  std::string_view target;     // path and query as sent ("/a?b"; "/" for an empty path), or "*" for OPTIONS *
  Version version = Version::http11;
  BodyLength body;
  bool keep_alive = true;
  bool expect_continue = false;      // the client holds a body back until 100 (RFC 9110 §10.1.1)
  bool expectation_unknown = false;  // Expect asks for something else: the gate answers 417
  // Connection: upgrade and an Upgrade header (RFC 9110 §7.8) that a raw relay can honour; never h2c, which
  // would carry requests past the rules.
  bool upgrade = false;
  Headers headers;

  void clear();
};

struct ResponseHead {
  uint16_t status = 0;
  std::string_view reason_phrase;
  Version version = Version::http11;
  BodyLength body;
  bool keep_alive = true;
  Headers headers;

  void clear();
};

// True when name is among the comma-separated tokens of any header of that id (RFC 9110 §5.6.1), ignoring
// case.
bool has_token(const Headers& headers, HeaderId id, std::string_view token);

// Headers that concern one connection only whatever Connection says (RFC 9110 §7.6.1).
inline constexpr HeaderIdSet kHopByHopHeaders = HeaderIdSet::of(
    HeaderId::connection, HeaderId::keep_alive, HeaderId::proxy_connection, HeaderId::proxy_authenticate,
    HeaderId::proxy_authorization, HeaderId::te, HeaderId::transfer_encoding, HeaderId::upgrade);

std::string_view default_reason_phrase(int status);

}  // namespace http
