#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/io/env.h"

namespace aidb::lsm {

// One thing that is wrong with a store.
struct StoreProblem {
  std::string file;                // Its name in the directory.
  std::optional<uint64_t> offset;  // Where in it, if there is a place.
  std::string what;                // In full, naming file and place again.
  std::string keys_lost;           // Which keys cannot be read; empty when none or unknown.
};

struct CheckReport {
  std::vector<StoreProblem> problems;
  // Nothing wrong, but worth knowing: files that are not ours, files of interrupted jobs, bytes
  // of a last write that a crash tore.
  std::vector<std::string> notes;
  uint64_t files = 0;
  uint64_t bytes = 0;        // Of those files; each was read.
  uint64_t tables = 0;       // Named by the manifest.
  uint64_t log_records = 0;  // Not yet in tables.

  bool ok() const { return problems.empty(); }
};

// Called now and then with bytes read and the bytes there are in all.
using CheckProgress = std::function<void(uint64_t bytes_done, uint64_t bytes_total)>;

// Reads every byte of every file of the store in `directory` and opens none for writing: CURRENT,
// manifest, JOURNAL, ring, logs (every record, their chain, their ends, and what a recovery would
// make of them), tables (TableReader::Check), the order of levels, files that are missing.
//
// Problems are in the report; an error means that the check itself could not go on. kUnavailable
// while the store is open for writing; kInvalidArgument when there is no store, or a newer
// version wrote it.
Result<CheckReport> CheckStore(const io::Env& env, std::string_view directory,
                               const CheckProgress& progress = {});

}  // namespace aidb::lsm
