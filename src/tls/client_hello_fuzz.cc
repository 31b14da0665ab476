#include "tls/client_hello.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto name = tls::parse_server_name({data, size});
  if (!name) return 0;
  const char* begin = reinterpret_cast<const char*>(data);
  if (name->data() < begin || name->data() + name->size() > begin + size) std::abort();
  if (name->empty() || name->size() > tls::kServerNameMax || name->ends_with('\0')) std::abort();
  return 0;
}
