// The promise "no heap allocation in steady state" for records, counted: operator new of the whole test
// binary goes through here. What libssl takes for a record, and gives back with it, comes from malloc.
#include <cstdlib>
#include <new>

#include "tls/test_meeting.h"

namespace {
thread_local size_t allocations = 0;
}

#if !__has_feature(thread_sanitizer)  // which brings its own, not to be replaced: it counts nothing
void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  std::abort();
}
// Also the form that sorting uses, since AddressSanitizer brings its own and both end in the same delete.
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#endif

namespace tls {
namespace {

using namespace testing;
using io::IoResult;

// Room for one direction's bytes, made once.
struct Track {
  std::array<char, 256 * 1024> bytes;
  size_t begin = 0;
  size_t end = 0;
  size_t room = SIZE_MAX;  // that a writer may still use
};

class TrackStream final : public io::BaseStream {
 public:
  TrackStream(Track& in, Track& out) : in_(in), out_(out) { may_read_ = true; }
  IoResult read(std::span<char> into) override {
    size_t count = std::min(into.size(), in_.end - in_.begin);
    std::copy_n(in_.bytes.data() + in_.begin, count, into.data());
    in_.begin += count;
    if (in_.begin == in_.end) in_.begin = in_.end = 0;
    return {count > 0 ? IoResult::Kind::bytes : IoResult::Kind::would_block, count, 0};
  }
  IoResult write(std::span<const iovec> pieces) override {
    size_t total = 0;
    for (const iovec& piece : pieces) {
      size_t count = std::min({piece.iov_len, out_.bytes.size() - out_.end, out_.room});
      std::copy_n(static_cast<const char*>(piece.iov_base), count, out_.bytes.data() + out_.end);
      out_.end += count;
      out_.room -= count;
      total += count;
    }
    return {total > 0 ? IoResult::Kind::bytes : IoResult::Kind::would_block, total, 0};
  }
  void shutdown_write() override {}
  void reset_on_close() override {}
  int connect_error() override { return 0; }

 private:
  Track& in_;
  Track& out_;
};

TEST(Allocations, RecordsTakeNothingOfOurs) {
#if __has_feature(thread_sanitizer)
  GTEST_SKIP() << "nothing is counted";
#endif
  auto up = std::make_unique<Track>(), down = std::make_unique<Track>();
  auto client =
      Stream::connect(std::make_unique<TrackStream>(*down, *up),
                      {.context = compile(client_settings()), .name = "a.example", .session = nullptr});
  auto server = Stream::accept(std::make_unique<TrackStream>(*up, *down), compile(server_settings()));
  for (bool done = false; !done;) {
    auto one = client->step_handshake(), other = server->step_handshake();
    ASSERT_TRUE(one && other);
    done = *one == Stream::Progress::done && *other == Stream::Progress::done;
  }
  std::string head(200, 'h'), body(40'000, 'b'), room(50'000, ' ');
  auto talk = [&] {
    iovec pieces[] = {{head.data(), head.size()}, {body.data(), body.size()}};
    EXPECT_EQ(client->write(pieces).count, 40'200u);
    size_t got = 0;
    while (got < 40'200) got += server->read(room).count;
    // A writer that is held up keeps what is unsent.
    down->room = 1000;
    IoResult sent = server->write(pieces);
    down->room = SIZE_MAX;
    EXPECT_EQ(sent.count, 16'383u);
    iovec rest{body.data() + sent.count - head.size(), 10};
    EXPECT_EQ(server->write({&rest, 1}).count, 10u);
    got = 0;
    while (got < sent.count + 10) got += client->read(room).count;
  };
  talk();
  size_t before = allocations;
  for (int i = 0; i < 10; ++i) talk();
#if __has_feature(address_sanitizer)
  EXPECT_LE(allocations - before, 20u) << "where frames are heap objects, the tail of a blocked write is one";
#else
  EXPECT_EQ(allocations - before, 0u);
#endif
}

}  // namespace
}  // namespace tls
