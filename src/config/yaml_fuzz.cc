// Bytes to settings: as a gate, a service, an environment and a file of keys. Must end, and never crash.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "config/diagnostics.h"
#include "config/keys_file.h"
#include "config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  config::MemoryFiles files;
  // The same bytes in each place: whatever they are, the other files are there to refer to.
  files.write(
      "gatehouse.yaml",
      "listen: [{ address: \":8080\" }]\nproviders: { partners: { api_keys: { file: keys.yaml } } }\n");
  files.write("keys.yaml", text);
  files.write("services/orders.yaml", text);
  files.write("environments/local.yaml", "orders: 127.0.0.1:9001\n");
  config::Loader loader(files, "local");
  config::LoadedGate loaded = loader.load();
  config::format_text(loaded.diagnostics, config::Style::plain);
  config::format_json(loaded.diagnostics);

  files.write("keys.yaml", "keys: []\n");
  files.write("environments/local.yaml", text);
  loader.load();
  files.write("gatehouse.yaml", text);
  loaded = loader.load();
  config::format_text(loaded.diagnostics, config::Style::coloured);
  config::check_gate(files, "local");

  auto added = config::add_key(text, {.id = "k", .digest = "sha256:0", .owner = "o"});
  if (added) (void)config::remove_key(*added, "k");
  return 0;
}
