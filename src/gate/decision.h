// The parts of the request path that depend on nothing but the Snapshot and the request, so that `test` and
// `explain` answer with the very code that traffic runs through. Called by the exchange and by
// control/decide. Nothing here allocates, waits or records.
#pragma once

#include <string_view>

#include "access/rules.h"
#include "base/result.h"
#include "gate/snapshot.h"
#include "http/target.h"

namespace gate {

// path_refused for what only some services accept in a path, unless this one does.
base::Result<> check_path_choices(const Service& service, const http::Target& target);

// The path a backend is sent: the one matched, less the prefix the service itself named, by whole segments.
std::string_view strip_prefix(std::string_view path, std::string_view prefix);

// What a client is told of a verdict that is not an allow.
base::Error denial_of(const auth::Verdict& verdict);

// "services/orders.yaml:4:5", of a rule of the service or of the gate; lives as long as the snapshot.
std::string_view place_of(const Snapshot& snapshot, const Service& service, const auth::Rule& rule);

}  // namespace gate
