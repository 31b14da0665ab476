#include "cli/run.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <filesystem>

#include "cli/gate_source.h"
#include "control/server.h"
#include "io/clock.h"
#include "io/epoll.h"

namespace cli {

int run_command(const RunOptions& options) {
  if (!is_gate(config::DiskFiles(options.dir))) return refuse_to_run(no_gate_in(options.dir));
  // Standard output is the access log's.
  auto log = spdlog::stderr_color_mt("gatehouse");
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  spdlog::set_default_logger(log);
  std::error_code error;
  std::filesystem::path folder = std::filesystem::absolute(options.dir, error).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  std::unique_ptr<io::Poller> poller = io::make_epoll_poller();
  if (poller == nullptr) {
    std::fputs("gatehouse: no file descriptors are left to this process\n", stderr);
    return 2;
  }
  io::Loop loop(io::system_clock(), *poller);
  control::Server server(
      loop, {.folder = folder.string(), .environment = options.env, .ready_file = options.ready_file});
  return server.run();
}

}  // namespace cli
