// The table behind the embedded session store: SQLite in one file, or in memory. One thread at a time, which
// may have to wait for the disk. Other processes may have the file open too: a gate and the one that takes
// its place.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace control {

class SessionDatabase {
 public:
  // full: the file may not grow, or the disk is full. damaged: there is no sense in the file, or it is
  // somebody else's. unwritable: there is no right to it.
  enum class Fault : uint8_t { full, damaged, unwritable, failed };
  struct Problem {
    Fault fault = Fault::failed;
    std::string sentence;
  };
  template <class T = void>
  using Result = std::expected<T, Problem>;

  struct Options {
    std::string path;  // empty: in memory
    int64_t bytes_max = int64_t{512} * 1024 * 1024;
  };
  // The file is made when it is not there, readable by nobody else.
  static Result<std::unique_ptr<SessionDatabase>> open(const Options& options);
  ~SessionDatabase();
  SessionDatabase(const SessionDatabase&) = delete;
  SessionDatabase& operator=(const SessionDatabase&) = delete;

  // What is done between the two is kept together, or none of it. Ends by itself when it cannot be kept.
  enum class Access : uint8_t { reads, writes };
  Result<> begin(Access access);
  Result<> commit();
  void roll_back();
  bool in_transaction() const;

  Result<> put(std::string_view key, std::string_view value, base::WallTime until, base::WallTime now);
  Result<std::optional<std::string>> get(std::string_view key, base::WallTime now);
  Result<> erase(std::string_view key);
  // True: nobody had it.
  Result<bool> claim(std::string_view key, base::WallTime until, base::WallTime now);
  // There is room for these also where there is none for anything else.
  Result<> add_revocation(std::string_view text, base::WallTime until);

  struct Kept {
    int64_t number = 0;  // grows
    std::string text;
    base::WallTime until;
  };
  Result<std::vector<Kept>> revocations_after(int64_t number);
  // Whether another process has changed something since this was last asked.
  Result<bool> changed_elsewhere();
  // Some of what has passed; false: none is left.
  Result<bool> forget_passed(base::WallTime now);

  // As many as can be read of a file that cannot be used otherwise.
  static std::vector<Kept> salvage_revocations(const std::string& path);

 private:
  struct Statements;
  class Query;

  SessionDatabase();
  Result<> prepare(const Options& options);
  Result<bool> find_tables();
  Result<> set_up(const char* pragmas);
  Result<> make_tables();
  Result<> execute(const char* sql);
  Result<int64_t> number_of(const char* pragma);
  Result<> make_room(size_t bytes, base::WallTime now);
  Result<int64_t> bytes_used();
  std::unexpected<Problem> problem(int code) const;

  sqlite3* db_ = nullptr;
  std::unique_ptr<Statements> statements_;
  int64_t bytes_max_ = 0;
  int64_t data_version_ = 0;
};

}  // namespace control
