// The keys that sessions are sealed with: made from the secrets configured, or made by the gate, kept in its
// folder and replaced every 30 days. A new key seals a day after it was made, so that gates which share the
// folder know it by then; one that was replaced opens until the last session it sealed has ended. Control
// thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/sealer.h"
#include "base/time.h"
#include "config/settings.h"
#include "crypto/random.h"

namespace control {

struct SessionKey {
  crypto::AeadKey key;
  base::WallTime made;
  bool operator==(const SessionKey&) const = default;
};

class SessionKeys {
 public:
  // folder: the gate's, absolute.
  SessionKeys(std::string folder, crypto::RandomSource& random)
      : folder_(std::move(folder)), random_(random) {}

  // The sealer for these settings, the same object as long as nothing about it changed. To be asked again at
  // every reload, and every hour for the keys that were made, here or by another gate, since.
  std::shared_ptr<const auth::Sealer> make_sealer(const config::SessionSettings& settings,
                                                  base::WallTime now);

 private:
  // All of them the newest first.
  std::vector<SessionKey> keep(base::Duration lifetime, base::WallTime now);
  std::vector<SessionKey> make_first(const std::string& path, base::Duration lifetime, base::WallTime now);
  std::vector<SessionKey> in_memory(base::Duration lifetime, base::WallTime now, const std::string& why);
  std::vector<SessionKey> rotate(std::vector<SessionKey> keys, base::Duration lifetime, base::WallTime now);
  void warn(const std::string& problem);

  std::string folder_;
  crypto::RandomSource& random_;
  std::vector<SessionKey> unkept_;  // made where nothing can be kept: they end with the process
  std::string warned_of_;           // said once, until it is another problem
  std::vector<crypto::AeadKey> keys_;
  std::shared_ptr<const auth::Sealer> sealer_;
};

// The file's text: a line a key, the newest first. nullopt: it is not written like that.
std::string session_keys_text(const std::vector<SessionKey>& keys);
std::optional<std::vector<SessionKey>> parse_session_keys(std::string_view text);

}  // namespace control
