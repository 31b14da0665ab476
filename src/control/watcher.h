// Tells which files changed, by inotify: the gate's folder, its services/ and environments/, and the folders
// of files that settings refer to. Files are seen when they are closed after writing, renamed or removed, so
// a file half written is not read. Control thread only.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "io/loop.h"

namespace control {

class Watcher final : private io::EventSource {
 public:
  // folder: the gate's, absolute.
  Watcher(io::Loop& loop, std::string folder);
  ~Watcher() override;
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  bool works() const { return fd_ >= 0; }
  // Besides the gate's own folders. Paths relative to the gate's folder, or absolute.
  void watch_files(const std::vector<std::string>& paths);

  struct Changes {
    std::vector<std::string> paths;  // named as the loader names them
    bool everything = false;         // more happened than can be told: look at all files
    void add(const Changes& later);
  };
  // What changed since the last call.
  Changes take_changes();
  bool any() const { return everything_ || !changed_.empty(); }
  io::Signal& changed() { return signal_; }

 private:
  void on_events(uint32_t bits) override;
  void watch_folder(const std::string& folder, const std::string& prefix);
  void watch_own_folders();

  io::Loop& loop_;
  std::string folder_;
  int fd_ = -1;
  std::map<int, std::vector<std::string>> prefixes_;  // watch descriptor to what its files' names begin with
  std::set<std::pair<std::string, std::string>> watched_;
  std::set<std::string> changed_;
  bool everything_ = false;
  io::Signal signal_;
};

}  // namespace control
