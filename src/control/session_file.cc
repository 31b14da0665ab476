#include "control/session_file.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <utility>
#include <vector>

namespace control {
namespace {

using Fault = SessionDatabase::Fault;
using Kept = std::vector<SessionDatabase::Kept>;

void add_revocations(SessionDatabase& database, const Kept& kept, base::WallTime now) {
  auto added = database.begin(SessionDatabase::Access::writes);
  for (const auto& revocation : kept) {
    if (added && revocation.until > now) added = database.add_revocation(revocation.text, revocation.until);
  }
  if (added) added = database.commit();
  if (!added) {
    database.roll_back();
    spdlog::warn("sessions that were revoked before are forgotten: {}", added.error().sentence);
  }
}

OpenedSessions keep_in_memory(const std::string& path, const std::string& why, const Kept& kept,
                              base::WallTime now) {
  OpenedSessions opened{.database = SessionDatabase::open({}).value(),  // fails only when memory runs out
                        .location = "memory",
                        .problem = path + " cannot be used: " + why};
  spdlog::warn("{}; sessions are kept in memory, and end when the gate does", opened.problem);
  add_revocations(*opened.database, kept, now);
  return opened;
}

}  // namespace

OpenedSessions open_session_file(const SessionDatabase::Options& options, base::WallTime now) {
  auto database = SessionDatabase::open(options);
  if (database) return {.database = std::move(*database), .location = options.path, .problem = {}};
  const SessionDatabase::Problem& problem = database.error();
  if (problem.fault == Fault::damaged) return replace_session_file(options, problem.sentence, now);
  return keep_in_memory(options.path, problem.sentence, SessionDatabase::salvage_revocations(options.path),
                        now);
}

OpenedSessions replace_session_file(const SessionDatabase::Options& options, const std::string& why,
                                    base::WallTime now) {
  Kept kept = SessionDatabase::salvage_revocations(options.path);
  std::string aside = options.path + ".damaged";  // one is enough: a failing disk must not fill up with them
  if (std::rename(options.path.c_str(), aside.c_str()) != 0)
    return keep_in_memory(options.path, why, kept, now);
  // Beside a new file, what belonged to the old one would be taken for its own.
  unlink((aside + "-wal").c_str());
  std::rename((options.path + "-wal").c_str(), (aside + "-wal").c_str());
  unlink((options.path + "-shm").c_str());
  spdlog::warn(
      "{} is no session store: {}. It is set aside as {} and a new one begun. {} revocations could be read "
      "in it; a "
      "session whose revocation could not counts until it ends",
      options.path, why, aside, kept.size());
  auto database = SessionDatabase::open(options);
  if (!database) return keep_in_memory(options.path, database.error().sentence, kept, now);
  add_revocations(**database, kept, now);
  return {.database = std::move(*database), .location = options.path, .problem = {}};
}

}  // namespace control
