#pragma once

#include <string>
#include <vector>

namespace aidb::sim {

// The program aidb_sim. Returns its exit code: 0 when nothing was found that should not be.
int RunCommandLine(const std::vector<std::string>& arguments);

}  // namespace aidb::sim
