// Parameters of a query string or a form's body (application/x-www-form-urlencoded; RFC 6749 Appendix B):
// of logins and of calls to issuers, never of what is matched or decided on. Pure; any thread.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace http {

// The one parameter of that name, decoded: '+' is a space, and any byte may come out of an escape. nullopt:
// there is none. The error is a literal sentence: it stands twice, or an escape in it or in any name is
// broken, so that readers could differ on what it is.
std::expected<std::optional<std::string>, const char*> find_parameter(std::string_view form,
                                                                      std::string_view name);

// '+' is a space, and every '%' begins an escape of two hexadecimal digits; nullopt otherwise.
std::optional<std::string> decode_form(std::string_view text);

// Appends name=value, both encoded, behind a '&' unless out is empty or ends with '?' or '&': for a body, or
// for an URL that has its '?'.
void append_form(std::string& out, std::string_view name, std::string_view value);

// Appends text with everything but unreserved characters (RFC 3986 §2.3) escaped, a space as %20, which all
// decoders understand.
void append_form_encoded(std::string& out, std::string_view text);

}  // namespace http
