// One connection to a Redis server, kept up for as long as this lives: commands in, replies out, many under
// way at once, what is asked in one turn of the loop sent together. Made and used on its loop's thread; never
// blocks it. Knows nothing of what the commands are for.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "io/loop.h"
#include "io/resolver.h"
#include "io/stream.h"
#include "io/task.h"
#include "redis/reply.h"
#include "redis/target.h"

namespace tls {
class ClientContext;
}

namespace redis {

struct ClientParts {
  io::Loop& loop;
  io::Network& network;
  io::Resolver& resolver;
  std::shared_ptr<const tls::ClientContext> tls;  // for a target that asks for it
};

using Replies = std::vector<Reply>;  // one a command, in their order

inline constexpr base::Duration kPatience = base::seconds(1);
inline constexpr size_t kCallsWaitingMax = 10'000;

class Client {
 public:
  Client(const ClientParts& parts, Target target);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Fails within patience, with a sentence, when the server cannot be reached or does not answer: what was
  // sent by then may have been done nevertheless. A call waits as long for a connection that is just being
  // made. An error of the server's is a reply. Destroying the task takes back what has not been sent. The
  // client outlives its tasks.
  io::Task<std::expected<Replies, std::string>> ask(std::vector<Command> commands,
                                                    base::Duration patience = kPatience);

  // Why there is no connection, or what became of the last; empty: all is well.
  const std::string& problem() const { return problem_; }
  const Target& target() const { return target_; }

 private:
  struct Call;
  struct Link;
  using Outcome = std::expected<void, std::string>;

  io::Task<> run();
  io::Task<std::expected<std::unique_ptr<io::Stream>, std::string>> connect(base::Instant deadline);
  io::Task<std::expected<std::unique_ptr<io::Stream>, std::string>> connect_to(const io::Address& address,
                                                                               base::Instant deadline);
  io::Task<Outcome> shake_hands(std::unique_ptr<io::Stream>& stream, base::Instant deadline);
  io::Task<Outcome> greet(Link& link, base::Instant deadline);
  io::Task<std::string> converse(Link& link);  // until the connection fails: why
  void fill(Link& link);
  void send(Link& link, std::shared_ptr<Call> call);
  Outcome deliver(Link& link);
  void fail_sent(const std::string& why);

  ClientParts parts_;
  Target target_;
  std::string problem_;
  std::deque<std::shared_ptr<Call>> waiting_;
  std::deque<std::shared_ptr<Call>> sent_;
  io::Signal called_;
  io::Task<> task_;
};

}  // namespace redis
