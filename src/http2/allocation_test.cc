// The promise "no heap allocation in steady state", counted for a request and its answer at both ends:
// operator new of the whole test binary goes through here.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>

#include "http2/client_connection.h"
#include "http2/server_connection.h"
#include "http2/test_site.h"
#include "io/sim.h"

namespace {
thread_local size_t allocations = 0;
}

// Sanitizers bring their own, and without pools every frame is a heap object.
#if !__has_feature(thread_sanitizer) && !__has_feature(address_sanitizer)
#define GATEHOUSE_COUNTS_ALLOCATIONS
void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#endif

namespace http2 {
namespace {

// One end of a wire that holds its bytes in place; the simulated network's takes memory for them.
class Wire final : public io::BaseStream {
 public:
  void join(Wire& other) { other_ = &other; }
  io::IoResult read(std::span<char> into) override {
    const size_t count = std::min(into.size(), held_);
    if (count == 0) {
      may_read_ = false;
      return {};
    }
    std::copy_n(bytes_.begin(), count, into.begin());
    std::copy(bytes_.begin() + static_cast<ptrdiff_t>(count), bytes_.begin() + static_cast<ptrdiff_t>(held_),
              bytes_.begin());
    held_ -= count;
    may_read_ = held_ > 0;
    other_->writable_.fire();
    return {io::IoResult::Kind::bytes, count, 0};
  }
  io::IoResult write(std::span<const iovec> pieces) override {
    size_t count = 0;
    for (const iovec& piece : pieces) {
      const size_t part = std::min(piece.iov_len, other_->bytes_.size() - other_->held_);
      std::copy_n(static_cast<const char*>(piece.iov_base), part, &other_->bytes_[other_->held_]);
      other_->held_ += part;
      count += part;
    }
    if (count == 0) return {};
    other_->may_read_ = true;
    other_->readable_.fire();
    return {io::IoResult::Kind::bytes, count, 0};
  }
  void shutdown_write() override {}
  void reset_on_close() override {}
  int connect_error() override { return 0; }

 private:
  Wire* other_ = nullptr;
  size_t held_ = 0;
  std::array<char, 200'000> bytes_;
};

struct Answerer final : http::RequestHandler {
  explicit Answerer(io::Loop& l) : loop(l) {}
  io::Task<> serve(http::ServerStream& stream) override {
    for (;;) {
      auto got = stream.peek();
      if (!got) co_return;
      const bool end = got->end;
      stream.consume(got->bytes.size());
      if (end) break;
      if (got->bytes.empty()) co_await io::wait_for(loop, base::kNever, stream.readable());
    }
    http::Headers headers;
    headers.add({.name = "Server", .value = "site"});
    (void)stream.start_response(
        {.status = 200, .headers = &headers, .body = {http::BodyLength::Kind::chunked, 0}});
    co_await write_all(loop, stream, std::string_view(body.data(), body.size()));
    (void)stream.finish("Digest: a\r\n");
    co_await settle(loop, stream);
  }
  io::Task<> refuse(http::ServerStream&, base::Error) override { co_return; }
  bool draining() const override { return false; }
  const http::ServerLimits& limits() const override { return server_limits; }
  io::Loop& loop;
  http::ServerLimits server_limits;
  std::array<char, 30'000> body{};
};

io::Task<> call(io::Loop& loop, ClientConnection& client, int& ended) {
  std::unique_ptr<ClientStream> stream = client.open_stream();
  http::Headers headers;
  headers.add({.name = "X-Some", .value = "value"});
  headers.add({.name = "Cookie", .value = "a=b", .id = http::HeaderId::cookie});
  (void)stream->start_request({.method = "POST",
                               .method_kind = http::Method::post,
                               .path = "/echo",
                               .query = "a=b",
                               .has_query = true,
                               .authority = "site.example",
                               .headers = &headers,
                               .body = {http::BodyLength::Kind::sized, 5}});
  (void)stream->write("hello");
  (void)stream->finish({});
  http::ResponseHead head;
  for (;;) {
    auto got = stream->receive_head(head);
    EXPECT_TRUE(got);
    if (!got || *got) break;
    co_await io::wait_for(loop, base::kNever, stream->readable());
  }
  size_t size = 0;
  for (;;) {
    auto got = stream->peek();
    EXPECT_TRUE(got);
    if (!got) break;
    size += got->bytes.size();
    const bool end = got->end;
    stream->consume(got->bytes.size());
    if (end) break;
    if (got->bytes.empty()) co_await io::wait_for(loop, base::kNever, stream->readable());
  }
  EXPECT_EQ(size, 30'000u);
  EXPECT_EQ(stream->trailers(), "digest: a\r\n");
  ++ended;
}

TEST(Allocations, NoneForARequestInSteadyState) {
#ifndef GATEHOUSE_COUNTS_ALLOCATIONS
  GTEST_SKIP() << "nothing is counted under a sanitizer";
#endif
  io::SimWorld sim(1);
  auto near = std::make_unique<Wire>();
  auto far = std::make_unique<Wire>();
  near->join(*far);
  far->join(*near);
  Answerer site(sim.loop);
  ServerConnection server(sim.loop, std::move(far), {});
  io::Scope scope;
  scope.spawn(server.serve(site));
  ClientConnection client(sim.loop, std::move(near), {});
  int ended = 0;
  const auto run = [&](int times) {
    const int before = ended;
    for (int i = 0; i < times; i += 10) {
      for (int k = 0; k < 10; ++k) scope.spawn(call(sim.loop, client, ended));
      while (ended < before + i + 10) sim.loop.turn(sim.clock.now() + base::milliseconds(1));
    }
  };
  run(100);
  const size_t before = allocations;
  run(500);
  EXPECT_EQ(allocations - before, 0u);
}

}  // namespace
}  // namespace http2
