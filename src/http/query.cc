#include "http/query.h"

#include "base/bytes.h"

namespace http {
namespace {

std::string_view take_up_to(std::string_view& text, char separator) {
  const size_t end = text.find(separator);
  const std::string_view taken = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  return taken;
}

bool is_unreserved(char c) {
  return base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

}  // namespace

std::optional<std::string> decode_form(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = base::hex_value(text[i + 1]);
    const int low = base::hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

std::expected<std::optional<std::string>, const char*> find_parameter(std::string_view form,
                                                                      std::string_view name) {
  std::optional<std::string> found;
  while (!form.empty()) {
    std::string_view value = take_up_to(form, '&');
    // Names are compared decoded: an escape in one must not hide that it stands twice.
    const auto decoded_name = decode_form(take_up_to(value, '='));
    if (!decoded_name) return std::unexpected("a parameter's name has a broken percent escape");
    if (*decoded_name != name) continue;
    if (found) return std::unexpected("a parameter stands twice");
    found = decode_form(value);
    if (!found) return std::unexpected("a parameter has a broken percent escape");
  }
  return found;
}

void append_form_encoded(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (char c : text) {
    if (is_unreserved(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
}

void append_form(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty() && !out.ends_with('?') && !out.ends_with('&')) out += '&';
  append_form_encoded(out, name);
  out += '=';
  append_form_encoded(out, value);
}

}  // namespace http
