// A path pattern: matched by whole segments. "/orders" covers "/orders" and "/orders/7", never "/orders-old";
// "{id}" is exactly one segment; a trailing "**" is the rest, so "/a/**" covers "/a" and all below it.
// Immutable; matching does not allocate.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace routing {

class PathPattern {
 public:
  // text begins with '/'. The error is a sentence for the user ("'**' stands only at the end").
  static std::expected<PathPattern, std::string> parse(std::string_view text);

  // path as normalised by http/target.h.
  bool covers(std::string_view path) const;
  // The same, and also where a backend may take path for a covered one: it spells a character by its escape
  // or the other way round ("%3A" is another path than ":", RFC 3986 §2.2), its segments carry parameters
  // ("/admin;x"), or are parted by "%2F". For denials, which must not be walked around.
  bool covers_any_spelling(std::string_view path) const;

  const std::string& text() const { return text_; }
  // The segments without "**"; "{id}" segments are as written.
  const std::vector<std::string>& segments() const { return segments_; }
  static bool is_parameter(std::string_view segment) {
    return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
  }

 private:
  std::string text_;
  std::vector<std::string> segments_;
};

}  // namespace routing
