#include "control/state_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

#include "control/test_full_disk.h"
#include "gtest/gtest.h"

namespace control {
namespace {

class StateFolder : public ::testing::Test {
 protected:
  StateFolder() {
    std::string name = ::testing::TempDir() + "state_folder_XXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = folder_ + "/file";
  }
  ~StateFolder() override { std::filesystem::remove_all(folder_); }

  static std::string text_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static mode_t mode_of(const std::string& path) {
    struct stat status{};
    EXPECT_EQ(stat(path.c_str(), &status), 0);
    return status.st_mode & 07777;
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  std::string folder_;
  std::string path_;
};

TEST_F(StateFolder, IsForItsUserAloneAndNotForGit) {
  const std::string path = make_state_folder(folder_);
  EXPECT_EQ(path, folder_ + "/.gatehouse");
  EXPECT_EQ(mode_of(path), 0700u);
  EXPECT_EQ(text_of(path + "/.gitignore"), "*\n");
  EXPECT_EQ(make_state_folder(folder_), path);
}

TEST_F(StateFolder, ANewFileIsNeverInThePlaceOfAnother) {
  EXPECT_TRUE(write_new_file(path_, "one", 0600));
  EXPECT_EQ(mode_of(path_), 0600u);
  EXPECT_FALSE(write_new_file(path_, "two", 0600));
  EXPECT_EQ(errno, EEXIST);
  EXPECT_EQ(text_of(path_), "one");
  EXPECT_EQ(files(), 1u);
}

TEST_F(StateFolder, AReplacedFileIsTheNewOne) {
  EXPECT_TRUE(replace_file(path_, "one", 0644));
  EXPECT_TRUE(replace_file(path_, "two", 0600));
  EXPECT_EQ(text_of(path_), "two");
  EXPECT_EQ(mode_of(path_), 0600u);
  EXPECT_EQ(files(), 1u);
}

TEST_F(StateFolder, NoHalfOfAFileStays) {
  EXPECT_TRUE(replace_file(path_, "one", 0600));
  {
    testing::FullDisk full;
    EXPECT_FALSE(write_new_file(folder_ + "/other", "two", 0600));
    EXPECT_FALSE(replace_file(path_, "two", 0600));
    EXPECT_NE(errno, EEXIST);
  }
  EXPECT_EQ(text_of(path_), "one");
  EXPECT_EQ(files(), 1u);
}

TEST_F(StateFolder, OfManyWhoWriteAtOnceOneDoesAndAllReadIt) {
  for (int round = 0; round < 20; ++round) {
    const std::string path = path_ + std::to_string(round);
    std::string seen[4];
    bool wrote[4] = {};
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        wrote[i] = write_new_file(path, std::string(50'000, static_cast<char>('a' + i)), 0600);
        seen[i] = text_of(path);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::count(std::begin(wrote), std::end(wrote), true), 1);
    EXPECT_EQ(seen[0].size(), 50'000u);
    for (const std::string& text : seen) EXPECT_EQ(text, seen[0]);
  }
}

}  // namespace
}  // namespace control
