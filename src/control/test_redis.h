// Debian's own redis-server, started by a test in a folder of its own, and everything that can happen to it.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace control::testing {

class RedisServer {
 public:
  // Only CI has to have it.
  static bool missing() { return access(kBinary, X_OK) != 0 && std::getenv("CI") == nullptr; }

  explicit RedisServer(std::vector<std::string> options = {}) : options_(std::move(options)) {
    char name[] = "/tmp/gatehouse-redis-XXXXXX";
    folder_ = mkdtemp(name);
    start();
  }
  ~RedisServer() {
    if (pid_ > 0) send(SIGKILL);
    std::filesystem::remove_all(folder_);
  }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  const std::string& folder() const { return folder_; }
  std::string socket() const { return folder_ + "/socket"; }
  std::string url() const { return "unix:" + socket(); }

  void start() {
    pid_ = fork();
    if (pid_ == 0) run();
    for (int i = 0; i < 2000 && !answers(); ++i) usleep(5000);
    ASSERT_TRUE(answers()) << "redis-server does not start";
  }
  void stop() { send(SIGTERM); }
  void pause() { kill(pid_, SIGSTOP); }
  void go_on() { kill(pid_, SIGCONT); }

  // Sent as it is: "FLUSHALL", or what redis::append_command() makes. All of what comes back.
  std::string tell(std::string_view commands) {
    constexpr std::string_view kEnd = "$13\r\ngatehouse-end\r\n";
    int fd = connect();
    if (fd < 0) return "cannot connect";
    std::string text = std::string(commands) + "\r\nECHO gatehouse-end\r\n";
    for (size_t sent = 0; sent < text.size();) {
      ssize_t count = write(fd, text.data() + sent, text.size() - sent);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    std::string answer;
    while (!answer.ends_with(kEnd)) {
      char bytes[8192];
      ssize_t size = read(fd, bytes, sizeof bytes);
      if (size <= 0) break;
      answer.append(bytes, static_cast<size_t>(size));
      if (answer.ends_with("required.\r\n")) break;  // no password, no echo
    }
    close(fd);
    if (answer.ends_with(kEnd)) answer.resize(answer.size() - kEnd.size());
    return answer;
  }

 private:
  static constexpr char kBinary[] = "/usr/bin/redis-server";

  [[noreturn]] void run() {
    std::vector<std::string> words = {kBinary, "--port", "0",         "--unixsocket",  socket(),
                                      "--dir", folder_,  "--logfile", folder_ + "/log"};
    words.insert(words.end(), options_.begin(), options_.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execv(kBinary, arguments.data());
    _exit(127);
  }

  void send(int signal) {
    kill(pid_, signal);
    if (signal != SIGKILL) kill(pid_, SIGCONT);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  int connect() {
    int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket().copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
    close(fd);
    return -1;
  }
  bool answers() {
    std::string answer = tell("PING");
    return answer == "+PONG\r\n" || answer.starts_with("-NOAUTH");
  }

  std::vector<std::string> options_;
  std::string folder_;
  pid_t pid_ = -1;
};

}  // namespace control::testing
