#include "redis/reply.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <utility>

namespace redis {

struct ReplyReader::Making {
  Reply root;
  size_t bytes = 0;
  size_t items = 0;
  bool too_large = false;

  static Making& of(const redisReadTask* task) { return *static_cast<Making*>(task->privdata); }

  // Lists get their whole length at once, so that what is inside them stays put while it is filled.
  Reply* place(const redisReadTask* task, Reply::Kind kind) {
    Reply* reply = &root;
    if (task->parent != nullptr) {
      reply = &static_cast<Reply*>(task->parent->obj)->list[static_cast<size_t>(task->idx)];
    }
    reply->kind = kind;
    return reply;
  }

  // The answer of each is the object made; null ends the reading.
  static void* make_text(const redisReadTask* task, char* text, size_t size) {
    Making& making = of(task);
    making.bytes += size;
    if (making.bytes > kReplyBytesMax) {
      making.too_large = true;
      return nullptr;
    }
    Reply* reply =
        making.place(task, task->type == REDIS_REPLY_ERROR ? Reply::Kind::error : Reply::Kind::text);
    reply->text.assign(text, size);
    return reply;
  }
  static void* make_list(const redisReadTask* task, int length) {
    Making& making = of(task);
    making.items += static_cast<size_t>(length);
    if (making.items > kReplyItemsMax) {
      making.too_large = true;
      return nullptr;
    }
    Reply* reply = making.place(task, Reply::Kind::list);
    reply->list.resize(static_cast<size_t>(length));
    return reply;
  }
  static void* make_integer(const redisReadTask* task, long long value) {
    Reply* reply = of(task).place(task, Reply::Kind::integer);
    reply->integer = value;
    return reply;
  }
  static void* make_nil(const redisReadTask* task) { return of(task).place(task, Reply::Kind::nil); }
  static void free_nothing(void*) {}  // root is ours

  static redisReplyObjectFunctions& functions() {
    static redisReplyObjectFunctions table{.createString = make_text,
                                           .createArray = make_list,
                                           .createInteger = make_integer,
                                           .createNil = make_nil,
                                           .freeObject = free_nothing};
    return table;
  }
};

std::string error_text(const Reply& reply) {
  constexpr size_t kShown = 200;
  std::string out = reply.text.substr(0, kShown);
  std::ranges::replace_if(out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

void append_command(std::string& out, const Command& command) {
  out.append("*").append(std::to_string(command.size())).append("\r\n");
  for (const std::string& word : command) {
    out.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
  }
}

ReplyReader::ReplyReader()
    : making_(std::make_unique<Making>()), reader_(redisReaderCreateWithFunctions(&Making::functions())) {
  reader_->privdata = making_.get();
}

ReplyReader::~ReplyReader() { redisReaderFree(reader_); }

void ReplyReader::feed(std::string_view bytes) {
  if (!bytes.empty()) redisReaderFeed(reader_, bytes.data(), bytes.size());
}

std::expected<std::optional<Reply>, std::string> ReplyReader::next() {
  void* whole = nullptr;
  bool readable = redisReaderGetReply(reader_, &whole) == REDIS_OK;
  // A text is read once all of it is there; until then it waits in hiredis's buffer.
  if (making_->too_large || (whole == nullptr && reader_->len - reader_->pos > kReplyBytesMax)) {
    return std::unexpected("a reply is larger than the gate takes");
  }
  if (!readable) return std::unexpected("what answers does not speak the protocol of Redis");
  if (whole == nullptr) return std::nullopt;
  Reply reply = std::move(making_->root);
  *making_ = Making{};
  return reply;
}

}  // namespace redis
