// The few pages the gate shows a person: why a request failed, where to log in, who is signed in. Plain HTML
// without scripts; whatever goes in is escaped here.
#pragma once

#include <string>
#include <string_view>

#include "http/head.h"

namespace gate {

// A person at a browser who navigates, not a program and not a page's script (Fetch Metadata: a mode of
// `navigate`, where it is said at all).
bool is_navigation(const http::RequestHead& head);

std::string html_escaped(std::string_view text);

class Page {
 public:
  explicit Page(std::string_view title);
  Page& paragraph(std::string_view text);
  // A paragraph of what is written without a capital and a full stop, as details of failures are.
  Page& sentence(std::string_view text);
  Page& link(std::string_view to, std::string_view text);  // a paragraph of its own
  // A line in small letters; html: written by us.
  Page& small_print(std::string_view html);
  // A form of one button that posts to an address of the gate's own.
  struct Button {
    std::string_view action;
    std::string_view field;  // of the form, with its value
    std::string_view value;
    std::string_view label;
  };
  Page& button(const Button& button);
  std::string take();

 private:
  std::string html_;
};

// What goes with every page: nothing is loaded, framed or sniffed.
inline constexpr std::string_view kPagePolicy =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

}  // namespace gate
