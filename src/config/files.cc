#include "config/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace config {
namespace {

FileIdentity identity_of(const struct stat& status) {
  return {.inode = status.st_ino,
          .modified_ns = status.st_mtim.tv_sec * 1'000'000'000LL + status.st_mtim.tv_nsec,
          .size = static_cast<uint64_t>(status.st_size)};
}

}  // namespace

std::string DiskFiles::absolute(std::string_view path) const {
  if (path.starts_with('/')) return std::string(path);
  return folder_ + "/" + std::string(path);
}

std::optional<FileIdentity> DiskFiles::identify(std::string_view path) const {
  struct stat status;
  if (::stat(absolute(path).c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return identity_of(status);
}

std::expected<std::string, FileError> DiskFiles::read(std::string_view path, size_t bytes_max) const {
  // O_NONBLOCK: a named pipe in the folder must not stop the control thread.
  int descriptor = ::open(absolute(path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return std::unexpected(errno == ENOENT ? FileError::missing : FileError::unreadable);
  struct stat status;
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    return std::unexpected(FileError::unreadable);
  }
  std::string text;
  std::expected<std::string, FileError> result;
  char buffer[16 * 1024];
  while (true) {
    ssize_t got = ::read(descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) result = std::unexpected(FileError::unreadable);
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > bytes_max) {
      result = std::unexpected(FileError::too_large);
      break;
    }
  }
  ::close(descriptor);
  if (!result) return result;
  return text;
}

std::vector<std::string> DiskFiles::list(std::string_view folder) const {
  std::vector<std::string> names;
  DIR* opened = ::opendir(absolute(folder).c_str());
  if (!opened) return names;
  while (const dirent* entry = ::readdir(opened)) {
    if (entry->d_type == DT_DIR) continue;
    names.emplace_back(entry->d_name);
  }
  ::closedir(opened);
  return names;
}

std::optional<std::string> DiskFiles::variable(std::string_view name) const {
  const char* value = std::getenv(std::string(name).c_str());
  if (!value) return std::nullopt;
  return value;
}

void MemoryFiles::write(std::string_view path, std::string_view text) {
  files_.insert_or_assign(std::string(path), File{std::string(text), ++version_});
}

void MemoryFiles::remove(std::string_view path) {
  auto found = files_.find(path);
  if (found != files_.end()) files_.erase(found);
}

void MemoryFiles::set_variable(std::string_view name, std::string_view value) {
  variables_.insert_or_assign(std::string(name), std::string(value));
}

std::optional<FileIdentity> MemoryFiles::identify(std::string_view path) const {
  auto found = files_.find(path);
  if (found == files_.end()) return std::nullopt;
  return FileIdentity{.inode = 1, .modified_ns = found->second.version, .size = found->second.text.size()};
}

std::expected<std::string, FileError> MemoryFiles::read(std::string_view path, size_t bytes_max) const {
  auto found = files_.find(path);
  if (found == files_.end()) return std::unexpected(FileError::missing);
  if (found->second.text.size() > bytes_max) return std::unexpected(FileError::too_large);
  ++reads_;
  return found->second.text;
}

std::vector<std::string> MemoryFiles::list(std::string_view folder) const {
  std::vector<std::string> names;
  std::string prefix = std::string(folder) + "/";
  for (auto found = files_.lower_bound(prefix); found != files_.end() && found->first.starts_with(prefix);
       ++found) {
    std::string name = found->first.substr(prefix.size());
    if (name.find('/') == name.npos) names.push_back(std::move(name));
  }
  return names;
}

std::optional<std::string> MemoryFiles::variable(std::string_view name) const {
  auto found = variables_.find(name);
  if (found == variables_.end()) return std::nullopt;
  return found->second;
}

}  // namespace config
