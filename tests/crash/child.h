#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/crash/mode.h"

namespace aidb::campaign {

// A life that will be killed.
struct ChildPlan {
  std::string directory;
  std::string mode;
  uint64_t seed = 0;
  uint64_t round = 0;
  int pipe = -1;                                // Where messages go.
  std::array<uint64_t, kWriters> operations{};  // Where each writer's history ended.
  int close_after_ms = -1;                      // Negative: write until killed.
};

// The command line that makes RunChild of it.
std::vector<std::string> CommandLineOf(const ChildPlan& plan);
// The plan on a command line whose first word is "--child".
ChildPlan ParseChildPlan(int count, char** words);

// Opens the store, writes with all writers and tells the parent of every acknowledgement.
// Returns the exit code; as a rule it is killed before.
int RunChild(const ChildPlan& plan);

}  // namespace aidb::campaign
