// What a request pays to be known by its session cookie when no cache knows it yet, and what sealing one
// costs.

#include <benchmark/benchmark.h>

#include "access/session.h"
#include "base/bytes.h"

namespace auth {
namespace {

constexpr base::WallTime kNow{1'800'000'000'000'000'000};

Session make_session(size_t groups) {
  Session session{.id = "0123456789abcdefghijkl",
                  .provider = "staff",
                  .host = "api.example.com",
                  .signed_in = kNow,
                  .seen = kNow,
                  .tokens_from = kNow,
                  .tokens_until = kNow + base::seconds(3600),
                  .ends = kNow + base::seconds(12 * 3600),
                  .renewal = Renewal::possible,
                  .provider_session = "c7a3f0e2-6a43-4d61-9ad5-9b1b6f2b7c10",
                  .scopes = {"openid", "profile", "email"}};
  session.claims =
      R"({"iss":"https://id.example","aud":"gatehouse","sub":"248289761001","exp":1800003600,"iat":1800000000,)"
      R"("auth_time":1800000000,"nonce":"n-0S6_WzA2Mj","sid":"c7a3f0e2-6a43-4d61-9ad5-9b1b6f2b7c10",)"
      R"("email":"alice@example.com","email_verified":true,"name":"Alice Example",)"
      R"("preferred_username":"alice","groups":["all")";
  for (size_t i = 0; i < groups; ++i) session.claims += ",\"group-" + std::to_string(i) + "\"";
  session.claims += "]}";
  return session;
}

struct Bench {
  crypto::SystemRandom random;
  Sealer sealer{std::vector<crypto::AeadKey>(1)};
  Session session;
  std::string cookie;
  explicit Bench(benchmark::State& state) : session(make_session(static_cast<size_t>(state.range(0)))) {
    cookie = seal_session(session, sealer, random);
    state.counters["bytes"] = static_cast<double>(cookie.size());
  }
  SessionPlace place() const { return {session.provider, session.host}; }
};

void open_seal(benchmark::State& state) {
  Bench bench(state);
  const Sealer::Binding binding{"session", bench.session.provider, bench.session.host};
  for (auto _ : state) benchmark::DoNotOptimize(bench.sealer.open(bench.cookie, binding));
}
BENCHMARK(open_seal)->Arg(2)->Arg(100);

void decode_base64url(benchmark::State& state) {
  Bench bench(state);
  for (auto _ : state) benchmark::DoNotOptimize(base::base64url_decode(bench.cookie));
}
BENCHMARK(decode_base64url)->Arg(2)->Arg(100);

void open(benchmark::State& state) {
  Bench bench(state);
  for (auto _ : state) benchmark::DoNotOptimize(open_session(bench.cookie, bench.place(), bench.sealer));
}
BENCHMARK(open)->Arg(2)->Arg(100);

void open_and_identify(benchmark::State& state) {
  Bench bench(state);
  const ClaimNames names;
  const SessionLimits limits;
  for (auto _ : state) {
    auto session = open_session(bench.cookie, bench.place(), bench.sealer);
    if (!session || !check_session(*session, limits, kNow)) std::abort();
    auto identity = identity_of(*session, names);
    if (!identity) std::abort();
    benchmark::DoNotOptimize(identity);
  }
}
BENCHMARK(open_and_identify)->Arg(2)->Arg(100);

void seal(benchmark::State& state) {
  Bench bench(state);
  for (auto _ : state) benchmark::DoNotOptimize(seal_session(bench.session, bench.sealer, bench.random));
}
BENCHMARK(seal)->Arg(2)->Arg(100);

}  // namespace
}  // namespace auth
