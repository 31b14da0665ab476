#include "http/grpc_method.h"

#include <algorithm>

#include "base/bytes.h"

namespace http {
namespace {

// An identifier of the protocol buffer language: a letter or `_`, then also digits.
bool is_identifier(std::string_view text) {
  if (text.empty() || base::is_digit(text[0])) return false;
  return std::ranges::all_of(text, [](char c) { return base::is_alpha(c) || base::is_digit(c) || c == '_'; });
}

bool is_service(std::string_view text) {
  for (;;) {
    size_t dot = text.find('.');
    if (!is_identifier(text.substr(0, dot))) return false;
    if (dot == text.npos) return true;
    text.remove_prefix(dot + 1);
  }
}

}  // namespace

std::expected<std::string, std::string_view> grpc_path_pattern(std::string_view name) {
  if (name.empty()) return std::unexpected("the service is missing");
  if (name.starts_with('/')) return std::unexpected("it begins with `/`");
  size_t slash = name.find('/');
  std::string_view service = name.substr(0, slash);
  if (!is_service(service)) return std::unexpected("a service is names joined by `.`");
  std::string path = "/" + std::string(service);
  if (slash == name.npos) return path + "/**";
  std::string_view method = name.substr(slash + 1);
  if (method == "*") return path + "/**";
  if (method.empty()) return std::unexpected("the method is missing");
  if (!is_identifier(method)) return std::unexpected("a method is one name, or `*`");
  return path + "/" + std::string(method);
}

}  // namespace http
