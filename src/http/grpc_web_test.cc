#include "http/grpc_web.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "http/test_body.h"

namespace http {
namespace {

using std::string_view_literals::operator""sv;

std::string message(std::string_view text, char flag = 0) {
  std::string out(1, flag);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(text.size() >> shift);
  return out.append(text);
}

std::string trailers_frame(std::string_view text) { return message(text, static_cast<char>(0x80)); }

// --- The request -------------------------------------------------------------------------------------------

// Everything the source gives, consumed `step` bytes at a time; "refused: why" when it fails.
std::string read_all(GrpcKind kind, std::string_view body, size_t piece, size_t step) {
  TestSource client(body, piece);
  GrpcWebRequestSource source(client, kind);
  std::string out;
  for (size_t turns = 0; turns < 10 * body.size() + 10; ++turns) {
    const auto got = source.peek();
    if (!got) {
      EXPECT_EQ(got.error().reason, base::Reason::http_request_error);
      EXPECT_EQ(got.error().side, base::Side::client);
      return std::string("refused: ") + got.error().detail;
    }
    const size_t taken = std::min(step, got->bytes.size());
    const bool last = got->end && taken == got->bytes.size();
    out.append(got->bytes.substr(0, taken));
    if (taken > 0) source.consume(taken);
    if (last) return out;
  }
  return "never ended";
}

std::string read_every_way(GrpcKind kind, std::string_view body) {
  const std::string whole = read_all(kind, body, body.size() + 1, 1 << 20);
  for (size_t piece = 1; piece <= std::min<size_t>(body.size(), 64); ++piece) {
    for (size_t step : {1, 2, 5, 1 << 20}) EXPECT_EQ(read_all(kind, body, piece, step), whole) << piece;
  }
  return whole;
}

TEST(GrpcWebRequest, TextIsDecoded) {
  const std::string hello = message("hello");
  const std::string two = message("a") + message("bc");
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {base::base64_encode(hello), hello},
      {base::base64_encode(two), two},
      {base::base64_encode(message("a")) + base::base64_encode(message("bc")), two},
      {base::base64_encode("\0"sv) + base::base64_encode("\0\0\0"sv) + base::base64_encode("\5he"sv) +
           base::base64_encode("llo"),
       hello},
  };
  for (const auto& [body, bytes] : cases) EXPECT_EQ(read_every_way(GrpcKind::web_text, body), bytes) << body;
}

TEST(GrpcWebRequest, TextLongerThanItsBuffer) {
  std::string long_text(3 * io::kSmallBuffer + 1, 'x');
  for (size_t i = 0; i < long_text.size(); ++i) long_text[i] = static_cast<char>(i * 7);
  const std::string bytes = message(long_text);
  const std::string body = base::base64_encode(bytes);
  for (size_t piece : {1000u, 4096u, 100'000u, 1u << 20}) {
    EXPECT_TRUE(read_all(GrpcKind::web_text, body, piece, 1 << 20) == bytes) << piece;
    EXPECT_TRUE(read_all(GrpcKind::web_text, body, piece, 777) == bytes) << piece;
  }
}

TEST(GrpcWebRequest, BinaryPassesAsItIs) {
  for (std::string body : {std::string(), message("hello"), std::string("==not base64==\n")}) {
    EXPECT_EQ(read_every_way(GrpcKind::web, body), body);
  }
}

TEST(GrpcWebRequest, TextThatIsNoBase64IsRefused) {
  const std::string_view foreign = "refused: the gRPC-Web body is not base64";
  const std::string_view cut = "refused: the gRPC-Web body ends within base64";
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"AAAA\n", foreign}, {"AA-_", foreign}, {"A=AA", foreign}, {"AAA=A=", foreign}, {"AB==", foreign},
      {"AAAAA", cut},      {"AAAAAA", cut},   {"AA=", cut},      {"A", cut},
  };
  for (const auto& [body, why] : cases) EXPECT_EQ(read_every_way(GrpcKind::web_text, body), why) << body;
}

// --- The answer --------------------------------------------------------------------------------------------

struct Sent {
  std::string text;
  int finished = 0;
  std::string refused;
  bool operator==(const Sent&) const = default;
};

struct Way {
  size_t offered;  // bytes at a time to the sink under test
  size_t taken;    // at a time by the client's sink
  bool flushes = false;
};

base::Result<> send(GrpcWebResponseSink& sink, const Way& way, std::string_view body) {
  while (!body.empty()) {
    const auto taken = sink.write(body.substr(0, way.offered));
    if (!taken) return std::unexpected(taken.error());
    body.remove_prefix(*taken);
    if (!way.flushes) continue;
    for (int turns = 0; turns < 1000; ++turns) {
      const auto flushed = sink.flush();
      if (!flushed) return std::unexpected(flushed.error());
      if (*flushed) break;
    }
  }
  return {};
}

Sent answer(GrpcKind kind, std::string_view body, std::string_view trailers, const Way& way) {
  TestSink client(way.taken);
  GrpcWebResponseSink sink(client, kind);
  const auto failed = [&](const base::Error& error) {
    return Sent{.text = {}, .finished = client.finished(), .refused = error.detail};
  };
  if (auto sent = send(sink, way, body); !sent) return failed(sent.error());
  if (auto finished = sink.finish(trailers); !finished) return failed(finished.error());
  for (size_t turns = 0; turns < 10'000 + 10 * body.size(); ++turns) {
    const auto flushed = sink.flush();
    if (!flushed) return failed(flushed.error());
    if (!*flushed) continue;
    EXPECT_TRUE(sink.flush().value_or(false));
    EXPECT_EQ(client.trailers(), "") << "a browser cannot read them";
    return {.text = client.text(), .finished = client.finished(), .refused = {}};
  }
  return {.text = "never flushed", .finished = client.finished(), .refused = {}};
}

std::string decoded(std::string_view text) {
  base::Base64Decoder decoder;
  std::string out(text.size() + 3, '\0');
  const auto step = decoder.decode(text, out);
  EXPECT_TRUE(step && decoder.complete() && step->consumed == text.size());
  out.resize(step ? step->written : 0);
  return out;
}

constexpr size_t kAll = 1 << 20;

TEST(GrpcWebAnswer, MessagesThenTrailers) {
  const std::string hello = message("hello");
  struct Case {
    std::string body;
    std::string trailers;
    std::string expected;
  } const cases[] = {
      {hello, "grpc-status: 0\r\n", hello + trailers_frame("grpc-status: 0\r\n")},
      {"", "grpc-status: 5\r\ngrpc-message: none\r\n",
       trailers_frame("grpc-status: 5\r\ngrpc-message: none\r\n")},
      {hello, "Grpc-Status: 0\r\nX-Key: Some: Value\r\n",
       hello + trailers_frame("grpc-status: 0\r\nx-key: Some: Value\r\n")},
      {message("", 1) + message("a"), "grpc-status: 0\r\n",
       message("", 1) + message("a") + trailers_frame("grpc-status: 0\r\n")},
      {"", "", ""},
      {hello, "", hello},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(answer(GrpcKind::web, c.body, c.trailers, {kAll, kAll}), (Sent{c.expected, 1, {}}));
    EXPECT_EQ(answer(GrpcKind::web_text, c.body, c.trailers, {kAll, kAll}),
              (Sent{base::base64_encode(c.expected), 1, {}}));
    for (size_t offered = 1; offered <= c.body.size() + 1; ++offered) {
      for (size_t taken : {size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{7}, kAll}) {
        EXPECT_EQ(answer(GrpcKind::web, c.body, c.trailers, {offered, taken, true}),
                  (Sent{c.expected, 1, {}}));
        EXPECT_EQ(answer(GrpcKind::web_text, c.body, c.trailers, {offered, taken}),
                  (Sent{base::base64_encode(c.expected), 1, {}}))
            << "without a flush between nothing is padded but the end";
        const Sent flushed = answer(GrpcKind::web_text, c.body, c.trailers, {offered, taken, true});
        EXPECT_EQ(decoded(flushed.text), c.expected) << offered << " " << taken;
        EXPECT_EQ(flushed.finished, 1);
      }
    }
  }
}

TEST(GrpcWebAnswer, AFlushLeavesNothingBehind) {
  const std::string hello = message("hello");
  for (size_t length = 1; length <= hello.size(); ++length) {
    TestSink client(kAll);
    GrpcWebResponseSink sink(client, GrpcKind::web_text);
    ASSERT_TRUE(send(sink, {kAll, kAll, true}, hello.substr(0, length)));
    EXPECT_EQ(decoded(client.text()), hello.substr(0, length));
    EXPECT_EQ(client.finished(), 0);
    EXPECT_EQ(sink.messages(), 1u);
  }
}

TEST(GrpcWebAnswer, LongerThanItsBuffer) {
  std::string long_text(5 * io::kSmallBuffer + 2, 'x');
  for (size_t i = 0; i < long_text.size(); ++i) long_text[i] = static_cast<char>(i * 13);
  const std::string body = message(long_text) + message("end");
  const std::string trailers = "grpc-status: 0\r\n" + std::string("x: ") + std::string(16'000, 'y') + "\r\n";
  const std::string expected = body + trailers_frame(trailers);
  for (const Way& way : {Way{kAll, kAll}, Way{1000, 333}, Way{kAll, 4096}, Way{7, kAll}}) {
    EXPECT_TRUE(answer(GrpcKind::web, body, trailers, way) == (Sent{expected, 1, {}}));
    EXPECT_TRUE(answer(GrpcKind::web_text, body, trailers, way) ==
                (Sent{base::base64_encode(expected), 1, {}}));
  }
}

TEST(GrpcWebAnswer, RefusesWhatAreNoMessages) {
  const std::string_view not_messages = "the answer's body is not gRPC messages";
  const std::string_view within = "the answer ends within a gRPC message";
  const std::pair<std::string, std::string_view> cases[] = {
      {trailers_frame("grpc-status: 0\r\n"), not_messages},
      {message("hello") + trailers_frame("grpc-status: 0\r\n"), not_messages},
      {"<html>", not_messages},
      {message("hello").substr(0, 9), within},
      {message("hello") + std::string(1, '\0'), within},
  };
  for (const auto& [body, why] : cases) {
    for (GrpcKind kind : {GrpcKind::web, GrpcKind::web_text}) {
      for (size_t offered = 1; offered <= body.size(); ++offered) {
        const Sent sent = answer(kind, body, "grpc-status: 0\r\n", {offered, kAll});
        EXPECT_EQ(sent.refused, why);
        EXPECT_EQ(sent.finished, 0) << "the client must not take it for whole";
      }
    }
  }
  const std::string too_long(GrpcWebResponseSink::kTrailerBytesMax + 1, 'x');
  EXPECT_EQ(answer(GrpcKind::web, "", too_long, {kAll, kAll}).refused, "the trailers are too long");
}

// A sink that passes on what it holds only when it is flushed, and then signals nobody: the gate's HTTP/1
// side when the kernel has found room in between.
class HoldingSink final : public BodySink {
 public:
  base::Result<size_t> write(std::string_view bytes) override {
    const size_t taken = std::min(bytes.size(), 5 - held_);
    held_ += taken;
    text_.append(bytes.substr(0, taken));
    return taken;
  }
  base::Result<> finish(std::string_view) override { return {}; }
  base::Result<bool> flush() override {
    held_ = 0;
    return true;
  }
  io::Signal& writable() override { return writable_; }
  const std::string& text() const { return text_; }

 private:
  size_t held_ = 0;
  std::string text_;
  io::Signal writable_;
};

TEST(GrpcWebAnswer, WaitsForNoSignalThatWillNotCome) {
  HoldingSink client;
  GrpcWebResponseSink sink(client, GrpcKind::web_text);
  const std::string hello = message("hello");
  const auto taken = sink.write(hello);
  ASSERT_TRUE(taken && *taken == hello.size());
  const auto flushed = sink.flush();
  ASSERT_TRUE(flushed && *flushed) << "a false would be waited on for ever";
  EXPECT_EQ(decoded(client.text()), hello);
}

TEST(GrpcMessageTracker, CountsAcrossAnySplit) {
  const std::string stream = message("") + message("abc", 1) + message(std::string(300, 'x'));
  for (size_t at = 0; at <= stream.size(); ++at) {
    GrpcMessageTracker tracker;
    EXPECT_TRUE(tracker.follow(stream.substr(0, at)));
    EXPECT_EQ(tracker.at_boundary(), at == 0 || at == 5 || at == 13 || at == stream.size()) << at;
    EXPECT_TRUE(tracker.follow(stream.substr(at)));
    EXPECT_TRUE(tracker.at_boundary());
    EXPECT_EQ(tracker.messages(), 3u);
    EXPECT_FALSE(tracker.follow("\x02"));
    EXPECT_FALSE(tracker.follow(message("x")));
  }
}

}  // namespace
}  // namespace http
