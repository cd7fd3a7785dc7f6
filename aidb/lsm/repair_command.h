#pragma once

#include <string>
#include <string_view>

namespace aidb::lsm {

// What an operator is told in the end where files are damaged or missing.
inline std::string RepairCommand(std::string_view directory) {
  return "; run: aidb repair NEW_DIRECTORY --db " + std::string(directory);
}

}  // namespace aidb::lsm
