#pragma once

// Makes a second store out of one that is in use.
//
//   <target>.unfinished/    C1 create, lock        C5 rename to <target>
//     000012.sst  link      C2 link the tables     C6 sync the parent
//     000031.sst  new       C3 write what is in no table yet to a new one; sync it, the directory
//     JOURNAL               C4 write JOURNAL, the manifest and CURRENT, each synced
//     MANIFEST-000032, CURRENT
//
// A checkpoint has no log: what the memtables held is in one more run of level 0. A log that two
// stores shared by a link would be one file that the recovery of either may write to (it repairs
// in place), under one identity, so that records of one would be valid in the other
// (docs/decisions/0005).
//
// Before C5 there is no <target>; what is left under the other name the next call removes.

#include <atomic>
#include <span>
#include <string>
#include <string_view>

#include "aidb/base/status.h"
#include "aidb/io/env.h"
#include "aidb/lsm/entry.h"
#include "aidb/lsm/table_writer.h"
#include "aidb/lsm/version.h"

namespace aidb::lsm {

// What a checkpoint holds, and the world it is made in.
struct CheckpointSource {
  const io::Env& env;
  // Syncs the parents of targets; kept for as long as the process may sync one of them again.
  io::FileSystem& parents;
  std::string directory;   // Of the store.
  const Version& version;  // Its tables are linked. The caller keeps them from being deleted.
  EntryCursor& newest;     // What is in no table of it; entries above `sequence` are passed over.
  std::span<const RangeDelete> range_deletes;  // Likewise; none above `sequence`.
  Sequence sequence{};
  int64_t clock_ms_max = 0;
  FileNumbers& numbers;  // Above those of all tables.
  TableOptions table;    // Of the table that is written.
  uint64_t table_bytes = 0;
  kv::Merger merger{};
  const std::atomic<bool>& stop;  // Set by another thread to give up: kUnavailable.
};

// See kv::Checkpointer.
Status WriteCheckpoint(const CheckpointSource& source, std::string_view target);

}  // namespace aidb::lsm
