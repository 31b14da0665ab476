// `gatehouse explain`: what would happen to one request, and why.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "cli/gate_source.h"
#include "control/decide.h"

namespace cli {

struct ExplainOptions : GateOptions {
  std::vector<std::string> words;  // [DIR] [METHOD] URL, as they came
  std::string as;
  std::string token;
  std::string key;
  std::vector<std::string> headers;  // "Name: value"
  std::string from;
};

int explain_command(ExplainOptions options);

// Splits "http://host/path?query" or "/path" into the request's authority and target. The error is a
// sentence.
std::expected<void, std::string> read_url(std::string_view url, control::RequestToDecide& request);

}  // namespace cli
