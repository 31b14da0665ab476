// A JSON object signed in compact form (RFC 7515 §7.1): what access tokens, ID tokens, logout tokens and DPoP
// proofs have in common before a key is chosen. Pure. What it gives is taken apart but not believed: nothing
// in it may be acted upon before its signature is verified, and what a header says of keys (jku, x5u, jwk,
// x5c) is for the caller to ignore.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "access/json.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/algorithm.h"

namespace auth {

inline constexpr size_t kTokenBytesMax = 16 * 1024;

struct UnverifiedJws {
  std::string_view signing_input;  // header.payload, as sent
  std::string signature;
  crypto::Algorithm algorithm = crypto::Algorithm::rs256;
  std::string kid;  // empty: none
  JsonTree header;
  JsonTree claims;
};

// Everything that can be said without a key and without knowing what it is for: form, a known algorithm, no
// `crit`, header and payload strict JSON objects. The result's views point into text. reason: of the error.
base::Result<UnverifiedJws> parse_jws(std::string_view text, base::Reason reason);

// Whether the header's `typ` is one of these (RFC 7515 §4.1.9: case and a leading "application/" do not
// count). One that is missing is none of them.
bool has_type(const JsonTree& header, std::initializer_list<std::string_view> types);

// RFC 7519 §2 NumericDate. nullopt: not a number or not a date.
std::optional<base::WallTime> parse_numeric_date(JsonValue value);

}  // namespace auth
