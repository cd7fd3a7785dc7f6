#pragma once

#include <string_view>

#include "aidb/base/result.h"
#include "aidb/io/env.h"
#include "aidb/kv/repair_report.h"

namespace aidb::lsm {

// Makes `target`, which must not exist, a store of all that can be read of the damaged one in
// `directory`, which is left as it is.
//
//   tables ──► blocks that pass their check ─┐
//   logs, ring ──► batches that are whole ───┴─► newest version of each key ──► one run at the
//                                                 bottom, a manifest, CURRENT
//
// Which tables count the manifest says; where it is damaged or missing, all that are there do, and
// a table that a compaction had just replaced may then bring back a key that was deleted. What the
// newest, damaged version of a key was is not known: an older one that is left takes its place. If
// anything is lost, operands of merges that no flush or compaction had folded do not count.
// The report names each stretch that is lost, with its keys.
//
// The logs are held in memory meanwhile. kUnavailable while the store is open; kInvalidArgument
// when there is none, the target exists or a newer version wrote it; kCorruption when nothing at
// all can be saved. After an error, or a crash, there is no target.
Result<kv::RepairReport> RepairStore(const io::Env& env, std::string_view directory,
                                     std::string_view target);

}  // namespace aidb::lsm
