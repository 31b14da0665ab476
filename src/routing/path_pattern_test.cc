#include "routing/path_pattern.h"

#include <rapidcheck/gtest.h>

#include "gtest/gtest.h"

namespace routing {
namespace {

PathPattern pattern(std::string_view text) {
  auto parsed = PathPattern::parse(text);
  EXPECT_TRUE(parsed) << text << ": " << (parsed ? "" : parsed.error());
  return *parsed;
}

TEST(PathPattern, CoversByWholeSegments) {
  struct Case {
    std::string_view pattern;
    std::string_view path;
    bool covers;
  } const cases[] = {
      {"/", "/", true},
      {"/", "/anything/at/all", true},
      {"/**", "/", true},
      {"/**", "/a/b", true},
      {"/orders", "/orders", true},
      {"/orders", "/orders/", true},
      {"/orders", "/orders/7", true},
      {"/orders", "/orders-old", false},
      {"/orders", "/order", false},
      {"/orders", "/Orders", false},
      {"/orders", "/", false},
      {"/orders", "/x/orders", false},
      {"/orders/**", "/orders", true},
      {"/orders/**", "/orders/7/items", true},
      {"/orders/**", "/orders-old", false},
      {"/orders/{id}", "/orders/7", true},
      {"/orders/{id}", "/orders/7/items", true},
      {"/orders/{id}", "/orders", false},
      {"/orders/{id}", "/orders/", false},
      {"/orders/{id}/items", "/orders/7/items", true},
      {"/orders/{id}/items", "/orders/7/items-old", false},
      {"/orders/{id}/items", "/orders/7/8/items", false},
      {"/{a}/{b}", "/x/y", true},
      {"/{a}/{b}", "/x", false},
      {"/a;v=1", "/a;v=1", true},
      {"/a", "/a;v=1", false},
      {"/a%2Fb", "/a%2Fb", true},
      {"/a%20b", "/a%20b/c", true},
      {"/.well-known/x", "/.well-known/x", true},
      {"/", "*", false},
      {"/", "", false},
      {"/a", "a", false},
  };
  for (const Case& c : cases)
    EXPECT_EQ(pattern(c.pattern).covers(c.path), c.covers) << c.pattern << " on " << c.path;
}

TEST(PathPattern, ADenialCoversWhatABackendMayTakeForIt) {
  struct {
    const char* pattern;
    const char* path;
    bool covered;
  } cases[] = {
      {"/admin", "/admin", true},
      {"/admin", "/admin;x", true},
      {"/admin", "/admin;x=1/users", true},
      {"/admin", "/admin%3Bx", true},
      {"/admin", "/%3Badmin", false},
      {"/admin", "/admins;x", false},
      {"/admin", "/;x/admin", true},
      {"/admin", "/;x/;y/admin;z", true},
      {"/admin", "/public/admin;x", false},
      {"/admin", "/admin%2Fx", true},
      {"/admin", "/admin%2F", true},
      {"/admin", "/%2Fadmin", true},
      {"/admin", "/;x%2Fadmin", true},
      {"/admin", "/adm%2Fin", false},
      {"/a/b", "/a%2Fb", true},
      {"/a/b", "/a;x%2Fb;y", true},
      {"/a/b", "/a%2F%2Fb", true},
      {"/a/b", "/a", false},
      {"/a/b", "/a;/b", true},
      {"/a%2Fb", "/a/b", true},
      {"/a%2Fb", "/a%2Fb;x", true},
      {"/a;v=1", "/a;v=1", true},
      {"/a;v=1", "/a;v%3D1", true},
      {"/a;v=1", "/a", false},
      {"/;x", "/a", false},
      {"/orders/{id}/secret", "/orders/7;x/secret", true},
      {"/orders/{id}/secret", "/orders/7%2F8/secret;x", true},
      {"/orders/{id}/secret", "/orders%2F7%2Fsecret", true},
      {"/orders/{id}/secret", "/orders/;x/7/secret", true},
      {"/orders/{id}/secret", "/orders/7%2F8/open", false},
      {"/orders/**", "/orders;x", true},
      {"/users:export", "/users%3Aexport;x", true},
      {"/", "/;x", true},
      {"/**", "/%2F", true},
      {"/admin", "*", false},
  };
  for (const auto& c : cases) {
    PathPattern pattern = *PathPattern::parse(c.pattern);
    EXPECT_EQ(pattern.covers_any_spelling(c.path), c.covered) << c.pattern << " " << c.path;
    if (!c.covered) EXPECT_FALSE(pattern.covers(c.path)) << c.pattern << " " << c.path;
  }
}

TEST(PathPattern, KeepsItsTextAndSegments) {
  PathPattern all = pattern("/a/{id}/**");
  EXPECT_EQ(all.text(), "/a/{id}/**");
  EXPECT_EQ(all.segments(), (std::vector<std::string>{"a", "{id}"}));
  EXPECT_TRUE(pattern("/").segments().empty());
  EXPECT_TRUE(pattern("/**").segments().empty());
}

TEST(PathPattern, SaysWhatIsWrong) {
  struct Case {
    std::string_view text;
    std::string_view error;
  } const cases[] = {
      {"", "a path begins with '/'"},
      {"orders", "a path begins with '/'"},
      {"**", "a path begins with '/'"},
      {"//", "a path has no empty segments: leave out the doubled or trailing '/'"},
      {"/a//b", "a path has no empty segments: leave out the doubled or trailing '/'"},
      {"/a/", "a path has no empty segments: leave out the doubled or trailing '/'"},
      {"/a/**/", "'**' stands only at the end"},
      {"/a/./b", "a path has no '.' or '..' segments"},
      {"/..", "a path has no '.' or '..' segments"},
      {"/a/**/b", "'**' stands only at the end"},
      {"/a/*", "'*' is no wildcard here: write {name} for one segment, or '**' at the end"},
      {"/a*", "'*' is no wildcard here: write {name} for one segment, or '**' at the end"},
      {"/a**", "'*' is no wildcard here: write {name} for one segment, or '**' at the end"},
      {"/{}", "a parameter is a name in braces such as {id}, and \"{}\" is not"},
      {"/{1}", "a parameter is a name in braces such as {id}, and \"{1}\" is not"},
      {"/{a b}", "a parameter is a name in braces such as {id}, and \"{a b}\" is not"},
      {"/{a}{b}", "a parameter is a name in braces such as {id}, and \"{a}{b}\" is not"},
      {"/x{a}", "a parameter is a whole segment, and \"x{a}\" is not"},
      {"/{a}.json", "a parameter is a whole segment, and \"{a}.json\" is not"},
      {"/{", "a parameter is a whole segment, and \"{\" is not"},
      {"/}", "a parameter is a whole segment, and \"}\" is not"},
      {"/{a}/{a}", "the parameter \"{a}\" stands twice"},
      {"/a?b=1", "a path has no query: only the path is matched"},
      {"/a#b", "a path has no '#'"},
      {"/a b", "the character \" \" never stands in a path unescaped"},
      {"/a\\b", "the character \"\\\\\" never stands in a path unescaped"},
      {"/%", "a '%' in a path is followed by two hexadecimal digits"},
      {"/%2", "a '%' in a path is followed by two hexadecimal digits"},
      {"/%zz", "a '%' in a path is followed by two hexadecimal digits"},
      {"/%2f", "escapes are written with upper-case digits, and \"%2f\" is not"},
      {"/%41", "write \"A\" instead of \"%41\": paths are matched decoded"},
      {"/%2E%2E", "write \".\" instead of \"%2E\": paths are matched decoded"},
      {"/%25", "a path with \"%25\" is always refused"},
      {"/%00", "a path with \"%00\" is always refused"},
      {"/%5C", "a path with \"%5C\" is always refused"},
  };
  for (const Case& c : cases) {
    auto parsed = PathPattern::parse(c.text);
    ASSERT_FALSE(parsed) << c.text;
    EXPECT_EQ(parsed.error(), c.error) << c.text;
  }
  EXPECT_FALSE(PathPattern::parse("/caf\xC3\xA9"));
  EXPECT_FALSE(PathPattern::parse(std::string_view("/a\0b", 4)));
}

// What the words of the glossary say, without regard for cost.
std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  for (char c : path) {
    if (c == '/') {
      segments.emplace_back();
    } else {
      segments.back() += c;
    }
  }
  return segments;
}

bool covers_naively(std::string_view pattern, std::string_view path) {
  std::vector<std::string> wanted = split(pattern);
  if (wanted.back() == "**" || pattern == "/") wanted.pop_back();
  std::vector<std::string> given = split(path);
  if (given.size() < wanted.size()) return false;
  for (size_t i = 0; i < wanted.size(); ++i) {
    bool fits = wanted[i].front() == '{' ? !given[i].empty() : given[i] == wanted[i];
    if (!fits) return false;
  }
  return true;
}

// Few words, so that patterns and paths meet often.
rc::Gen<std::string> some_path(std::vector<std::string> words) {
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(std::move(words))),
                      [](const std::vector<std::string>& segments) {
                        std::string path;
                        for (const std::string& segment : segments) path += "/" + segment;
                        return path.empty() ? std::string("/") : path;
                      });
}

RC_GTEST_PROP(PathPatternProperty, AgreesWithTheNaiveReading, ()) {
  std::string text = *rc::gen::resize(4, some_path({"a", "b", "ab", "{x}"}));
  if (*rc::gen::arbitrary<bool>()) text += text == "/" ? "**" : "/**";
  std::string path = *rc::gen::resize(5, some_path({"a", "b", "ab", "a-", "c"}));
  if (*rc::gen::arbitrary<bool>() && path != "/") path += "/";
  auto parsed = PathPattern::parse(text);
  if (!parsed) {
    RC_ASSERT(parsed.error() == "the parameter \"{x}\" stands twice");
    return;
  }
  RC_CLASSIFY(parsed->covers(path));
  RC_ASSERT(parsed->covers(path) == covers_naively(text, path));
}

RC_GTEST_PROP(PathPatternProperty, CoversItselfAndAllBelow, ()) {
  std::string text = *rc::gen::resize(6, some_path({"a", "b", "ab"}));
  std::string below = *rc::gen::resize(3, some_path({"a", "z"}));
  PathPattern parsed = *PathPattern::parse(text);
  RC_ASSERT(parsed.covers(text));
  RC_ASSERT(parsed.covers(text == "/" ? below : text + below));
  if (text != "/") RC_ASSERT(!parsed.covers(text + "x"));
}

}  // namespace
}  // namespace routing
