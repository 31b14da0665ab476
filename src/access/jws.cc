#include "access/jws.h"

#include <charconv>

#include "access/jwks.h"
#include "base/bytes.h"

namespace auth {
namespace {

constexpr JsonLimits kHeaderLimits{.bytes = 8 * 1024, .depth = 6, .values = 256};
constexpr JsonLimits kClaimsLimits{.bytes = kTokenBytesMax, .depth = 16, .values = 2048};
// Dates from here on are "never": the wall clock in nanoseconds ends in 2262.
constexpr double kUnixSecondsMax = 9'000'000'000;
constexpr double kNumericDateMax = 253'402'300'800;  // the year 10000; beyond is an error of unit

// A literal sentence, or null.
const char* parse_header(std::string_view encoded, UnverifiedJws& out) {
  auto text = base::base64url_decode(encoded);
  if (!text) return "the JWT's header is not base64url";
  auto tree = parse_json(*text, kHeaderLimits);
  if (!tree || !tree->root().is(JsonKind::object)) return "the JWT's header is not a strict JSON object";
  JsonValue header = tree->root();
  JsonValue algorithm = header.member("alg");
  auto known = algorithm.is(JsonKind::string) ? crypto::parse_algorithm(algorithm.text()) : std::nullopt;
  if (!known) return "the JWT's algorithm is not accepted";
  out.algorithm = *known;
  // RFC 7515 §4.1.11: an extension that is not understood refuses the token, and none is.
  if (header.member("crit")) return "the JWT asks for extensions that are not known";
  if (JsonValue kid = header.member("kid")) {
    if (!kid.is(JsonKind::string) || kid.text().empty() || kid.text().size() > kKeyIdBytesMax) {
      return "the JWT's key id is not a short text";
    }
    out.kid = kid.text();
  }
  out.header = std::move(*tree);
  return nullptr;
}

const char* parse_parts(std::string_view text, UnverifiedJws& out) {
  if (text.size() > kTokenBytesMax) return "the JWT is too large";
  size_t first = text.find('.');
  size_t second = first == text.npos ? text.npos : text.find('.', first + 1);
  if (second == text.npos || text.find('.', second + 1) != text.npos) {
    return "it is not a signed JWT of three parts";
  }
  out.signing_input = text.substr(0, second);
  if (const char* wrong = parse_header(text.substr(0, first), out)) return wrong;
  auto signature = base::base64url_decode(text.substr(second + 1));
  if (!signature || signature->empty()) return "the JWT's signature is not base64url";
  out.signature = std::move(*signature);
  auto payload = base::base64url_decode(text.substr(first + 1, second - first - 1));
  if (!payload) return "the JWT's payload is not base64url";
  auto claims = parse_json(*payload, kClaimsLimits);
  if (!claims || !claims->root().is(JsonKind::object)) return "the JWT's payload is not a strict JSON object";
  out.claims = std::move(*claims);
  return nullptr;
}

}  // namespace

base::Result<UnverifiedJws> parse_jws(std::string_view text, base::Reason reason) {
  UnverifiedJws out;
  if (const char* wrong = parse_parts(text, out)) return base::client_error(reason, wrong);
  return out;
}

bool has_type(const JsonTree& header, std::initializer_list<std::string_view> types) {
  constexpr std::string_view kApplication = "application/";
  JsonValue value = header.root().member("typ");
  if (!value.is(JsonKind::string)) return false;
  std::string_view type = value.text();
  if (base::equals_ignoring_case(type.substr(0, kApplication.size()), kApplication)) {
    type.remove_prefix(kApplication.size());
  }
  for (std::string_view wanted : types) {
    if (base::equals_ignoring_case(type, wanted)) return true;
  }
  return false;
}

std::optional<base::WallTime> parse_numeric_date(JsonValue value) {
  if (!value.is(JsonKind::number)) return std::nullopt;
  double seconds = -1;
  std::string_view text = value.text();
  if (std::from_chars(text.data(), text.data() + text.size(), seconds).ec != std::errc()) return std::nullopt;
  if (!(seconds >= 0 && seconds < kNumericDateMax)) return std::nullopt;
  if (seconds >= kUnixSecondsMax) seconds = kUnixSecondsMax;
  return base::WallTime{static_cast<int64_t>(seconds * 1e9)};
}

}  // namespace auth
