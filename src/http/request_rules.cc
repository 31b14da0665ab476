#include "http/request_rules.h"

#include "base/bytes.h"
#include "http/scan.h"
#include "http/target.h"

namespace http {
namespace {

constexpr size_t kMethodMax = 32;  // the registry's longest has 17

uint16_t port_of(const Authority& authority, std::string_view scheme) {
  if (authority.port != 0) return authority.port;
  return base::equals_ignoring_case(scheme, "https") ? 443 : 80;
}

}  // namespace

bool is_method(std::string_view text) {
  if (text.empty() || text.size() > kMethodMax) return false;
  for (char c : text) {
    if (!is_token_char(c) || (c >= 'a' && c <= 'z')) return false;
  }
  return true;
}

const char* check_same_host(std::string_view scheme, std::string_view by_target, std::string_view by_host) {
  const auto host = parse_authority(by_host);
  if (!host) return "Host is malformed";
  const auto target = parse_authority(by_target);
  if (!target) return "the request target's host is malformed";
  if (!base::equals_ignoring_case(target->host, host->host) ||
      port_of(*target, scheme) != port_of(*host, scheme)) {
    return "Host and the request target disagree";
  }
  return nullptr;
}

void settle_expectation(RequestHead& head) {
  // RFC 9110 §10.1.1: an HTTP/1.0 client cannot have meant it.
  if (head.version == Version::http10 || !head.headers.has(HeaderId::expect)) return;
  for (const Header& header : head.headers) {
    if (header.id == HeaderId::expect && !base::equals_ignoring_case(header.value, "100-continue")) {
      head.expectation_unknown = true;
    }
  }
  head.expect_continue = !head.expectation_unknown && head.body.kind != BodyLength::Kind::none;
}

}  // namespace http
