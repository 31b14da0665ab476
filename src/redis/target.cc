#include "redis/target.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"

namespace redis {
namespace {

constexpr uint16_t kPort = 6379;
constexpr uint64_t kDatabaseMax = 1'000'000;

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != '%') {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    auto byte = text.size() < 3 ? std::nullopt : base::hex_decode(text.substr(1, 2));
    if (!byte) return std::nullopt;
    out += *byte;
    text.remove_prefix(3);
  }
  return out;
}

// "USER:PASSWORD", in front of the '@'.
bool take_credentials(std::string_view text, Target& target) {
  size_t colon = text.find(':');
  if (colon == text.npos) return false;
  auto user = percent_decode(text.substr(0, colon));
  auto password = percent_decode(text.substr(colon + 1));
  if (!user || !password || password->empty()) return false;
  target.user = std::move(*user);
  target.password = std::move(*password);
  return true;
}

bool take_database(std::string_view text, Target& target) {
  auto number = base::parse_unsigned(text);
  if (!number || *number > kDatabaseMax) return false;
  target.database = static_cast<uint32_t>(*number);
  return true;
}

bool take_socket(std::string_view path, Target& target) {
  size_t query = path.find('?');
  if (query != path.npos) {
    std::string_view parameter = path.substr(query + 1);
    if (!parameter.starts_with("db=") || !take_database(parameter.substr(3), target)) return false;
    path = path.substr(0, query);
  }
  auto where = io::parse_host_port("unix:" + std::string(path));
  if (!where || !path.starts_with('/')) return false;
  target.where = std::move(*where);
  return true;
}

bool take_host(std::string authority, Target& target) {
  bool has_port = authority.rfind(':') != authority.npos && !authority.ends_with(']');
  if (!has_port) authority += ":" + std::to_string(kPort);
  auto where = io::parse_host_port(authority);
  if (!where || where->host.empty() || where->port == 0 || !where->unix_path.empty()) return false;
  target.where = std::move(*where);
  return true;
}

bool take_after_scheme(std::string_view scheme, std::string_view rest, Target& target) {
  std::string_view authority = rest.substr(0, rest.find('/'));
  std::string_view path = rest.substr(authority.size());
  if (size_t at = authority.rfind('@'); at != authority.npos) {
    if (!take_credentials(authority.substr(0, at), target)) return false;
    authority.remove_prefix(at + 1);
  }
  if (scheme == "unix") return authority.empty() && take_socket(path, target);
  if (scheme == "rediss") target.security = Target::Security::tls;
  return take_host(std::string(authority), target) &&
         (path.size() < 2 || take_database(path.substr(1), target));
}

}  // namespace

std::expected<Target, std::string> parse_target(std::string_view url) {
  Target target;
  std::string_view scheme = url.substr(0, url.find(':'));
  std::string_view rest = url.substr(std::min(scheme.size() + 1, url.size()));
  bool known = scheme == "redis" || scheme == "rediss" || scheme == "unix";
  bool has_authority = rest.starts_with("//");
  if (has_authority) rest.remove_prefix(2);
  if (known && (has_authority ? take_after_scheme(scheme, rest, target)
                              : scheme == "unix" && take_socket(rest, target))) {
    return target;
  }
  return std::unexpected(
      "this is not the URL of a Redis server: redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], the same "
      "with "
      "rediss:// for TLS, or unix:/PATH[?db=DATABASE]; in a password '/', '?', '@' and '%' are written %2F, "
      "%3F, "
      "%40 and %25");
}

std::string describe(const Target& target) {
  std::string database = std::to_string(target.database);
  if (!target.where.unix_path.empty()) return "unix:" + target.where.unix_path + "?db=" + database;
  std::string scheme = target.security == Target::Security::tls ? "rediss://" : "redis://";
  return scheme + io::format_host_port(target.where) + "/" + database;
}

}  // namespace redis
