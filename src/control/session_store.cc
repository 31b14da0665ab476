#include "control/session_store.h"

namespace control {

SessionStore::Result<> check_store_sizes(std::string_view key, std::string_view value) {
  if (key.size() > kStoreKeyBytesMax) {
    return std::unexpected("a key has more than " + std::to_string(kStoreKeyBytesMax) + " bytes");
  }
  if (value.size() > kStoreValueBytesMax) {
    return std::unexpected("a session's data are larger than " + std::to_string(kStoreValueBytesMax / 1024) +
                           " KiB");
  }
  return {};
}

}  // namespace control
