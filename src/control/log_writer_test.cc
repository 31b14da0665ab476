// The access log's writer against what may stand at its other end: a file that is renamed, a reader that does
// not read, and one that has gone.
#include "control/log_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace control {
namespace {

class LogWriterTest : public ::testing::Test {
 protected:
  LogWriterTest() {
    std::string name = ::testing::TempDir() + "log_writer_XXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = folder_ + "/log";
  }
  ~LogWriterTest() override { std::filesystem::remove_all(folder_); }

  std::string text_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // A pipe by name, open for reading; closed by the test.
  int make_pipe() {
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    return open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  }

  std::string folder_;
  std::string path_;
  telemetry::LogRing ring_;
};

TEST_F(LogWriterTest, WhatWaitsIsWrittenBeforeItEnds) {
  LogWriter writer;
  writer.add_ring(ring_);
  ASSERT_EQ(writer.write_to(path_), "");
  writer.start();
  ring_.append("one\n");
  ring_.append("two\n");
  writer.stop();
  EXPECT_EQ(text_of(path_), "one\ntwo\n");
  EXPECT_EQ(writer.bytes_lost(), 0u);
}

TEST_F(LogWriterTest, APersonIsGivenText) {
  LogWriter writer;
  writer.add_ring(ring_);
  ASSERT_EQ(writer.write_to(path_, LogForm::text), "");
  writer.start();
  ring_.append("{\"method\":\"GET\",\"path\":\"/a\",\"status\":200}\n");
  writer.stop();
  EXPECT_EQ(text_of(path_), "  200  GET /a\n");
}

TEST_F(LogWriterTest, AReaderThatDoesNotReadDoesNotKeepTheProcess) {
  int reader = make_pipe();
  LogWriter writer;
  writer.add_ring(ring_);
  ASSERT_EQ(writer.write_to(path_), "");
  std::string line(1023, 'x');
  line += '\n';
  for (int i = 0; i < 1000; ++i) ring_.append(line);  // more than a pipe holds
  writer.start();
  writer.stop();
  EXPECT_GT(writer.bytes_lost(), 0u);
  close(reader);
}

TEST_F(LogWriterTest, AReaderThatHasGoneCostsOnlyItsLines) {
  std::signal(SIGPIPE, SIG_IGN);  // as Server::run does
  int reader = make_pipe();
  LogWriter writer;
  writer.add_ring(ring_);
  ASSERT_EQ(writer.write_to(path_), "");
  close(reader);
  writer.start();
  ring_.append("nobody reads this\n");
  writer.stop();
  EXPECT_EQ(writer.bytes_lost(), 18u);
}

}  // namespace
}  // namespace control
