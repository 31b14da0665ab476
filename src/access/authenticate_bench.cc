// What a request pays to be known, once everything is warm: an API key, and a token that was verified before.

#include <benchmark/benchmark.h>

#include "access/test_tokens.h"

namespace auth {
namespace {

struct Bench {
  std::string api_key;
  std::shared_ptr<const Providers> providers;
  KeySets key_sets;
  TokenCache cache;
};

Bench make_bench(Algorithm algorithm) {
  crypto::SystemRandom random;
  Bench out;
  std::vector<ApiKeySpec> keys(100);
  for (ApiKeySpec& key : keys) {
    out.api_key = make_api_key(random);
    key.id = out.api_key.substr(0, 8);
    key.digest = api_key_digest(out.api_key);
    key.owner = "nightly";
  }
  std::vector<ProviderSpec> specs;
  specs.push_back(testing::key_provider("robots", std::move(keys)));
  specs.push_back(testing::jwt_provider(
      "partners", {.inline_json = testing::key_set_json({testing::signing_key(algorithm).public_jwk()})},
      {algorithm}));
  out.providers = *compile_providers(specs, nullptr);
  return out;
}

void run(benchmark::State& state, Bench& bench, const Credential& credential) {
  for (auto _ : state) {
    auto result = authenticate({credential, *bench.providers, bench.key_sets, bench.cache, testing::kNow});
    if (result.outcome != Authentication::Outcome::caller) std::abort();
    benchmark::DoNotOptimize(result);
  }
}

void api_key(benchmark::State& state) {
  Bench bench = make_bench(Algorithm::es256);
  run(state, bench, {CredentialKind::api_key, bench.api_key});
}
BENCHMARK(api_key);

// A token of the size large issuers send: about 800 bytes with its RSA signature.
void cached_token(benchmark::State& state) {
  Bench bench = make_bench(Algorithm::rs256);
  std::string token = testing::sign_token(
      Algorithm::rs256,
      R"(,"scope":"orders:read orders:write","groups":["support","eu"],"email":"a@x.example")");
  state.counters["bytes"] = static_cast<double>(token.size());
  run(state, bench, {CredentialKind::bearer, token});
}
BENCHMARK(cached_token);

void verified_token(benchmark::State& state) {
  auto algorithm = static_cast<Algorithm>(state.range(0));
  Bench bench = make_bench(algorithm);
  std::string token = testing::sign_token(algorithm);
  Credential credential{CredentialKind::bearer, token};
  for (auto _ : state) {
    state.PauseTiming();
    bench.cache = TokenCache({.entries = 8, .bytes = 1 << 16});
    state.ResumeTiming();
    auto result = authenticate({credential, *bench.providers, bench.key_sets, bench.cache, testing::kNow});
    if (result.outcome != Authentication::Outcome::caller) std::abort();
    benchmark::DoNotOptimize(result);
  }
  state.SetLabel(std::string(crypto::algorithm_name(algorithm)));
}
BENCHMARK(verified_token)
    ->Arg(static_cast<int>(Algorithm::rs256))
    ->Arg(static_cast<int>(Algorithm::es256))
    ->Arg(static_cast<int>(Algorithm::eddsa));

void digest(benchmark::State& state) {
  std::string text(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(crypto::sha256(text));
}
BENCHMARK(digest)->Arg(52)->Arg(800);

}  // namespace
}  // namespace auth
