// The session store that several gates share: a Redis server. Entries and claims are keys with a time to
// live, revocations one stream, which every gate follows: it hears of each as it comes, and after a break
// reads on from the beginning. All of it happens on the control loop.
#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "control/session_store.h"
#include "control/store_health.h"
#include "io/socket.h"
#include "redis/client.h"
#include "tls/client_context.h"

namespace control {
namespace {

using redis::Command;
using redis::Replies;
using redis::Reply;

constexpr char kEntryPrefix[] = "gatehouse:entry:";
constexpr char kRevocations[] = "gatehouse:revocations";
constexpr char kBeginning[] = "0-0";
constexpr size_t kPageMax = 512;
constexpr base::Duration kBlock =
    base::seconds(2);  // a question for news is answered after this long without any
constexpr base::Duration kPause = base::milliseconds(200);
// Everything is read again this often: what has passed is removed then, and nothing stays unheard of for
// longer, whatever was done to the server.
constexpr base::Duration kReadAgain = base::seconds(600);

std::string entry_key(const std::string& key) { return kEntryPrefix + key; }

// Of the stream.
struct Entry {
  std::string id;
  std::string text;
};
using Page = std::vector<Entry>;

// XREAD's: nil, or [[key, [[id, [field, value]]…]]].
std::optional<Page> read_page(const Reply& reply) {
  Page page;
  if (reply.kind == Reply::Kind::nil) return page;
  if (reply.list.size() != 1 || reply.list[0].list.size() != 2) return std::nullopt;
  for (const Reply& item : reply.list[0].list[1].list) {
    if (item.list.size() != 2) return std::nullopt;
    const std::vector<Reply>& fields = item.list[1].list;
    page.push_back({.id = item.list[0].text, .text = fields.size() == 2 ? fields[1].text : std::string()});
  }
  return page;
}

// Of INFO's lines; empty: nothing is ever removed before its time.
std::string eviction_policy(std::string_view info) {
  auto value_of = [info](std::string_view name) {
    size_t at = info.find(name);
    if (at == info.npos) return std::string_view();
    std::string_view rest = info.substr(at + name.size());
    return rest.substr(0, rest.find('\r'));
  };
  std::string_view limit = value_of("\nmaxmemory:");
  std::string_view policy = value_of("\nmaxmemory_policy:");
  return limit == "0" || policy == "noeviction" ? std::string() : std::string(policy);
}

class RedisStore final : public SessionStore {
 public:
  RedisStore(const StoreParts& parts, const redis::Target& target,
             std::shared_ptr<const tls::ClientContext> tls)
      : parts_(parts),
        network_(parts.loop),
        resolver_(io::make_dns_resolver(parts.loop)),
        calls_({.loop = parts.loop, .network = network_, .resolver = *resolver_, .tls = tls}, target),
        news_({.loop = parts.loop, .network = network_, .resolver = *resolver_, .tls = tls}, target),
        following_(follow()) {
    following_.start();
  }

  io::Task<Result<>> put(std::string key, std::string value, base::WallTime until) override {
    if (auto sizes = check_store_sizes(key, value); !sizes) co_return sizes;
    if (until <= now()) co_return co_await erase(std::move(key));
    auto reply = co_await ask({"SET", entry_key(key), std::move(value), "PX", milliseconds_left(until)});
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    co_return Result<>{};
  }

  io::Task<Result<std::optional<std::string>>> get(std::string key) override {
    auto reply = co_await ask({"GET", entry_key(key)});
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    if (reply->kind == Reply::Kind::nil) co_return std::nullopt;
    co_return std::move(reply->text);
  }

  io::Task<Result<>> erase(std::string key) override {
    auto reply = co_await ask({"DEL", entry_key(key)});
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    co_return Result<>{};
  }

  io::Task<Result<bool>> claim(std::string key, base::WallTime until) override {
    if (auto sizes = check_store_sizes(key, {}); !sizes) co_return std::unexpected(std::move(sizes.error()));
    if (until <= now()) co_return false;
    auto reply = co_await ask({"SET", entry_key(key), "", "NX", "PX", milliseconds_left(until)});
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    co_return reply->kind == Reply::Kind::text && reply->text == "OK";
  }

  io::Task<Result<>> revoke(auth::Revocation revocation) override {
    parts_.listener.revoked(revocation);
    auto reply = co_await ask({"XADD", kRevocations, "*", "r", auth::encode_revocation(revocation)});
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    co_return Result<>{};
  }

  Status status() const override {
    return {.kind = "redis", .location = redis::describe(calls_.target()), .problem = problem()};
  }

 private:
  base::WallTime now() const { return parts_.loop.clock().wall_now(); }
  // At least one: Redis takes no other.
  std::string milliseconds_left(base::WallTime until) const {
    return std::to_string(std::max<int64_t>((until.ns - now().ns) / 1'000'000, 1));
  }

  std::string problem() const {
    for (const std::string* one :
         {&calls_.problem(), &news_.problem(), &refusal_, &deafness_, &forgetfulness_}) {
      if (!one->empty()) return *one;
    }
    return {};
  }

  io::Task<Result<Reply>> ask(Command command) {
    std::vector<Command> commands;
    commands.push_back(std::move(command));
    auto replies = co_await calls_.ask(std::move(commands));
    if (!replies) {
      health_.note(replies.error());
      co_return std::unexpected(std::move(replies.error()));
    }
    Reply& reply = replies->front();
    refusal_ = reply.kind == Reply::Kind::error ? refusal(reply) : std::string();
    health_.note(problem());
    if (!refusal_.empty()) co_return std::unexpected(refusal_);
    co_return std::move(reply);
  }
  std::string refusal(const Reply& reply) const {
    return redis::describe(calls_.target()) + ": " + redis::error_text(reply);
  }

  io::Task<> follow() {
    for (;;) {
      deafness_ = co_await listen();
      health_.note(deafness_);
      co_await io::sleep_for(parts_.loop, kPause);
    }
  }

  // Hears of revocations, from the first that is kept. Why it ended: what comes after that may have been
  // missed.
  io::Task<std::string> listen() {
    if (auto looked = co_await look_at_policy(); !looked) co_return std::move(looked.error());
    std::string last = kBeginning;
    bool behind = true;
    base::Instant read_again = parts_.loop.now() + kReadAgain;
    for (;;) {
      auto page = co_await read_on(last, behind ? base::Duration{} : kBlock);
      if (!page) co_return std::move(page.error());
      if (!page->empty()) last = page->back().id;
      if (auto taken = co_await take(*page); !taken) co_return std::move(taken.error());
      if (behind && page->size() < kPageMax) {
        behind = false;
        if (!std::exchange(caught_up_, true)) parts_.listener.caught_up();
      }
      deafness_.clear();
      health_.note(problem());
      if (!behind && parts_.loop.now() >= read_again) {
        behind = true;
        last = kBeginning;
        read_again = parts_.loop.now() + kReadAgain;
      }
    }
  }

  io::Task<Result<Page>> read_on(const std::string& last, base::Duration wait) {
    Command command{"XREAD", "COUNT", std::to_string(kPageMax)};
    if (wait.ns > 0) command.insert(command.end(), {"BLOCK", std::to_string(wait.milliseconds())});
    command.insert(command.end(), {"STREAMS", kRevocations, last});
    auto reply = co_await ask_for_news(std::move(command), wait);
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    if (reply->kind == Reply::Kind::error) co_return std::unexpected(refusal(*reply));
    auto page = read_page(*reply);
    if (!page) co_return std::unexpected(std::string(kRevocations) + " holds no revocations");
    co_return std::move(*page);
  }

  // Tells what still counts, and removes what does not.
  io::Task<Result<>> take(const Page& page) {
    Command remove{"XDEL", kRevocations};
    for (const Entry& entry : page) {
      auto revocation = auth::decode_revocation(entry.text);
      if (!revocation) continue;  // perhaps another version's
      if (revocation->until > now()) {
        parts_.listener.revoked(*revocation);
      } else {
        remove.push_back(entry.id);
      }
    }
    if (remove.size() == 2) co_return Result<>{};
    auto reply = co_await ask_for_news(std::move(remove), {});
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    co_return Result<>{};
  }

  // A server that makes room by removing what is still needed forgets who was signed out, and what was used
  // once. One that does not tell us is left at that.
  io::Task<Result<>> look_at_policy() {
    auto info = co_await ask_for_news({"INFO", "memory"}, {});
    if (!info) co_return std::unexpected(std::move(info.error()));
    std::string policy = eviction_policy(info->text);
    forgetfulness_.clear();
    if (!policy.empty()) {
      forgetfulness_ = redis::describe(news_.target()) + " may forget revocations: its maxmemory-policy is " +
                       policy.substr(0, 32) + ", and should be noeviction";
    }
    co_return Result<>{};
  }

  io::Task<Result<Reply>> ask_for_news(Command command, base::Duration wait) {
    std::vector<Command> commands;
    commands.push_back(std::move(command));
    auto replies = co_await news_.ask(std::move(commands), wait + redis::kPatience);
    if (!replies) co_return std::unexpected(std::move(replies.error()));
    co_return std::move(replies->front());
  }

  StoreParts parts_;
  io::SocketNetwork network_;
  std::unique_ptr<io::Resolver> resolver_;
  redis::Client calls_;
  redis::Client news_;  // waits most of the time, and so is apart
  StoreHealth health_;
  std::string refusal_;        // of the last call
  std::string deafness_;       // why revocations are not heard of
  std::string forgetfulness_;  // of the server
  bool caught_up_ = false;
  io::Task<> following_;
};

}  // namespace

SessionStore::Result<std::unique_ptr<SessionStore>> make_redis_store(
    const StoreParts& parts, const std::string& url, std::shared_ptr<const tls::TrustStore> trust) {
  auto target = redis::parse_target(url);
  if (!target) return std::unexpected(std::move(target.error()));
  std::shared_ptr<const tls::ClientContext> context;
  if (target->security == redis::Target::Security::tls) {
    if (trust == nullptr) {
      auto system = tls::TrustStore::of_system();
      if (!system)
        return std::unexpected("the Redis server's certificate cannot be verified: " + system.error());
      trust = std::move(*system);
    }
    tls::ClientSettings settings;
    settings.ca = std::move(trust);
    auto compiled = tls::compile_client_context(settings);
    if (!compiled) return std::unexpected(std::move(compiled.error()));
    context = std::move(*compiled);
  }
  return std::make_unique<RedisStore>(parts, *target, std::move(context));
}

}  // namespace control
