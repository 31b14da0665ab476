#include "gate/page.h"

namespace gate {

using http::HeaderId;

bool is_navigation(const http::RequestHead& head) {
  if (head.method != http::Method::get) return false;
  const http::Header* mode = head.headers.find(HeaderId::sec_fetch_mode);
  if (mode != nullptr && mode->value != "navigate") return false;
  const http::Header* accept = head.headers.find(HeaderId::accept);
  return accept != nullptr && accept->value.find("text/html") != std::string_view::npos;
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Page::Page(std::string_view title) {
  std::string escaped = html_escaped(title);
  html_ =
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>" +
      escaped +
      "</title><style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;"
      "margin:15vh auto;padding:0 1rem}h1{font-size:1.4rem}code{font-size:.9em}form{margin:.75rem 0}"
      "button,.choice{font:inherit;display:inline-block;padding:.4rem 1rem;border:1px solid GrayText;"
      "border-radius:.4rem;background:ButtonFace;color:ButtonText;text-decoration:none;cursor:pointer}"
      "</style><h1>" +
      escaped + "</h1>";
}

Page& Page::paragraph(std::string_view text) {
  html_ += "<p>" + html_escaped(text);
  return *this;
}

Page& Page::sentence(std::string_view text) {
  std::string whole(text);
  if (!whole.empty() && whole[0] >= 'a' && whole[0] <= 'z') whole[0] = static_cast<char>(whole[0] & ~0x20);
  return paragraph(whole + ".");
}

Page& Page::link(std::string_view to, std::string_view text) {
  html_ += "<p><a class=\"choice\" href=\"" + html_escaped(to) + "\">" + html_escaped(text) + "</a>";
  return *this;
}

Page& Page::small_print(std::string_view html) {
  html_.append("<p><small>").append(html).append("</small>");
  return *this;
}

Page& Page::button(const Button& button) {
  html_ += "<form method=\"post\" action=\"" + html_escaped(button.action) +
           "\"><input type=\"hidden\" name=\"" + html_escaped(button.field) + "\" value=\"" +
           html_escaped(button.value) + "\"><button>" + html_escaped(button.label) + "</button></form>";
  return *this;
}

std::string Page::take() {
  html_ += '\n';
  return std::move(html_);
}

}  // namespace gate
