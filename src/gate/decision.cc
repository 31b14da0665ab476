#include "gate/decision.h"

namespace gate {

using base::Reason;

base::Result<> check_path_choices(const Service& service, const http::Target& target) {
  if (target.has_encoded_slash && !service.accepts_encoded_slash) {
    return base::client_error(Reason::path_refused, "the path has an encoded slash");
  }
  if (target.has_parameters && !service.accepts_parameters) {
    return base::client_error(Reason::path_refused, "the path has a parameter behind ';'");
  }
  return {};
}

std::string_view strip_prefix(std::string_view path, std::string_view prefix) {
  if (prefix.empty() || !path.starts_with(prefix)) return path;
  std::string_view rest = path.substr(prefix.size());
  if (rest.empty()) return "/";
  return rest.front() == '/' ? rest : path;
}

base::Error denial_of(const auth::Verdict& verdict) {
  base::Error error{
      .reason = verdict.reason, .side = base::Side::client, .retry = base::Retry::never, .detail = ""};
  switch (verdict.reason) {
    case Reason::credential_missing:
      error.detail = "this call needs a credential";
      break;
    case Reason::scope_insufficient:
      error.detail = "the credential lacks a scope that this call needs";
      break;
    default:
      error.reason = Reason::rule_denied;
      error.detail = verdict.rule != nullptr ? "a rule denies this call" : "no rule allows this call";
  }
  return error;
}

std::string_view place_of(const Snapshot& snapshot, const Service& service, const auth::Rule& rule) {
  const auto& own = service.rules->rules();
  bool of_service = !own.empty() && &rule >= own.data() && &rule < own.data() + own.size();
  return of_service ? service.rule_places[rule.index()] : snapshot.gate_rule_places[rule.index()];
}

}  // namespace gate
