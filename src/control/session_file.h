// Opens the sessions' database of a gate, whatever has become of its file: one that is damaged or somebody
// else's is set aside, and where none can be written the sessions are kept in memory. Revocations are saved
// across where they can be read. Whoever calls may have to wait for the disk.
#pragma once

#include <memory>
#include <string>

#include "base/time.h"
#include "control/session_database.h"

namespace control {

struct OpenedSessions {
  std::unique_ptr<SessionDatabase> database;
  std::string location;  // the path, or "memory"
  std::string problem;   // a sentence for the operator; empty: there is none
};

OpenedSessions open_session_file(const SessionDatabase::Options& options, base::WallTime now);

// What has been found to be damaged while it was open; the database is closed.
OpenedSessions replace_session_file(const SessionDatabase::Options& options, const std::string& why,
                                    base::WallTime now);

}  // namespace control
