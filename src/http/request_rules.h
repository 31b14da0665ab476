// What a request must hold to whatever version carried it, beyond the grammar of its fields: the codecs of
// HTTP/1 and HTTP/2 both ask here, so that neither lets through what the other refuses.
// Each check gives nullptr or why the request is refused, a literal.
#pragma once

#include <string_view>

#include "http/head.h"

namespace http {

// A token of at most 32 characters without small letters: some backends take "delete" for DELETE, which a
// rule about DELETE would not have seen, and no registered method has one (RFC 9110 §9.1).
bool is_method(std::string_view text);

// Two names for the host of one request, Host and the target's or :authority, must agree: backends differ in
// which they believe. Both must be valid.
const char* check_same_host(std::string_view scheme, std::string_view by_target, std::string_view by_host);

// Sets expect_continue or expectation_unknown from the headers and the body.
void settle_expectation(RequestHead& head);

}  // namespace http
