// What a token endpoint answers with: tokens, or why there are none.
#include <algorithm>

#include "access/oidc.h"
#include "base/bytes.h"

namespace auth {
namespace {

constexpr JsonLimits kLimits{.bytes = kTokenAnswerBytesMax, .depth = 16, .values = 4096};
constexpr size_t kErrorBytesMax = 64;
constexpr size_t kDescriptionBytesMax = 300;
constexpr uint64_t kLifeSecondsMax = 10ull * 365 * 24 * 3600;

std::unexpected<TokenRefusal> unreadable(std::string why) {
  return std::unexpected(TokenRefusal{.error = {}, .sentence = std::move(why)});
}

// Goes into headers and forms as it is.
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

// What an issuer writes for people, cut short and in one line of ASCII: it ends in a log.
std::string printable(std::string_view text, size_t bytes_max) {
  std::string out;
  for (char c : text.substr(0, bytes_max)) out += c >= 0x20 && c < 0x7F ? c : '?';
  return out;
}

TokenRefusal refusal_of(int status, JsonValue root) {
  JsonValue error = root.member("error");
  bool readable =
      error.is(JsonKind::string) && is_token(error.text()) && error.text().size() <= kErrorBytesMax;
  if (!readable) {
    return {.error = {},
            .sentence = "the answer's status is " + std::to_string(status) + " and names no error"};
  }
  TokenRefusal out{.error = std::string(error.text()), .sentence = {}};
  out.sentence = "the issuer refused: " + out.error;
  JsonValue description = root.member("error_description");
  if (description.is(JsonKind::string)) {
    out.sentence += " (" + printable(description.text(), kDescriptionBytesMax) + ")";
  }
  return out;
}

// Optional members may be null or empty, which some issuers write for what is not there.
enum class Need : uint8_t { required, optional };
bool read_text(JsonValue value, std::string& out, Need need) {
  bool absent = !value || value.is(JsonKind::null) || (value.is(JsonKind::string) && value.text().empty());
  if (need == Need::optional && absent) return true;
  if (!value.is(JsonKind::string) || !is_token(value.text())) return false;
  out = value.text();
  return true;
}

// A number; some issuers send its text.
bool read_life(JsonValue value, std::optional<base::Duration>& out) {
  if (!value || value.is(JsonKind::null)) return true;
  if (!value.is(JsonKind::number) && !value.is(JsonKind::string)) return false;
  auto seconds = base::parse_unsigned(value.text());
  if (!seconds) return false;
  out = base::seconds(static_cast<int64_t>(std::min(*seconds, kLifeSecondsMax)));
  return true;
}

bool read_scopes(JsonValue value, std::vector<std::string>& out) {
  if (!value || value.is(JsonKind::null)) return true;
  if (!value.is(JsonKind::string) || !is_clean(value.text())) return false;
  std::string_view text = value.text();
  while (!text.empty()) {
    size_t end = text.find(' ');
    if (end != 0) out.emplace_back(text.substr(0, end));
    text = end == text.npos ? std::string_view{} : text.substr(end + 1);
  }
  return true;
}

}  // namespace

std::expected<TokenAnswer, TokenRefusal> parse_token_answer(int status, std::string_view body) {
  auto tree = parse_json(body, kLimits);
  if (!tree || !tree->root().is(JsonKind::object)) {
    return unreadable("the answer's status is " + std::to_string(status) + " and its body is no JSON object");
  }
  JsonValue root = tree->root();
  if (status != 200 || root.member("error")) return std::unexpected(refusal_of(status, root));
  TokenAnswer out;
  if (!read_text(root.member("access_token"), out.access_token, Need::required) ||
      !read_text(root.member("refresh_token"), out.refresh_token, Need::optional) ||
      !read_text(root.member("id_token"), out.id_token, Need::optional) ||
      !read_text(root.member("token_type"), out.token_type, Need::required) ||
      !read_text(root.member("issued_token_type"), out.issued_token_type, Need::optional)) {
    return unreadable("the answer lacks a token or its type, or has one with characters no token has");
  }
  // RFC 6749 §7.1: a token of a type that is not understood must not be used.
  if (!base::equals_ignoring_case(out.token_type, "Bearer")) {
    return unreadable("the answer's token is of the type " + printable(out.token_type, kErrorBytesMax) +
                      ", not Bearer");
  }
  if (!read_life(root.member("expires_in"), out.expires_in)) {
    return unreadable("the answer's expires_in cannot be read");
  }
  if (!read_scopes(root.member("scope"), out.scopes)) return unreadable("the answer's scope cannot be read");
  return out;
}

}  // namespace auth
