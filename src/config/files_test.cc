#include "config/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace config {
namespace {

// Permissions are not among the cases: whoever runs the tests as root has them all.
class OnDisk : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/gatehouse_files_XXXXXX";
    ASSERT_TRUE(mkdtemp(name));
    folder = name;
    std::filesystem::create_directory(folder + "/sub.yaml");
    std::ofstream(folder + "/file.yaml") << "text";
    std::filesystem::create_symlink("file.yaml", folder + "/good-link.yaml");
    std::filesystem::create_symlink("nothing", folder + "/bad-link.yaml");
    ASSERT_EQ(mkfifo((folder + "/pipe.yaml").c_str(), 0600), 0);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string folder;
};

TEST_F(OnDisk, ReadsFilesAndSaysWhatElseIsThere) {
  struct Case {
    std::string_view path;
    FileError error;
    bool has_identity;
  };
  constexpr Case kCases[] = {
      {"sub.yaml", FileError::not_a_file, true},         {"pipe.yaml", FileError::not_a_file, true},
      {"bad-link.yaml", FileError::dangling_link, true}, {"nothing.yaml", FileError::missing, false},
      {"nowhere/file.yaml", FileError::missing, false},
  };
  DiskFiles files(folder);
  for (const Case& c : kCases) {
    auto read = files.read(c.path, 100);
    ASSERT_FALSE(read) << c.path;
    EXPECT_EQ(read.error(), c.error) << c.path;
    EXPECT_EQ(files.identify(c.path).has_value(), c.has_identity) << c.path;
  }
  EXPECT_EQ(files.read("file.yaml", 100), "text");
  EXPECT_EQ(files.read("good-link.yaml", 100), "text");
  EXPECT_EQ(files.read("file.yaml", 3), std::unexpected(FileError::too_large));
  EXPECT_EQ(files.identify("file.yaml"), files.identify("good-link.yaml"));
  EXPECT_FALSE(files.identify("file.yaml/below"));
}

TEST_F(OnDisk, ListsWhateverStandsThere) {
  auto names = DiskFiles(folder).list("");
  ASSERT_TRUE(names);
  for (const char* name : {"sub.yaml", "file.yaml", "good-link.yaml", "bad-link.yaml", "pipe.yaml"}) {
    EXPECT_NE(std::ranges::find(*names, name), names->end()) << name;
  }
  EXPECT_EQ(DiskFiles(folder).list("nowhere"), std::vector<std::string>{});
  EXPECT_FALSE(DiskFiles(folder).list("file.yaml"));
}

}  // namespace
}  // namespace config
