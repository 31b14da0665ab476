// Any bytes as what to return to after a login: whatever is accepted stays on the host for the plainest
// reader there could be, for one that treats it as browsers do, and for one that decodes it first.
#include <cstdlib>

#include "access/login_state.h"
#include "base/bytes.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::string decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' ? base::hex_decode(text.substr(i + 1, 2)) : std::nullopt;
    if (byte && byte->size() == 1) {
      out += *byte;
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// As the URL standard has browsers do it: tabs and line ends are dropped, white space at the ends is, and a
// backslash is a slash.
std::string as_browsers_read(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != '\t' && c != '\r' && c != '\n') out += c == '\\' ? '/' : c;
  }
  out.erase(0, std::min(out.size(), out.find_first_not_of(' ')));
  return out;
}

void require_on_host(std::string_view text) {
  const std::string read = as_browsers_read(text);
  require(read.starts_with('/') && !read.starts_with("//"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (!auth::check_return_to(text)) return 0;
  require(text.size() <= auth::kReturnToBytesMax);
  for (char c : text) require(c > 0x20 && c < 0x7F && c != '#');
  require(!text.starts_with(auth::kOwnPrefix));
  require_on_host(text);
  const std::string_view path = text.substr(0, text.find('?'));
  std::string decoded(path);
  for (int times = 0; times < 3; ++times) {
    decoded = decode(decoded);
    require_on_host(decoded);
    for (char c : decoded) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F && c != '\\');
    for (std::string_view dots : {"/./", "/../"}) require((decoded + '/').find(dots) == std::string::npos);
  }
  for (char c : decode(text)) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  return 0;
}
