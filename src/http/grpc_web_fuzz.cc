// gRPC-Web both ways: a request in base64, valid or not, is decoded the same however it comes and is taken;
// an answer cut and flushed anyhow, decoded as a browser does it, is the messages and then the trailers. The
// first three bytes choose how things are cut, the fourth which way; the rest is the body.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/base64.h"
#include "http/grpc_web.h"
#include "http/test_body.h"

namespace {

using namespace http;

void require(bool holds) {
  if (!holds) std::abort();
}

std::optional<std::string> read_all(std::string_view body, size_t piece, size_t step) {
  TestSource client(body, piece);
  GrpcWebRequestSource source(client, GrpcKind::web_text);
  std::string out;
  for (;;) {
    const auto got = source.peek();
    if (!got) return std::nullopt;
    const size_t taken = std::min(step, got->bytes.size());
    const bool last = got->end && taken == got->bytes.size();
    out.append(got->bytes.substr(0, taken));
    if (taken > 0) source.consume(taken);
    if (last) return out;
  }
}

void flush(GrpcWebResponseSink& sink) {
  for (;;) {
    const auto flushed = sink.flush();
    require(flushed.has_value());
    if (*flushed) return;
  }
}

struct Cut {
  size_t offered;
  size_t taken;
  uint8_t flush_every;
};

// nullopt when the sink refused.
std::optional<std::string> answer(GrpcKind kind, std::string_view body, std::string_view trailers,
                                  const Cut& cut) {
  TestSink client(cut.taken);
  GrpcWebResponseSink sink(client, kind);
  for (unsigned turn = 1; !body.empty(); ++turn) {
    const auto taken = sink.write(body.substr(0, cut.offered));
    if (!taken) return std::nullopt;
    body.remove_prefix(*taken);
    if (cut.flush_every != 0 && turn % cut.flush_every == 0) flush(sink);
  }
  if (!sink.finish(trailers)) {
    require(client.finished() == 0);
    return std::nullopt;
  }
  flush(sink);
  require(client.finished() == 1 && client.trailers().empty());
  if (kind == GrpcKind::web) return client.text();
  base::Base64Decoder decoder;
  std::string out(client.text().size() + 3, '\0');
  const auto step = decoder.decode(client.text(), out);
  require(step && step->consumed == client.text().size() && decoder.complete());
  out.resize(step->written);
  return out;
}

void check_request(std::string_view body, size_t piece, size_t step) {
  const auto whole = read_all(body, body.size() + 1, 1 << 20);
  require(read_all(body, piece, step) == whole);
  require(read_all(body, 1, 1 << 20) == whole);
  if (!whole) return;
  std::string again(base::base64_length(whole->size()), '\0');
  base::encode_base64(*whole, again.data());
  require(read_all(again, piece, step) == whole);
}

void check_answer(std::string_view body, const Cut& cut) {
  constexpr std::string_view kTrailers = "grpc-status: 0\r\n";
  const auto whole =
      answer(GrpcKind::web, body, kTrailers, {.offered = 1 << 20, .taken = 1 << 20, .flush_every = 0});
  require(answer(GrpcKind::web, body, kTrailers, cut) == whole);
  require(answer(GrpcKind::web_text, body, kTrailers, cut) == whole);
  GrpcMessageTracker tracker;
  require((tracker.follow(body) && tracker.at_boundary()) == whole.has_value());
  if (whole) require(*whole == std::string(body) + std::string("\x80\0\0\0\x10", 5) + std::string(kTrailers));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 4, size - 4);
  if (data[3] & 1) {
    check_request(body, 1 + data[0] % 64, 1 + data[1] % 64);
  } else {
    const uint8_t flush_every = data[2] % 5;
    check_answer(
        body,
        {.offered = size_t{1} + data[0] % 64, .taken = size_t{1} + data[1] % 64, .flush_every = flush_every});
  }
  return 0;
}
