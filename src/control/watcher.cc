#include "control/watcher.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace control {
namespace {

constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE |
                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;

}  // namespace

Watcher::Watcher(io::Loop& loop, std::string folder)
    : loop_(loop), folder_(std::move(folder)), fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (fd_ < 0) return;
  loop_.poller().add(fd_, *this);
  watch_own_folders();
}

Watcher::~Watcher() {
  if (fd_ < 0) return;
  loop_.poller().remove(fd_);
  close(fd_);
}

void Watcher::watch_own_folders() {
  watch_folder(folder_, "");
  watch_folder(folder_ + "/services", "services/");
  watch_folder(folder_ + "/environments", "environments/");
}

void Watcher::watch_folder(const std::string& folder, const std::string& prefix) {
  int watch = inotify_add_watch(fd_, folder.c_str(), kEvents | IN_ONLYDIR);
  if (watch < 0) return;
  auto& prefixes = prefixes_[watch];
  if (std::ranges::find(prefixes, prefix) == prefixes.end()) prefixes.push_back(prefix);
}

void Watcher::watch_files(const std::vector<std::string>& paths) {
  if (fd_ < 0) return;
  for (const std::string& path : paths) {
    size_t slash = path.rfind('/');
    std::string prefix = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    std::string folder = path.starts_with('/') ? prefix : folder_ + "/" + prefix;
    if (watched_.emplace(folder, prefix).second) watch_folder(folder, prefix);
  }
}

void Watcher::on_events(uint32_t) {
  alignas(inotify_event) char buffer[16 * 1024];
  for (;;) {
    ssize_t length = read(fd_, buffer, sizeof buffer);
    if (length <= 0) break;
    for (char* at = buffer; at < buffer + length;) {
      auto* event = reinterpret_cast<inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      if (event->mask & IN_Q_OVERFLOW) {
        everything_ = true;
        continue;
      }
      if (event->mask & IN_IGNORED) {
        prefixes_.erase(event->wd);
        continue;
      }
      if (event->len == 0) continue;
      std::string name = event->name;
      if (name == ".gatehouse") continue;  // what the gate itself keeps
      bool folder_came_or_went = (event->mask & IN_ISDIR) != 0;
      // A mounted configuration volume swaps a whole tree by renaming the link ..data.
      if (name == "..data" || folder_came_or_went) {
        everything_ = true;
        watched_.clear();
        watch_own_folders();
        continue;
      }
      // A file just made is complete once it is closed; a link is complete at once.
      if (event->mask & IN_CREATE && !(event->mask & IN_CLOSE_WRITE)) {
        auto known = prefixes_.find(event->wd);
        if (known == prefixes_.end()) continue;
        char target;
        std::string path =
            (known->second.front().starts_with('/') ? "" : folder_ + "/") + known->second.front() + name;
        if (readlink(path.c_str(), &target, 1) < 0) continue;
      }
      auto known = prefixes_.find(event->wd);
      if (known == prefixes_.end()) continue;
      for (const std::string& prefix : known->second) changed_.insert(prefix + name);
    }
  }
  if (any()) signal_.fire();
}

void Watcher::Changes::add(const Changes& later) {
  everything |= later.everything;
  paths.insert(paths.end(), later.paths.begin(), later.paths.end());
}

Watcher::Changes Watcher::take_changes() {
  Changes changes;
  changes.everything = std::exchange(everything_, false);
  changes.paths.assign(changed_.begin(), changed_.end());
  changed_.clear();
  return changes;
}

}  // namespace control
