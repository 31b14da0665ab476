// What a head costs. Run: cmake --preset release -DGATEHOUSE_MICRO_BENCH=ON, then http1_bench.
#include <benchmark/benchmark.h>

#include <array>
#include <string_view>

#include "http/target.h"
#include "http1/codec.h"

namespace {

constexpr std::string_view kBrowser =
    "GET /orders/7?expand=items HTTP/1.1\r\n"
    "Host: api.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: theme=dark; session=0123456789abcdef\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "\r\n";
constexpr std::string_view kSmall =
    "GET /orders HTTP/1.1\r\nHost: api.example.com\r\nX-Api-Key: gh_0123456789\r\n\r\n";
constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    "Content-Type: application/json\r\nContent-Length: 27\r\nConnection: keep-alive\r\n\r\n";

http::RequestHead request;
http::ResponseHead response;

void parse_request(benchmark::State& state, std::string_view bytes) {
  for (auto _ : state) {
    const auto end = http1::find_head_end(bytes, 0);
    auto parsed = http1::parse_request_head(bytes.substr(0, *end), {}, request);
    benchmark::DoNotOptimize(parsed);
    benchmark::DoNotOptimize(request);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
}
BENCHMARK_CAPTURE(parse_request, browser_head, kBrowser);
BENCHMARK_CAPTURE(parse_request, small_head, kSmall);

void find_end(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(http1::find_head_end(kBrowser, 0));
}
BENCHMARK(find_end);

void parse_response(benchmark::State& state) {
  for (auto _ : state) {
    const auto end = http1::find_head_end(kAnswer, 0);
    auto parsed = http1::parse_response_head(kAnswer.substr(0, *end), {}, http::Method::get, response);
    benchmark::DoNotOptimize(parsed);
    benchmark::DoNotOptimize(response);
  }
}
BENCHMARK(parse_response);

void normalise(benchmark::State& state, std::string_view target) {
  std::array<char, 256> storage;
  for (auto _ : state) benchmark::DoNotOptimize(http::normalise_target(target, storage));
}
BENCHMARK_CAPTURE(normalise, clean_target, "/orders/7?expand=items");
BENCHMARK_CAPTURE(normalise, rebuilt_target, "/orders//7/./%61?expand=items");

}  // namespace
