// The strict JSON layer: whatever it accepts has no name twice, keeps its bounds, and means the same when
// written down and read again. Key sets are parsed from the same bytes.

#include <cstdlib>
#include <set>

#include "access/json.h"
#include "access/jwks.h"
#include "base/bytes.h"

namespace {

using auth::JsonKind;
using auth::JsonValue;

constexpr auth::JsonLimits kLimits{.bytes = 16 * 1024, .depth = 16, .values = 2048};

void require(bool holds) {
  if (!holds) std::abort();
}

struct Walk {
  std::string out;
  uint32_t values = 0;
};

void walk(JsonValue value, uint32_t depth, Walk& state) {
  require(depth <= kLimits.depth && ++state.values <= kLimits.values);
  if (value.kind() < JsonKind::array) {
    if (value.kind() == JsonKind::string) {
      state.out += base::json_quoted(value.text());
    } else {
      state.out += value.text();
    }
    return;
  }
  bool object = value.kind() == JsonKind::object;
  std::set<std::string_view> names;
  state.out += object ? '{' : '[';
  for (JsonValue child = value.first(); child; child = child.next()) {
    if (state.out.back() != '{' && state.out.back() != '[') state.out += ',';
    if (object) {
      require(names.insert(child.name()).second);
      require(value.member(child.name()).name() == child.name());
      require(static_cast<bool>(value.find(child.name())));
      state.out += base::json_quoted(child.name()) + ":";
    }
    walk(child, depth + (child.kind() >= JsonKind::array ? 1 : 0), state);
  }
  state.out += object ? '}' : ']';
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto keys = auth::parse_key_set(text)) {
    require(!(*keys)->keys().empty() && (*keys)->keys().size() <= auth::kKeySetKeysMax);
    for (const auto& key : (*keys)->keys()) require(!key.key.verify(crypto::Algorithm::rs256, text, text));
  }
  auto tree = auth::parse_json(text, kLimits);
  if (!tree) return 0;
  Walk once;
  walk(tree->root(), 0, once);
  // Escapes can make the written form longer than the bound on what is read.
  auto again = auth::parse_json(once.out, {.bytes = 1 << 20, .depth = 16, .values = 2048});
  require(again.has_value());
  Walk twice;
  walk(again->root(), 0, twice);
  require(once.out == twice.out);
  return 0;
}
