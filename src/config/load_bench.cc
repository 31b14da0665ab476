// Loading a gate of many services, and reloading it when one of their files changed.
#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <malloc.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/load.h"

namespace {

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string service_text(int64_t i) {
  return fmt::format(
      "match:   {{ host: api.example.com, path: /service-{0} }}\n"
      "access:\n"
      "  - name: health is public\n    allow: anyone\n    on: GET /service-{0}/health\n"
      "  - name: partners read\n    allow: {{ provider: partners, scopes: [s{0}:read] }}\n    on: GET "
      "/service-{0}/**\n"
      "  - name: support may do anything\n    allow: {{ provider: partners, groups: [support] }}\n"
      "tests:\n  - GET /service-{0}/health -> allow by \"health is public\"\n",
      i);
}

class Folder {
 public:
  explicit Folder(int64_t services)
      : path_(std::filesystem::temp_directory_path() / fmt::format("gatehouse-bench-{}", ::getpid())) {
    std::filesystem::create_directories(path_ + "/services");
    std::filesystem::create_directories(path_ + "/environments");
    write(path_ + "/gatehouse.yaml",
          "listen: [{ address: \":8080\" }]\nproviders:\n  partners: { jwt: { issuer: i, audience: a, jwks: "
          "https://a/b } }\n");
    std::string values;
    for (int64_t i = 0; i < services; ++i) {
      write(fmt::format("{}/services/s{}.yaml", path_, i), service_text(i));
      values += fmt::format("s{}: [127.0.0.1:9001, 127.0.0.1:9002]\n", i);
    }
    write(path_ + "/environments/local.yaml", values);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void BM_Load(benchmark::State& state) {
  Folder folder(state.range(0));
  config::DiskFiles files(folder.path());
  size_t bytes = 0;
  for (auto _ : state) {
    malloc_trim(0);
    size_t before = mallinfo2().uordblks;
    config::Loader loader(files, "local");
    config::LoadedGate loaded = loader.load();
    if (loaded.services.size() != static_cast<size_t>(state.range(0))) state.SkipWithError("not all loaded");
    bytes = mallinfo2().uordblks - before;
  }
  state.counters["bytes_per_service"] = static_cast<double>(bytes) / static_cast<double>(state.range(0));
}
BENCHMARK(BM_Load)->Arg(100)->Arg(5000)->Unit(benchmark::kMillisecond);

void BM_ReloadOne(benchmark::State& state) {
  Folder folder(state.range(0));
  config::DiskFiles files(folder.path());
  config::Loader loader(files, "local");
  config::LoadedGate loaded = loader.load();
  int64_t round = 0;
  for (auto _ : state) {
    state.PauseTiming();
    write(folder.path() + "/services/s7.yaml", service_text(7) + fmt::format("# {}\n", ++round));
    std::vector<std::string> changed{"services/s7.yaml"};
    state.ResumeTiming();
    loaded = loader.reload(changed);
  }
}
BENCHMARK(BM_ReloadOne)->Arg(100)->Arg(5000)->Unit(benchmark::kMicrosecond);

void BM_LoadUnchanged(benchmark::State& state) {
  Folder folder(state.range(0));
  config::DiskFiles files(folder.path());
  config::Loader loader(files, "local");
  config::LoadedGate loaded = loader.load();
  for (auto _ : state) loaded = loader.load();
}
BENCHMARK(BM_LoadUnchanged)->Arg(5000)->Unit(benchmark::kMillisecond);

}  // namespace
