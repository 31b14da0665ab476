// libyaml's complaints in words for people: what is wrong, where, what to write instead. Called by yaml.cc
// only.
#pragma once

#include "config/diagnostics.h"
#include "config/yaml.h"

struct yaml_mark_s;
struct yaml_parser_s;

namespace config {

// From 1. libyaml counts characters, editors and compilers bytes.
int byte_column(const Document& document, const yaml_mark_s& mark);

Diagnostic rephrase_problem(const yaml_parser_s& parser, const Document& document);

}  // namespace config
