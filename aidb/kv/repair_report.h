#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace aidb::kv {

// Something that a repair could not save.
struct RepairLoss {
  std::string file;       // Its name in the damaged store.
  uint64_t offset = 0;    // Where in it.
  std::string what;       // Why.
  std::string keys_lost;  // Which keys or sequences, in words; empty if unknown.
};

// What a repair found and saved.
struct RepairReport {
  std::vector<RepairLoss> losses;
  // Nothing lost, but worth knowing.
  std::vector<std::string> notes;
  uint64_t tables = 0;       // Read, whole or in part.
  uint64_t log_batches = 0;  // That were in no table.
  uint64_t keys = 0;         // In the repaired store.
};

}  // namespace aidb::kv
