#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "aidb/base/status.h"
#include "aidb/lsm/compaction_picker.h"
#include "aidb/lsm/table_cache.h"
#include "aidb/lsm/table_writer.h"

namespace aidb::lsm {

struct CompactionStats {
  uint64_t entries_in = 0;
  uint64_t entries_out = 0;
  uint64_t folded = 0;           // Operands, and what they lay on, that became one entry.
  uint64_t shadowed = 0;         // Older or hidden versions that nobody can read any more.
  uint64_t unread = 0;           // Likewise, in tables that were not read for that.
  uint64_t deletes_dropped = 0;  // Deletes that had nothing left to hide.
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

struct CompactionOutcome {
  Status status;
  // What to append to the manifest. When ok: outputs in, inputs out. After kCorruption: the
  // mark on the input that is damaged, so that no later job picks it. Otherwise empty.
  VersionEdit edit;
  // The input whose error ended the merge, whatever the error; null when it was nobody's or of
  // all of them together.
  TableRef failed_input{};
  CompactionStats stats;
};

// The world a compaction runs in.
struct CompactionEnv {
  io::FileSystem& files;
  std::string directory;
  FileNumbers& numbers;
  Random& random;
  TableCache& tables;
  kv::Merger merger{};
};

// Merges the inputs of `job`, which is no trivial move, into new tables. They are durable and
// named by nothing yet when this returns; the caller appends the edit and then installs it
// (3.8, F4 and F5). After an error no output is left.
//
// A table that range deletes of other inputs hide as a whole is not read, and goes with the others.
//
// Every input block is verified on the way, the count of entries read against what the manifest
// says of the inputs, and the count written against it: nothing is lost or laundered silently.
//
// `version` is the one the job was picked from; `readers` are those of KeepRule.
// Any thread may set `stop`; the outcome is then kUnavailable.
CompactionOutcome RunCompaction(const CompactionJob& job, const Version& version, Readers readers,
                                const TableOptions& options, uint64_t table_bytes,
                                const CompactionEnv& env, const std::atomic<bool>& stop);

}  // namespace aidb::lsm
