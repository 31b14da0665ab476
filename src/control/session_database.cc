#include "control/session_database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace control {
namespace {

constexpr int64_t kApplication = 0x47415445;  // "GATE": where `file` and we look for whose database this is
constexpr int64_t kVersion = 1;
constexpr int64_t kPageBytes = 4096;
constexpr int64_t kRevocationBytesMax = int64_t{64} * 1024 * 1024;  // beyond what anything else may take
constexpr int kBusyMs = 1000;                                       // another process writes
constexpr int kBusyAtStartMs = 10'000;  // several that start at once make the tables in turn
constexpr int kBusyPauseMs = 10;

// A number that SQLite never gives twice, so that who has seen all up to one has missed none.
constexpr char kTables[] =
    "CREATE TABLE entries(key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, until INTEGER NOT NULL);"
    "CREATE INDEX entries_by_until ON entries(until);"
    "CREATE TABLE revocations(number INTEGER PRIMARY KEY AUTOINCREMENT, text BLOB NOT NULL,"
    " until INTEGER NOT NULL);"
    "CREATE INDEX revocations_by_until ON revocations(until);";

enum Sql : size_t {
  put_entry,
  get_entry,
  erase_entry,
  claim_entry,
  add_one_revocation,
  get_revocations,
  forget_entries,
  forget_revocations,
  page_count,
  free_pages,
  data_version,
  kSqlCount
};

constexpr std::array<const char*, kSqlCount> kSql = {
    "INSERT INTO entries(key, value, until) VALUES(?1, ?2, ?3)"
    " ON CONFLICT(key) DO UPDATE SET value = excluded.value, until = excluded.until",
    "SELECT value FROM entries WHERE key = ?1 AND until > ?2",
    "DELETE FROM entries WHERE key = ?1",
    "INSERT INTO entries(key, value, until) VALUES(?1, x'', ?2)"
    " ON CONFLICT(key) DO UPDATE SET value = x'', until = excluded.until WHERE entries.until <= ?3",
    "INSERT INTO revocations(text, until) VALUES(?1, ?2)",
    "SELECT number, text, until FROM revocations WHERE number > ?1 ORDER BY number",
    "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries WHERE until <= ?1 LIMIT 500)",
    "DELETE FROM revocations WHERE number IN (SELECT number FROM revocations WHERE until <= ?1 LIMIT 500)",
    "PRAGMA page_count",
    "PRAGMA freelist_count",
    "PRAGMA data_version",
};

SessionDatabase::Fault fault_of(int code) {
  switch (code & 0xff) {  // without the extension
    case SQLITE_FULL:
      return SessionDatabase::Fault::full;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return SessionDatabase::Fault::damaged;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return SessionDatabase::Fault::unwritable;
    default:
      return SessionDatabase::Fault::failed;
  }
}

}  // namespace

struct SessionDatabase::Statements {
  std::array<sqlite3_stmt*, kSqlCount> all{};
  ~Statements() {
    for (sqlite3_stmt* statement : all) sqlite3_finalize(statement);
  }
};

// One run of a prepared statement.
class SessionDatabase::Query {
 public:
  Query(SessionDatabase& owner, Sql sql) : owner_(owner), statement_(owner.statements_->all[sql]) {}
  ~Query() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Bytes stay where they are until the query is over.
  Query& with(std::string_view bytes) {
    const char* data = bytes.data() != nullptr ? bytes.data() : "";  // null would be NULL
    sqlite3_bind_blob64(statement_, ++bound_, data, bytes.size(), SQLITE_STATIC);
    return *this;
  }
  Query& with(int64_t number) {
    sqlite3_bind_int64(statement_, ++bound_, number);
    return *this;
  }
  Query& with(base::WallTime time) { return with(time.ns); }

  // Whether there is a row.
  Result<bool> step() {
    int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return owner_.problem(code);
  }
  // For what gives no rows: how many it changed.
  Result<int> run() {
    if (auto row = step(); !row) return std::unexpected(std::move(row.error()));
    return sqlite3_changes(owner_.db_);
  }
  std::string bytes(int column) {
    const void* data = sqlite3_column_blob(statement_, column);
    size_t size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
  }
  int64_t number(int column) { return sqlite3_column_int64(statement_, column); }

 private:
  SessionDatabase& owner_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

SessionDatabase::SessionDatabase() = default;

SessionDatabase::~SessionDatabase() {
  statements_.reset();
  sqlite3_close(db_);
}

std::unexpected<SessionDatabase::Problem> SessionDatabase::problem(int code) const {
  // SQLite's own sentences name no content.
  bool of_last_call = db_ != nullptr && (sqlite3_errcode(db_) & 0xff) == (code & 0xff);
  return std::unexpected(Problem{fault_of(code), of_last_call ? sqlite3_errmsg(db_) : sqlite3_errstr(code)});
}

SessionDatabase::Result<> SessionDatabase::execute(const char* sql) {
  int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return problem(code);
  return {};
}

SessionDatabase::Result<int64_t> SessionDatabase::number_of(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr);
  int64_t number = 0;
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  if (code == SQLITE_ROW) number = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  if (code != SQLITE_ROW) return problem(code);
  return number;
}

SessionDatabase::Result<std::unique_ptr<SessionDatabase>> SessionDatabase::open(const Options& options) {
  std::unique_ptr<SessionDatabase> database(new SessionDatabase);
  if (auto prepared = database->prepare(options); !prepared) return std::unexpected(prepared.error());
  return database;
}

SessionDatabase::Result<> SessionDatabase::prepare(const Options& options) {
  if (!options.path.empty()) {
    // SQLite would make it with the umask's mode; what it makes beside it gets the mode of this one. Never
    // opened when it is there: closing it again would take away the locks that this process holds on it.
    int fd = ::open(options.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    chmod(options.path.c_str(), 0600);
  }
  const char* name = options.path.empty() ? ":memory:" : options.path.c_str();
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  int code = sqlite3_open_v2(name, &db_, flags, nullptr);
  if (code != SQLITE_OK) return problem(code);
  sqlite3_busy_timeout(db_, kBusyAtStartMs);
  if (sqlite3_db_readonly(db_, "main") == 1) return problem(SQLITE_READONLY);
  bytes_max_ = options.bytes_max;
  auto has_tables = find_tables();
  if (!has_tables) return std::unexpected(std::move(has_tables.error()));
  // FULL: what was answered is kept, whatever happens to the machine.
  std::string pragmas =
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 4194304;"
      "PRAGMA max_page_count = " +
      std::to_string((bytes_max_ + kRevocationBytesMax) / kPageBytes) + ";";
  if (auto set = set_up(pragmas.c_str()); !set) return set;
  if (!*has_tables) {
    if (auto made = make_tables(); !made) return made;
  }
  statements_ = std::make_unique<Statements>();
  for (size_t i = 0; i < kSqlCount; ++i) {
    code = sqlite3_prepare_v3(db_, kSql[i], -1, SQLITE_PREPARE_PERSISTENT, &statements_->all[i], nullptr);
    if (code != SQLITE_OK) return problem(code);
  }
  auto version = number_of("PRAGMA data_version");
  if (!version) return std::unexpected(version.error());
  data_version_ = *version;
  sqlite3_busy_timeout(db_, kBusyMs);
  return {};
}

// The change to write-ahead logging needs the file alone, and where several start at once SQLite may say that
// it is busy without having waited.
SessionDatabase::Result<> SessionDatabase::set_up(const char* pragmas) {
  for (int waited_ms = 0;; waited_ms += kBusyPauseMs) {
    int code = sqlite3_exec(db_, pragmas, nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) return {};
    if ((code & 0xff) != SQLITE_BUSY || waited_ms >= kBusyAtStartMs) return problem(code);
    sqlite3_sleep(kBusyPauseMs);
  }
}

// Whether they are there already. An empty file is nobody's.
SessionDatabase::Result<bool> SessionDatabase::find_tables() {
  auto tables = number_of("SELECT count(*) FROM sqlite_schema");
  if (!tables) return std::unexpected(tables.error());
  auto application = number_of("PRAGMA application_id");
  if (!application) return std::unexpected(application.error());
  auto version = number_of("PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  if (*tables == 0 && *application == 0) return false;
  if (*application != kApplication) {
    return std::unexpected(Problem{Fault::damaged, "it is a database of something else"});
  }
  if (*version != kVersion) {
    return std::unexpected(Problem{Fault::damaged, "it was made by another version of gatehouse"});
  }
  return true;
}

SessionDatabase::Result<> SessionDatabase::make_tables() {
  if (auto begun = begin(Access::writes); !begun)
    return begun;  // of two gates starting at once one makes them
  auto tables = number_of("SELECT count(*) FROM sqlite_schema");
  if (tables && *tables != 0) return commit();
  std::string sql = std::string(kTables) + "PRAGMA application_id = " + std::to_string(kApplication) +
                    "; PRAGMA user_version = " + std::to_string(kVersion) + ";";
  auto made = execute(sql.c_str());
  if (made) made = commit();
  if (!made) roll_back();
  return made;
}

SessionDatabase::Result<> SessionDatabase::begin(Access access) {
  return execute(access == Access::writes ? "BEGIN IMMEDIATE" : "BEGIN");
}
SessionDatabase::Result<> SessionDatabase::commit() { return execute("COMMIT"); }
void SessionDatabase::roll_back() {
  if (in_transaction()) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}
bool SessionDatabase::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

SessionDatabase::Result<int64_t> SessionDatabase::bytes_used() {
  Query all(*this, page_count);
  Query unused(*this, free_pages);
  auto has_all = all.step();
  if (!has_all) return std::unexpected(has_all.error());
  auto has_unused = unused.step();
  if (!has_unused) return std::unexpected(has_unused.error());
  return (all.number(0) - unused.number(0)) * kPageBytes;
}

SessionDatabase::Result<> SessionDatabase::make_room(size_t bytes, base::WallTime now) {
  for (;;) {
    auto used = bytes_used();
    if (!used) return std::unexpected(used.error());
    if (*used + static_cast<int64_t>(bytes) <= bytes_max_) return {};
    auto more = forget_passed(now);
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
  }
  return std::unexpected(Problem{Fault::full, "it is full: " + std::to_string(bytes_max_ / 1024 / 1024) +
                                                  " MiB of sessions that have not ended"});
}

SessionDatabase::Result<> SessionDatabase::put(std::string_view key, std::string_view value,
                                               base::WallTime until, base::WallTime now) {
  if (auto room = make_room(key.size() + value.size(), now); !room) return room;
  auto done = Query(*this, put_entry).with(key).with(value).with(until).run();
  if (!done) return std::unexpected(done.error());
  return {};
}

SessionDatabase::Result<std::optional<std::string>> SessionDatabase::get(std::string_view key,
                                                                         base::WallTime now) {
  Query query(*this, get_entry);
  auto row = query.with(key).with(now).step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  return query.bytes(0);
}

SessionDatabase::Result<> SessionDatabase::erase(std::string_view key) {
  auto done = Query(*this, erase_entry).with(key).run();
  if (!done) return std::unexpected(done.error());
  return {};
}

SessionDatabase::Result<bool> SessionDatabase::claim(std::string_view key, base::WallTime until,
                                                     base::WallTime now) {
  if (auto room = make_room(key.size(), now); !room) return std::unexpected(room.error());
  auto changed = Query(*this, claim_entry).with(key).with(until).with(now).run();
  if (!changed) return std::unexpected(changed.error());
  return *changed == 1;
}

SessionDatabase::Result<> SessionDatabase::add_revocation(std::string_view text, base::WallTime until) {
  auto done = Query(*this, add_one_revocation).with(text).with(until).run();
  if (!done) return std::unexpected(done.error());
  return {};
}

SessionDatabase::Result<std::vector<SessionDatabase::Kept>> SessionDatabase::revocations_after(
    int64_t number) {
  std::vector<Kept> kept;
  Query query(*this, get_revocations);
  query.with(number);
  for (;;) {
    auto row = query.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return kept;
    kept.push_back({.number = query.number(0), .text = query.bytes(1), .until = {query.number(2)}});
  }
}

SessionDatabase::Result<bool> SessionDatabase::changed_elsewhere() {
  Query query(*this, data_version);
  auto row = query.step();
  if (!row) return std::unexpected(row.error());
  return query.number(0) != std::exchange(data_version_, query.number(0));
}

SessionDatabase::Result<bool> SessionDatabase::forget_passed(base::WallTime now) {
  int forgotten = 0;
  for (Sql sql : {forget_entries, forget_revocations}) {
    auto changed = Query(*this, sql).with(now).run();
    if (!changed) return std::unexpected(changed.error());
    forgotten += *changed;
  }
  return forgotten > 0;
}

std::vector<SessionDatabase::Kept> SessionDatabase::salvage_revocations(const std::string& path) {
  std::string uri = "file:";
  for (char c : path) {
    if (c == '?' || c == '#' || c == '%') {
      constexpr char kDigits[] = "0123456789ABCDEF";
      uri.append({'%', kDigits[(c >> 4) & 15], kDigits[c & 15]});
    } else {
      uri += c;
    }
  }
  std::vector<Kept> kept;
  // Where nothing may be written beside it, only a file that is taken not to change can be read.
  for (const char* mode : {"?mode=ro", "?immutable=1"}) {
    SessionDatabase old;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2((uri + mode).c_str(), &old.db_, flags, nullptr) != SQLITE_OK) continue;
    old.statements_ = std::make_unique<Statements>();
    if (sqlite3_prepare_v2(old.db_, kSql[get_revocations], -1, &old.statements_->all[get_revocations],
                           nullptr) != SQLITE_OK) {
      continue;
    }
    Query query(old, get_revocations);
    query.with(int64_t{0});
    while (query.step().value_or(false)) {
      kept.push_back({.number = query.number(0), .text = query.bytes(1), .until = {query.number(2)}});
    }
    if (!kept.empty()) break;
  }
  return kept;
}

}  // namespace control
