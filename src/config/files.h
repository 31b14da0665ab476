// The files of one gate: the folder a user edits, or a map in memory for tests, the simulation and fuzzers.
// The loader reads through this and nothing else. Paths are relative to the gate's folder, or absolute.
// Used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
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

enum class FileError : uint8_t { missing, unreadable, too_large };

class Files {
 public:
  virtual ~Files() = default;
  // nullopt when there is no such regular file.
  virtual std::optional<FileIdentity> identify(std::string_view path) const = 0;
  virtual std::expected<std::string, FileError> read(std::string_view path, size_t bytes_max) const = 0;
  // Names of what stands directly in a folder, in no order; nothing when it does not exist.
  virtual std::vector<std::string> list(std::string_view folder) const = 0;
  // An environment variable, for values written as { env: VAR }.
  virtual std::optional<std::string> variable(std::string_view name) const = 0;
};

class DiskFiles final : public Files {
 public:
  explicit DiskFiles(std::string folder) : folder_(std::move(folder)) {}
  std::optional<FileIdentity> identify(std::string_view path) const override;
  std::expected<std::string, FileError> read(std::string_view path, size_t bytes_max) const override;
  std::vector<std::string> list(std::string_view folder) const override;
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
  std::optional<FileIdentity> identify(std::string_view path) const override;
  std::expected<std::string, FileError> read(std::string_view path, size_t bytes_max) const override;
  std::vector<std::string> list(std::string_view folder) const override;
  std::optional<std::string> variable(std::string_view name) const override;
  // How often read() was called: tests of the cache count.
  uint64_t reads() const { return reads_; }

 private:
  struct File {
    std::string text;
    int64_t version = 0;
  };
  std::map<std::string, File, std::less<>> files_;
  std::map<std::string, std::string, std::less<>> variables_;
  int64_t version_ = 0;
  mutable uint64_t reads_ = 0;
};

}  // namespace config
