// libyaml's complaints in words for people: what is wrong, where, what to write instead. Called by yaml.cc
// only.
#pragma once

#include "config/diagnostics.h"
#include "config/yaml.h"

struct yaml_parser_s;

namespace config {

Diagnostic rephrase_problem(const yaml_parser_s& parser, const Document& document);

}  // namespace config
