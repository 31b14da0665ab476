// The files of one gate: the folder a user edits, or a map in memory for tests, the simulation and fuzzers.
// The loader reads through this and nothing else. Paths are relative to the gate's folder, or absolute.
// Used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace config {

// Two reads that give equal identities give equal bytes.
struct FileIdentity {
  uint64_t inode = 0;
  int64_t modified_ns = 0;
  uint64_t size = 0;
  bool operator==(const FileIdentity&) const = default;
};

// A file that a setting names, as it was when it was read; no identity: it was not there.
struct FileUse {
  std::string path;
  std::optional<FileIdentity> identity;
};

enum class FileError : uint8_t { missing, dangling_link, not_a_file, denied, unreadable, too_large };

// What follows "the file" in a diagnostic.
std::string_view words_of(FileError error);

class Files {
 public:
  virtual ~Files() = default;
  // nullopt only when nothing is there. What is there and is no readable file has an identity too: a service
  // whose file cannot be read is broken, not gone.
  virtual std::optional<FileIdentity> identify(std::string_view path) const = 0;
  virtual std::expected<std::string, FileError> read(std::string_view path, size_t bytes_max) const = 0;
  // Names of what stands directly in a folder, in no order; none when it does not exist.
  virtual std::expected<std::vector<std::string>, FileError> list(std::string_view folder) const = 0;
  // An environment variable, for values written as { env: VAR }.
  virtual std::optional<std::string> variable(std::string_view name) const = 0;
};

class DiskFiles final : public Files {
 public:
  explicit DiskFiles(std::string folder) : folder_(std::move(folder)) {}
  std::optional<FileIdentity> identify(std::string_view path) const override;
  std::expected<std::string, FileError> read(std::string_view path, size_t bytes_max) const override;
  std::expected<std::vector<std::string>, FileError> list(std::string_view folder) const override;
  std::optional<std::string> variable(std::string_view name) const override;
  // What a relative path of a setting means.
  std::string absolute(std::string_view path) const;

 private:
  std::string folder_;
};

class MemoryFiles final : public Files {
 public:
  void write(std::string_view path, std::string_view text);
  void remove(std::string_view path);
  void set_variable(std::string_view name, std::string_view value);
  // From now on reading this file, or listing this folder and reading what stands in it, is not permitted.
  void deny(std::string_view path) { denied_.insert(std::string(path)); }
  void permit(std::string_view path) { denied_.erase(std::string(path)); }
  std::optional<FileIdentity> identify(std::string_view path) const override;
  std::expected<std::string, FileError> read(std::string_view path, size_t bytes_max) const override;
  std::expected<std::vector<std::string>, FileError> list(std::string_view folder) const override;
  std::optional<std::string> variable(std::string_view name) const override;
  // How often read() was called: tests of the cache count.
  uint64_t reads() const { return reads_; }

 private:
  struct File {
    std::string text;
    int64_t version = 0;
  };
  bool is_denied(std::string_view path) const;

  std::map<std::string, File, std::less<>> files_;
  std::set<std::string, std::less<>> denied_;
  std::map<std::string, std::string, std::less<>> variables_;
  int64_t version_ = 0;
  mutable uint64_t reads_ = 0;
};

}  // namespace config
