// A Redis server in the simulated world that does what a test wants: answers, is silent, talks nonsense, goes
// away.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "io/resolver.h"
#include "io/sim.h"
#include "redis/client.h"
#include "tls/stream.h"

namespace redis::testing {

class TestServer {
 public:
  TestServer(io::SimWorld& sim, const io::Address& at) : sim_(sim), listener_(sim.network.listen(at)) {
    scope_.spawn(accept_all());
  }
  // Goes away with all its connections.
  ~TestServer() { scope_.cancel_all(); }

  // What to answer, in the protocol's bytes, in place of what the server would say itself.
  std::map<std::string, std::string> answers;  // by the command's first word
  bool silent = false;
  std::shared_ptr<const tls::ServerContext> tls;

  std::vector<std::string> commands;  // as they came, words joined by spaces; without PING
  size_t connections = 0;
  size_t pings = 0;
  size_t open() const { return scope_.size() - 1; }

 private:
  io::Task<> accept_all() {
    for (;;) {
      int error = 0;
      io::Address peer;
      while (auto stream = listener_->accept(peer, error)) {
        ++connections;
        scope_.spawn(serve(std::move(stream)));
      }
      co_await io::wait_for(sim_.loop, base::kNever, listener_->acceptable);
    }
  }

  io::Task<> serve(std::unique_ptr<io::Stream> stream) {
    if (tls != nullptr) {
      auto secure = tls::Stream::accept(std::move(stream), tls);
      if (!co_await secure->handshake(sim_.loop, base::kNever)) co_return;
      stream = std::move(secure);
    }
    ReplyReader reader;  // commands are lists of texts
    std::string out;
    for (;;) {
      std::array<char, 4096> bytes;
      io::IoResult got = stream->read(bytes);
      if (got.kind == io::IoResult::Kind::end || got.kind == io::IoResult::Kind::failed) co_return;
      reader.feed({bytes.data(), got.count});
      while (auto command = reader.next().value_or(std::nullopt)) out += answer(*command);
      while (!out.empty() && !silent) {
        iovec piece{out.data(), out.size()};
        io::IoResult sent = stream->write({&piece, 1});
        if (sent.kind == io::IoResult::Kind::failed) co_return;
        if (sent.kind == io::IoResult::Kind::would_block) break;
        out.erase(0, sent.count);
      }
      if (stream->may_read()) continue;
      co_await io::wait_for(sim_.loop, base::kNever, stream->readable(), stream->writable());
    }
  }

  std::string answer(const Reply& command) {
    const std::string& name = command.list[0].text;
    if (auto told = answers.find(name); told != answers.end()) {
      if (name != "PING") note(command);
      return told->second;
    }
    if (name == "PING") {
      ++pings;
      return "+PONG\r\n";
    }
    note(command);
    if (name != "ECHO") return "+OK\r\n";
    const std::string& text = command.list[1].text;
    return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
  }

  void note(const Reply& command) {
    std::string words;
    for (const Reply& word : command.list) words += (words.empty() ? "" : " ") + word.text;
    commands.push_back(std::move(words));
  }

  io::SimWorld& sim_;
  std::unique_ptr<io::Listener> listener_;
  io::Scope scope_;
};

class TableResolver final : public io::Resolver {
 public:
  io::Task<base::Result<io::Resolved>> resolve(std::string host, base::Instant) override {
    ++lookups;
    auto found = names.find(host);
    if (found == names.end()) co_return base::backend_error(base::Reason::dns_error, "there is no such name");
    co_return io::Resolved{.addresses = found->second, .ttl = base::seconds(60)};
  }
  std::map<std::string, std::vector<base::IpAddress>> names;
  size_t lookups = 0;
};

}  // namespace redis::testing
