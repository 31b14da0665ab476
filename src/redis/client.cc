#include "redis/client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tls/stream.h"

namespace redis {
namespace {

using Kind = io::IoResult::Kind;

constexpr base::Duration kConnectPatience = base::seconds(3);
constexpr base::Duration kPauseFirst = base::milliseconds(50);  // between two tries to connect
constexpr base::Duration kPauseMax = base::seconds(2);
// A connection that is silent for this long is asked whether it is still there: middle boxes forget idle ones
// without a word.
constexpr base::Duration kQuietMax = base::seconds(10);
constexpr size_t kOutBytesMax = 256 * 1024;
constexpr size_t kReadBytesMax = 256 * 1024;  // at once, before others have their turn
constexpr size_t kSentMax = 10'000;

std::string no_answer(base::Duration patience) {
  return "no answer within " + std::to_string(patience.milliseconds()) + " ms";
}

io::Address to_address(const io::HostPort& where, const base::IpAddress& ip) {
  if (!where.unix_path.empty()) {
    return {.kind = io::Address::Kind::unix_path, .ip = {}, .port = 0, .path = where.unix_path};
  }
  return {.ip = ip, .port = where.port, .path = {}};
}

}  // namespace

// Belongs to who waits for it, and to the client from when it is sent until its replies have come.
struct Client::Call {
  Call(const std::vector<Command>& commands, base::Duration patience)
      : wanted(commands.size()), patience(patience) {
    for (const Command& command : commands) append_command(bytes, command);
  }

  std::string bytes;
  size_t wanted;  // replies
  base::Duration patience;
  base::Instant due;  // from when it is sent
  Replies replies;
  std::string failure;
  bool done = false;
  io::Signal answered;

  void finish() {
    done = true;
    answered.fire();
  }
};

// An open connection.
struct Client::Link {
  explicit Link(std::unique_ptr<io::Stream> open) : stream(std::move(open)) {}

  std::unique_ptr<io::Stream> stream;
  std::string out;
  size_t out_sent = 0;
  ReplyReader reader;
  base::Instant heard;

  // As much as goes without waiting.
  Outcome send() {
    while (out_sent < out.size()) {
      iovec piece{out.data() + out_sent, out.size() - out_sent};
      io::IoResult result = stream->write({&piece, 1});
      if (result.kind == Kind::would_block) return {};
      if (result.kind != Kind::bytes) return std::unexpected(lost(result));
      out_sent += result.count;
    }
    out.clear();
    out_sent = 0;
    return {};
  }

  Outcome receive(base::Instant now) {
    std::array<char, 16 * 1024> bytes;
    for (size_t total = 0; total < kReadBytesMax;) {
      io::IoResult result = stream->read(bytes);
      if (result.kind == Kind::would_block) break;
      if (result.kind != Kind::bytes) return std::unexpected(lost(result));
      reader.feed({bytes.data(), result.count});
      total += result.count;
      heard = now;
    }
    return {};
  }

  static std::string lost(const io::IoResult& result) {
    if (result.kind == Kind::end) return "the server closed the connection";
    return std::string("the connection is lost: ") + std::strerror(result.error);
  }
};

Client::Client(const ClientParts& parts, Target target)
    : parts_(parts), target_(std::move(target)), task_(run()) {
  task_.start();
}

Client::~Client() = default;

io::Task<std::expected<Replies, std::string>> Client::ask(std::vector<Command> commands,
                                                          base::Duration patience) {
  // Those whose askers gave up are at the front: they came first.
  while (!waiting_.empty() && waiting_.front().use_count() == 1) waiting_.pop_front();
  if (waiting_.size() >= kCallsWaitingMax) {
    co_return std::unexpected(std::to_string(kCallsWaitingMax) + " calls wait for " + describe(target_) +
                              " already");
  }
  base::Instant deadline = parts_.loop.clock().now() + patience;
  auto call = std::make_shared<Call>(commands, patience);
  waiting_.push_back(call);
  called_.fire();
  while (!call->done) {
    io::Wake wake = co_await io::wait_for(parts_.loop, deadline, call->answered);
    if (wake == io::Wake::timed_out && !call->done) {
      co_return std::unexpected(problem_.empty() ? describe(target_) + ": " + no_answer(patience) : problem_);
    }
  }
  if (!call->failure.empty()) co_return std::unexpected(std::move(call->failure));
  co_return std::move(call->replies);
}

io::Task<> Client::run() {
  base::Duration pause = kPauseFirst;
  for (;;) {
    base::Instant deadline = parts_.loop.clock().now() + kConnectPatience;
    std::string why;
    if (auto stream = co_await connect(deadline); !stream) {
      why = std::move(stream.error());
    } else {
      Link link(std::move(*stream));
      if (auto greeted = co_await greet(link, deadline); !greeted) {
        why = std::move(greeted.error());
      } else {
        pause = kPauseFirst;
        problem_.clear();
        why = co_await converse(link);
      }
    }
    problem_ = describe(target_) + ": " + why;
    fail_sent(problem_);
    co_await io::sleep_for(parts_.loop, pause);
    pause = std::min(pause * 2, kPauseMax);
  }
}

io::Task<std::expected<std::unique_ptr<io::Stream>, std::string>> Client::connect(base::Instant deadline) {
  std::vector<base::IpAddress> addresses(1);
  if (target_.where.unix_path.empty()) {
    auto resolved = co_await parts_.resolver.resolve(target_.where.host, deadline);
    if (!resolved) co_return std::unexpected(std::string(resolved.error().detail));
    addresses = std::move(resolved->addresses);
  }
  std::string why;
  for (const base::IpAddress& ip : addresses) {
    auto stream = co_await connect_to(to_address(target_.where, ip), deadline);
    if (stream) co_return std::move(*stream);
    why = std::move(stream.error());
  }
  co_return std::unexpected(std::move(why));
}

io::Task<std::expected<std::unique_ptr<io::Stream>, std::string>> Client::connect_to(
    const io::Address& address, base::Instant deadline) {
  int error = 0;
  std::unique_ptr<io::Stream> stream = parts_.network.connect(address, error);
  while (stream != nullptr && (error = stream->connect_error()) == EINPROGRESS) {
    io::Wake wake = co_await io::wait_for(parts_.loop, deadline, stream->writable());
    if (wake == io::Wake::timed_out) {
      error = ETIMEDOUT;
      break;
    }
  }
  if (error != 0) co_return std::unexpected(std::string("cannot connect: ") + std::strerror(error));
  if (target_.security == Target::Security::tls) {
    auto secure =
        tls::Stream::connect(std::move(stream), {.context = parts_.tls, .name = target_.where.host});
    if (auto done = co_await secure->handshake(parts_.loop, deadline); !done) {
      co_return std::unexpected(std::string("no TLS connection: ") + done.error().detail);
    }
    stream = std::move(secure);
  }
  co_return std::move(stream);
}

// Who we are, where we work, and whether the server is ready: one that is still loading its data says so to
// PING.
io::Task<Client::Outcome> Client::greet(Link& link, base::Instant deadline) {
  std::vector<Command> commands;
  if (!target_.password.empty()) {
    commands.push_back({"AUTH"});
    if (!target_.user.empty()) commands.back().push_back(target_.user);
    commands.back().push_back(target_.password);
  }
  if (target_.database != 0) commands.push_back({"SELECT", std::to_string(target_.database)});
  commands.push_back({"PING"});
  for (const Command& command : commands) append_command(link.out, command);
  size_t missing = commands.size();
  for (;;) {
    if (auto sent = link.send(); !sent) co_return sent;
    auto received = link.receive(parts_.loop.now());
    for (; missing > 0; --missing) {
      auto reply = link.reader.next();
      if (!reply) co_return std::unexpected(std::move(reply.error()));
      if (!*reply) break;
      if ((*reply)->kind == Reply::Kind::error) {
        co_return std::unexpected("the server refuses us: " + error_text(**reply));
      }
    }
    if (missing == 0) co_return Outcome{};
    if (!received) co_return received;
    io::Wake wake =
        co_await io::wait_for(parts_.loop, deadline, link.stream->readable(), link.stream->writable());
    if (wake == io::Wake::timed_out) co_return std::unexpected("the server does not answer");
  }
}

io::Task<std::string> Client::converse(Link& link) {
  for (;;) {
    fill(link);
    if (auto sent = link.send(); !sent) co_return std::move(sent.error());
    auto received = link.receive(parts_.loop.now());
    if (auto delivered = deliver(link); !delivered) co_return std::move(delivered.error());
    if (!received) co_return std::move(received.error());
    if (link.stream->may_read()) {
      co_await io::Yield(parts_.loop);
      continue;
    }
    base::Instant until = sent_.empty() ? link.heard + kQuietMax : sent_.front()->due;
    io::Wake wake =
        co_await io::wait_for(parts_.loop, until, link.stream->readable(), link.stream->writable(), called_);
    if (wake != io::Wake::timed_out) continue;
    if (!sent_.empty()) co_return no_answer(sent_.front()->patience);
    send(link, std::make_shared<Call>(std::vector<Command>{{"PING"}}, kPatience));
  }
}

// What waits, as far as somebody still waits for it.
void Client::fill(Link& link) {
  while (!waiting_.empty() && sent_.size() < kSentMax && link.out.size() < kOutBytesMax) {
    std::shared_ptr<Call> call = std::move(waiting_.front());
    waiting_.pop_front();
    if (call.use_count() > 1) send(link, std::move(call));
  }
}

void Client::send(Link& link, std::shared_ptr<Call> call) {
  link.out += call->bytes;
  call->due = parts_.loop.clock().now() + call->patience;
  sent_.push_back(std::move(call));
}

Client::Outcome Client::deliver(Link& link) {
  for (;;) {
    auto reply = link.reader.next();
    if (!reply) return std::unexpected(std::move(reply.error()));
    if (!*reply) return {};
    if (sent_.empty()) return std::unexpected("the server sent what nobody asked for");
    // After a failover the old master lives on as a replica; whoever took its place is found by its name.
    bool replica = (*reply)->kind == Reply::Kind::error && (*reply)->text.starts_with("READONLY");
    Call& call = *sent_.front();
    call.replies.push_back(std::move(**reply));
    if (call.replies.size() == call.wanted) {
      call.finish();
      sent_.pop_front();
    }
    if (replica) return std::unexpected("the server has become a replica");
  }
}

void Client::fail_sent(const std::string& why) {
  for (const std::shared_ptr<Call>& call : sent_) {
    call->failure = why;
    call->finish();
  }
  sent_.clear();
}

}  // namespace redis
