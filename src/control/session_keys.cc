#include "control/session_keys.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "config/files.h"
#include "control/state_folder.h"

namespace control {
namespace {

constexpr std::string_view kFile = "/session-keys";
constexpr std::string_view kHeading =
    "# What session cookies are sealed with. Without this file everybody has to log in again.\n";
constexpr std::string_view kPurpose = "gatehouse sessions";
constexpr size_t kBytesMax = 16 * 1024;
constexpr size_t kKeysMax = 16;
constexpr base::Duration kDay = base::seconds(24 * 3600);
constexpr base::Duration kRotation = kDay * 30;
constexpr base::Duration kNoticed = kDay;  // when every gate of the folder has read a new key

base::WallTime seals_from(const SessionKey& key) { return key.made + kNoticed; }

// The sealing one first: the newest that all know of, or the oldest when none is known for long.
std::vector<crypto::AeadKey> in_order_of_use(const std::vector<SessionKey>& newest_first,
                                             base::WallTime now) {
  auto sealing = std::find_if(newest_first.begin(), newest_first.end(),
                              [&](const SessionKey& key) { return seals_from(key) <= now; });
  if (sealing == newest_first.end()) --sealing;
  std::vector<crypto::AeadKey> keys = {sealing->key};
  for (auto key = newest_first.begin(); key != newest_first.end(); ++key) {
    if (key != sealing) keys.push_back(key->key);
  }
  return keys;
}

std::vector<crypto::AeadKey> keys_from(const std::vector<std::string>& secrets) {
  std::vector<crypto::AeadKey> keys;
  for (const std::string& secret : secrets) keys.push_back(crypto::derive_aead_key(secret, kPurpose));
  return keys;
}

std::optional<SessionKey> parse_line(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == line.npos) return std::nullopt;
  const auto made = base::parse_rfc3339(line.substr(0, space));
  const auto bytes = base::hex_decode(line.substr(space + 1));
  SessionKey key;
  if (!made || !bytes || bytes->size() != key.key.bytes.size()) return std::nullopt;
  key.made.ns = *made;
  std::copy(bytes->begin(), bytes->end(), key.key.bytes.begin());
  return key;
}

}  // namespace

std::string session_keys_text(const std::vector<SessionKey>& keys) {
  std::string text(kHeading);
  for (const SessionKey& each : keys) {
    const auto& bytes = each.key.bytes;
    text += base::format_rfc3339(each.made.ns) + " " +
            base::hex_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()}) + "\n";
  }
  return text;
}

std::optional<std::vector<SessionKey>> parse_session_keys(std::string_view text) {
  std::vector<SessionKey> keys;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == text.npos) return std::nullopt;  // cut
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.starts_with('#')) continue;
    const auto key = parse_line(line);
    if (!key || keys.size() == kKeysMax || (!keys.empty() && keys.back().made < key->made))
      return std::nullopt;
    keys.push_back(*key);
  }
  if (keys.empty()) return std::nullopt;
  return keys;
}

std::shared_ptr<const auth::Sealer> SessionKeys::make_sealer(const config::SessionSettings& settings,
                                                             base::WallTime now) {
  auto keys = settings.secrets.empty() ? in_order_of_use(keep(settings.limits.lifetime, now), now)
                                       : keys_from(settings.secrets);
  if (sealer_ == nullptr || keys != keys_) {
    keys_ = std::move(keys);
    sealer_ = std::make_shared<const auth::Sealer>(keys_);
  }
  return sealer_;
}

std::vector<SessionKey> SessionKeys::rotate(std::vector<SessionKey> keys, base::Duration lifetime,
                                            base::WallTime now) {
  if (keys.empty() || now >= keys.front().made + kRotation) {
    SessionKey fresh{.key = {}, .made = {now.ns / 1'000'000 * 1'000'000}};  // as exact as it is written down
    random_.fill(fresh.key.bytes);
    keys.insert(keys.begin(), fresh);
  }
  // A gate that noticed late sealed with a key for up to a day after its successor began to.
  for (size_t i = 1; i < keys.size(); ++i) {
    if (now >= seals_from(keys[i - 1]) + kNoticed + lifetime) keys.resize(i);
  }
  return keys;
}

std::vector<SessionKey> SessionKeys::keep(base::Duration lifetime, base::WallTime now) {
  const std::string path = folder_ + "/" + std::string(kStateFolder) + std::string(kFile);
  const auto text = config::DiskFiles(folder_).read(path, kBytesMax);
  if (!text && text.error() == config::FileError::missing) return make_first(path, lifetime, now);
  if (!text) return in_memory(lifetime, now, fmt::format("{} {}", path, config::words_of(text.error())));
  auto kept = parse_session_keys(*text);
  if (!kept) return in_memory(lifetime, now, path + " is not as the gate wrote it");
  unkept_.clear();
  auto keys = rotate(*kept, lifetime, now);
  if (keys == *kept) return keys;
  // Of two gates that replace a key at once the later one wins. The other's has sealed nothing by the time
  // its gate reads the file again.
  if (replace_file(path, session_keys_text(keys), 0600)) return keys;
  warn(fmt::format("the session keys in {} cannot be replaced: {}", path, std::strerror(errno)));
  return *kept;
}

std::vector<SessionKey> SessionKeys::make_first(const std::string& path, base::Duration lifetime,
                                                base::WallTime now) {
  make_state_folder(folder_);
  unkept_ = rotate(std::move(unkept_), lifetime, now);
  if (write_new_file(path, session_keys_text(unkept_), 0600)) return std::exchange(unkept_, {});
  const int why = errno;
  // Another gate that starts on this folder was first.
  if (why == EEXIST) {
    const auto text = config::DiskFiles(folder_).read(path, kBytesMax);
    if (auto others = text ? parse_session_keys(*text) : std::nullopt) return *others;
  }
  return in_memory(lifetime, now, fmt::format("{} cannot be written: {}", path, std::strerror(why)));
}

std::vector<SessionKey> SessionKeys::in_memory(base::Duration lifetime, base::WallTime now,
                                               const std::string& why) {
  warn(why +
       "; session keys are not kept, and everybody has to log in again after a restart. Set "
       "sessions.secret, as several gates of one fleet must");
  unkept_ = rotate(std::move(unkept_), lifetime, now);
  return unkept_;
}

void SessionKeys::warn(const std::string& problem) {
  if (problem == warned_of_) return;
  warned_of_ = problem;
  spdlog::warn("{}", problem);
}

}  // namespace control
