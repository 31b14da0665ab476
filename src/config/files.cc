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

bool is_link(const std::string& path) {
  struct stat status;
  return ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

FileError error_of_open(const std::string& path, int error) {
  if (error == EACCES || error == EPERM) return FileError::denied;
  if (error == ENOENT) return is_link(path) ? FileError::dangling_link : FileError::missing;
  return FileError::unreadable;
}

}  // namespace

std::string_view words_of(FileError error) {
  switch (error) {
    case FileError::missing:
      return "does not exist";
    case FileError::dangling_link:
      return "is a link to a file that does not exist";
    case FileError::not_a_file:
      return "is not a regular file";
    case FileError::denied:
      return "cannot be read: permission denied";
    case FileError::unreadable:
      return "cannot be read";
    case FileError::too_large:
      break;
  }
  return "is too large";
}

std::string DiskFiles::absolute(std::string_view path) const {
  if (path.starts_with('/')) return std::string(path);
  return folder_ + "/" + std::string(path);
}

std::optional<FileIdentity> DiskFiles::identify(std::string_view path) const {
  struct stat status;
  std::string whole = absolute(path);
  if (::stat(whole.c_str(), &status) == 0) return identity_of(status);
  int error = errno;
  if (error == ENOTDIR || error_of_open(whole, error) == FileError::missing) return std::nullopt;
  return FileIdentity{};
}

std::expected<std::string, FileError> DiskFiles::read(std::string_view path, size_t bytes_max) const {
  // O_NONBLOCK: a named pipe in the folder must not stop the control thread.
  std::string whole = absolute(path);
  int descriptor = ::open(whole.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return std::unexpected(error_of_open(whole, errno));
  struct stat status;
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    return std::unexpected(FileError::not_a_file);
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

std::expected<std::vector<std::string>, FileError> DiskFiles::list(std::string_view folder) const {
  std::vector<std::string> names;
  std::string whole = absolute(folder);
  DIR* opened = ::opendir(whole.c_str());
  if (!opened) {
    FileError error = error_of_open(whole, errno);
    if (error == FileError::missing) return names;
    return std::unexpected(error);
  }
  while (const dirent* entry = ::readdir(opened)) names.emplace_back(entry->d_name);
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
  if (is_denied(path)) return FileIdentity{};
  auto found = files_.find(path);
  if (found == files_.end()) return std::nullopt;
  return FileIdentity{.inode = 1, .modified_ns = found->second.version, .size = found->second.text.size()};
}

std::expected<std::string, FileError> MemoryFiles::read(std::string_view path, size_t bytes_max) const {
  if (is_denied(path)) return std::unexpected(FileError::denied);
  auto found = files_.find(path);
  if (found == files_.end()) return std::unexpected(FileError::missing);
  if (found->second.text.size() > bytes_max) return std::unexpected(FileError::too_large);
  ++reads_;
  return found->second.text;
}

bool MemoryFiles::is_denied(std::string_view path) const {
  return denied_.contains(path) || denied_.contains(path.substr(0, path.rfind('/')));
}

std::expected<std::vector<std::string>, FileError> MemoryFiles::list(std::string_view folder) const {
  if (is_denied(folder)) return std::unexpected(FileError::denied);
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
