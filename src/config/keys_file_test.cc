#include "config/keys_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

namespace config {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');
const std::string kOtherDigest = "sha256:" + std::string(64, 'b');

auth::ApiKeySpec key(std::string id, std::string digest) {
  auth::ApiKeySpec spec;
  spec.id = std::move(id);
  spec.digest = std::move(digest);
  spec.owner = "a \"quoted\": owner";
  spec.scopes = {"orders:read"};
  spec.created = base::WallTime{1'700'000'000'000'000'000};
  return spec;
}

std::vector<auth::ApiKeySpec> read(std::string_view text) {
  MemoryFiles files;
  files.write("keys.yaml", text);
  Diagnostics diagnostics;
  auto keys = load_keys(files, "keys.yaml", diagnostics);
  EXPECT_FALSE(has_errors(diagnostics)) << format_text(diagnostics, Style::plain) << text;
  return keys;
}

struct Shape {
  const char* name;
  std::string before;
  std::string kept;  // must still be there afterwards
};

class AddAndRemove : public testing::TestWithParam<Shape> {};

TEST_P(AddAndRemove, PreservesTheRest) {
  const Shape& shape = GetParam();
  size_t count = read(shape.before.empty() ? "keys: []" : shape.before).size();
  auto added = add_key(shape.before, key("new", kOtherDigest));
  ASSERT_TRUE(added) << added.error();
  EXPECT_NE(added->find(shape.kept), std::string::npos) << *added;
  auto keys = read(*added);
  ASSERT_EQ(keys.size(), count + 1) << *added;
  EXPECT_EQ(keys.back().id, "new");
  EXPECT_EQ(keys.back().owner, "a \"quoted\": owner");
  EXPECT_EQ(keys.back().scopes, std::vector<std::string>{"orders:read"});
  EXPECT_EQ(keys.back().created->ns, 1'700'000'000'000'000'000);

  auto removed = remove_key(*added, "new");
  ASSERT_TRUE(removed) << removed.error();
  EXPECT_NE(removed->find(shape.kept), std::string::npos) << *removed;
  EXPECT_EQ(read(*removed).size(), count) << *removed;
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, AddAndRemove,
    testing::Values(
        Shape{"nothing", "", ""}, Shape{"comment_only", "# our keys\n", "# our keys"},
        Shape{"empty_list", "# our keys\nkeys: []\n# end\n", "# end"}, Shape{"no_value", "keys:\n", ""},
        Shape{"no_line_end", "keys: []", ""},
        Shape{"indented",
              "keys:\n  # first\n  - id: a   # mine\n    digest: " + kDigest + "\n    owner: me\n# end\n",
              "- id: a   # mine"},
        Shape{"not_indented", "keys:\n- id: a\n  digest: " + kDigest + "\n  owner: me", "- id: a"},
        Shape{"dash_apart", "keys:\n  -\n    id: a\n    digest: " + kDigest + "\n    owner: me\n",
              "    id: a"},
        Shape{"flow_items", "keys:\n  - { id: a, digest: " + kDigest + ", owner: me }\n", "{ id: a"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(RemoveKey, TakesTheOneNamed) {
  std::string text = "keys:\n  - id: a\n    digest: " + kDigest +
                     "\n    owner: me\n  # about b\n  -\n    id: b\n    digest: " + kOtherDigest +
                     "\n    owner: you\n";
  auto removed = remove_key(text, "b");
  ASSERT_TRUE(removed);
  ASSERT_EQ(read(*removed).size(), 1U) << *removed;
  EXPECT_EQ(read(*removed)[0].id, "a");
  removed = remove_key(*removed, "a");
  ASSERT_TRUE(removed);
  EXPECT_TRUE(read(*removed).empty()) << *removed;
}

TEST(Edits, RefuseWhatTheyCannotDo) {
  std::string text = "keys:\n  - id: abc\n    digest: " + kDigest + "\n    owner: me\n";
  EXPECT_EQ(add_key(text, key("abc", kOtherDigest)).error(), "there is a key `abc` already");
  EXPECT_EQ(remove_key(text, "abd").error(), "there is no key `abd`; did you mean `abc`?");
  EXPECT_FALSE(add_key("keys: [", key("a", kDigest)));
  EXPECT_FALSE(add_key("other: 1\n", key("a", kDigest)));
  EXPECT_FALSE(add_key("keys: [{ id: x }]\n", key("a", kDigest)));
}

TEST(KeysOnDisk, AreReplacedWithModeSixHundred) {
  auto folder = std::filesystem::temp_directory_path() / ("gatehouse-keys-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::string path = folder / "keys.yaml";
  ASSERT_TRUE(add_key_to_file(path, key("a", kDigest)));
  ASSERT_TRUE(add_key_to_file(path, key("b", kOtherDigest)));
  ASSERT_TRUE(remove_key_from_file(path, "a"));
  EXPECT_FALSE(remove_key_from_file(path, "a"));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  Diagnostics diagnostics;
  auto keys = load_keys(DiskFiles(folder), "keys.yaml", diagnostics);
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_EQ(keys[0].id, "b");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);  // no temporary is left
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace config
