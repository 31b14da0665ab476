#include "io/socket.h"

#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "io/clock.h"
#include "io/epoll.h"
#include "io/task.h"

namespace io {
namespace {

using Kind = IoResult::Kind;

Address loopback(uint16_t port = 0) {
  Address address;
  address.ip.bytes = {127, 0, 0, 1};
  address.port = port;
  return address;
}

std::string write_all(Stream& stream, std::string_view bytes) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  IoResult result = stream.write({&piece, 1});
  return result.kind == Kind::bytes ? std::to_string(result.count) : "failed";
}

struct SocketTest : testing::TestWithParam<bool> {
  std::unique_ptr<Poller> poller = make_epoll_poller();
  Loop loop{system_clock(), *poller};
  SocketNetwork network{loop};
  std::string directory = [] {
    std::string path = testing::TempDir() + "gatehouse_socket_XXXXXX";
    return std::string(mkdtemp(path.data()));
  }();
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;

  ~SocketTest() override {
    unlink(unix_address().path.c_str());
    rmdir(directory.c_str());
  }
  Address unix_address() const {
    Address address;
    address.kind = Address::Kind::unix_path;
    address.path = directory + "/s";
    return address;
  }
  template <class Done>
  void turn_until(Done done) {
    base::Instant end = loop.clock().now() + base::seconds(20);
    while (!done()) {
      ASSERT_LT(loop.clock().now(), end);
      loop.turn(end);
    }
  }
  void connect_pair() {
    auto sockets = open_listening_sockets(GetParam() ? unix_address() : loopback(), 1);
    ASSERT_TRUE(sockets) << sockets.error();
    listener = make_listener(loop, sockets->front());
    int error = 0;
    client = network.connect(listener->local_address(), error);
    ASSERT_NE(client, nullptr) << error;
    Address peer;
    turn_until([&] { return (server = listener->accept(peer, error)) != nullptr; });
    turn_until([&] { return client->connect_error() == 0; });
  }
  std::string read_some(Stream& stream, size_t most = 4096) {
    std::string bytes(most, '\0');
    IoResult result = stream.read(bytes);
    switch (result.kind) {
      case Kind::bytes:
        return bytes.substr(0, result.count);
      case Kind::would_block:
        return "(would block)";
      case Kind::end:
        return "(end)";
      case Kind::failed:
        return "(failed " + std::to_string(result.error) + ")";
    }
    return "";
  }
};

TEST_P(SocketTest, AShortReadHasDrained) {
  connect_pair();
  EXPECT_FALSE(server->may_read());
  EXPECT_EQ(read_some(*server), "(would block)");
  EXPECT_EQ(write_all(*client, "hello"), "5");
  turn_until([&] { return server->may_read(); });
  EXPECT_EQ(read_some(*server, 3), "hel");
  EXPECT_TRUE(server->may_read());
  EXPECT_EQ(read_some(*server, 3), "lo");
  EXPECT_FALSE(server->may_read());
  EXPECT_EQ(write_all(*client, "more"), "4");
  turn_until([&] { return server->may_read(); });
  EXPECT_EQ(read_some(*server), "more");
}

TEST_P(SocketTest, BytesAndTheEndTogether) {
  connect_pair();
  write_all(*client, "last words");
  client->shutdown_write();
  turn_until([&] { return server->may_read(); });
  std::string all;
  turn_until([&] {
    std::string piece = read_some(*server);
    if (piece[0] != '(') all += piece;
    return piece == "(end)";
  });
  EXPECT_EQ(all, "last words");
  EXPECT_TRUE(server->may_read());  // the end can be read again
  EXPECT_EQ(read_some(*server), "(end)");
  // Half-closed: the answer still arrives, and nobody is taken for gone.
  EXPECT_FALSE(server->peer_gone());
  EXPECT_EQ(write_all(*server, "answer"), "6");
  turn_until([&] { return client->may_read(); });
  EXPECT_EQ(read_some(*client), "answer");
}

TEST_P(SocketTest, AResetIsSeenByWhoeverWaits) {
  connect_pair();
  bool woken = false;
  auto wait = [&]() -> Task<> {
    while (!server->peer_gone()) co_await wait_for(loop, base::kNever, server->gone());
    woken = true;
  };
  Scope scope;
  scope.spawn(wait());
  client->reset_on_close();
  client.reset();
  turn_until([&] { return woken; });
  EXPECT_TRUE(server->may_read());
  std::string seen = read_some(*server);
  EXPECT_EQ(seen, GetParam() ? "(end)" : "(failed " + std::to_string(ECONNRESET) + ")");
  EXPECT_EQ(write_all(*server, "x"), "failed");
}

TEST_P(SocketTest, AFullSocketTakesNoMoreUntilItIsRead) {
  connect_pair();
  std::string block(1 << 20, 'x');
  size_t sent = 0;
  for (;;) {
    iovec piece{block.data(), block.size()};
    IoResult result = client->write({&piece, 1});
    if (result.kind == Kind::would_block) break;
    ASSERT_EQ(result.kind, Kind::bytes);
    sent += result.count;
  }
  bool writable = false;
  auto wait = [&]() -> Task<> {
    co_await wait_for(loop, base::kNever, client->writable());
    writable = true;
  };
  Scope scope;
  scope.spawn(wait());
  size_t received = 0;
  turn_until([&] {
    for (;;) {
      IoResult result = server->read(block);
      if (result.kind != Kind::bytes) break;
      received += result.count;
    }
    return writable && received == sent;
  });
}

INSTANTIATE_TEST_SUITE_P(Each, SocketTest, testing::Bool(),
                         [](const auto& info) { return std::string(info.param ? "unix" : "tcp"); });

using Listening = SocketTest;

TEST_F(Listening, ConnectRefused) {
  auto sockets = open_listening_sockets(loopback(), 1);
  ASSERT_TRUE(sockets);
  Address closed = socket_address(sockets->front());
  close(sockets->front());
  int error = 0;
  client = network.connect(closed, error);
  if (client != nullptr) {
    turn_until([&] { return (error = client->connect_error()) != EINPROGRESS; });
  }
  EXPECT_EQ(error, ECONNREFUSED);

  EXPECT_EQ(network.connect(unix_address(), error), nullptr);
  EXPECT_EQ(error, ENOENT);
  Address too_long = unix_address();
  too_long.path = std::string(200, 'x');
  EXPECT_EQ(network.connect(too_long, error), nullptr);
  EXPECT_EQ(error, ENAMETOOLONG);
}

TEST_F(Listening, WorkersShareThePortTheFirstWasGiven) {
  auto sockets = open_listening_sockets(loopback(), 4);
  ASSERT_TRUE(sockets) << sockets.error();
  ASSERT_EQ(sockets->size(), 4u);
  uint16_t port = socket_address(sockets->front()).port;
  EXPECT_NE(port, 0);
  for (int fd : *sockets) EXPECT_EQ(socket_address(fd).port, port);
  // Another gate must not join them in silence.
  auto second = open_listening_sockets(loopback(port), 1);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(),
            "cannot listen on 127.0.0.1:" + std::to_string(port) + ": Address already in use");
  for (int fd : *sockets) close(fd);
  auto third = open_listening_sockets(loopback(port), 2);
  ASSERT_TRUE(third) << third.error();
  for (int fd : *third) close(fd);
}

TEST_F(Listening, AStaleUnixSocketIsTakenOverALiveOneIsNot) {
  auto first = open_listening_sockets(unix_address(), 2);
  ASSERT_TRUE(first) << first.error();
  EXPECT_FALSE(open_listening_sockets(unix_address(), 1));
  for (int fd : *first) close(fd);
  EXPECT_EQ(access(unix_address().path.c_str(), F_OK), 0);
  auto second = open_listening_sockets(unix_address(), 1);
  ASSERT_TRUE(second) << second.error();
  for (int fd : *second) close(fd);
}

// With nothing masked the file has its mode from the start: no change of it is seen. What a mask takes away
// is given back by the one change there is.
TEST_F(Listening, AUnixSocketHasItsModeAndNeverAWiderOne) {
  const struct {
    mode_t mask;
    uint32_t mode;
    bool changed;
  } cases[] = {{0, 0660, false}, {0, 0600, false}, {022, 0660, true}, {077, 0666, true}, {022, 0600, false}};
  for (const auto& c : cases) {
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    inotify_add_watch(watch, directory.c_str(), IN_ATTRIB);
    mode_t mask = umask(c.mask);
    auto sockets = open_listening_sockets(unix_address(), 1, c.mode);
    umask(mask);
    ASSERT_TRUE(sockets) << sockets.error();
    char event[4096];
    EXPECT_EQ(read(watch, event, sizeof event) > 0, c.changed) << c.mode;
    close(watch);
    struct stat status{};
    ASSERT_EQ(stat(unix_address().path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, c.mode);
    EXPECT_EQ(set_unix_mode(unix_address().path, 0640), "");
    ASSERT_EQ(stat(unix_address().path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0640u);
    close(sockets->front());
    unlink(unix_address().path.c_str());
  }
  EXPECT_EQ(set_unix_mode(unix_address().path, 0640),
            "cannot set the mode of unix:" + unix_address().path + ": No such file or directory");
}

TEST_F(Listening, WhatIsNoSocketIsLeftAlone) {
  std::string path = unix_address().path;
  FILE* file = fopen(path.c_str(), "w");
  fclose(file);
  auto refused = open_listening_sockets(unix_address(), 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "cannot listen on unix:" + path + ": Address already in use");
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
}

TEST_F(Listening, SaysWhatIsWrongWithAUnixPath) {
  Address nowhere = unix_address();
  nowhere.path = directory + "/missing/s";
  auto refused = open_listening_sockets(nowhere, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "cannot listen on unix:" + nowhere.path + ": No such file or directory");
}

}  // namespace
}  // namespace io
