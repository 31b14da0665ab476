// A host pattern: "api.example.com" is that host alone; "*.example.com" is every host with one or more labels
// in front of example.com ("a.example.com", "a.b.example.com"), never example.com itself. Lower case, no
// port. Made by config/ from `match.host`; the route table is compiled from it.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace routing {

class HostPattern {
 public:
  // text is lowered and one trailing dot removed. IPv6 literals stand in brackets, as in a URL.
  // The error is a sentence for the user ("'*' stands only for whole labels at the left, as in
  // *.example.com").
  static std::expected<HostPattern, std::string> parse(std::string_view text);

  bool is_wildcard() const { return text_.starts_with("*."); }
  const std::string& text() const { return text_; }
  // What a host is compared with: the whole text, or what stands behind "*.".
  std::string_view name() const { return std::string_view(text_).substr(is_wildcard() ? 2 : 0); }

  // host as made by http::normalise_authority.
  bool covers(std::string_view host) const;

 private:
  std::string text_;
};

}  // namespace routing
