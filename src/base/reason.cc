#include "base/reason.h"

namespace base {
namespace {

struct Row {
  std::string_view name;
  int status;
  std::string_view title;
};

constexpr Row kRows[] = {
#define X(name, status, title) {#name, status, title},
    GATEHOUSE_REASONS(X)
#undef X
};

}  // namespace

std::string_view reason_name(Reason reason) { return kRows[static_cast<size_t>(reason)].name; }
std::string_view reason_title(Reason reason) { return kRows[static_cast<size_t>(reason)].title; }
int reason_status(Reason reason) { return kRows[static_cast<size_t>(reason)].status; }

}  // namespace base
