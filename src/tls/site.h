// The certificates that serve a set of names, as libssl holds them. Private to tls/.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tls/handles.h"

namespace tls {

struct Site {
  ContextHandle context;
  std::vector<size_t> certificates;                            // places in the settings, ascending
  std::vector<std::pair<x509_st*, std::string>> ocsp_staples;  // by the certificate they are for
};

}  // namespace tls
