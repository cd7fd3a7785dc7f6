#pragma once

#include <cstdio>
#include <string>

#include "aidb/base/status.h"

// Says what went wrong; the exit code of the example.
inline int Report(const aidb::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
