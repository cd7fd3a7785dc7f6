#pragma once

// Planted bugs: what the simulation must find before its silence means anything.
//
//   if (!AIDB_CANARY_HIT(kTableNotSynced)) AIDB_RETURN_IF_ERROR(file_->SyncAll());
//
// Compiled in with -DAIDB_CANARY=ON only, and then still chosen at run time; otherwise a hit is
// the constant false and costs nothing. tests/sim runs them all (aidb_sim --canaries).

#include <atomic>
#include <cstdint>

namespace aidb {

enum class Canary : uint8_t {
  kNone,
  kAckBeforeSync,         // A synced write returns before its sync.
  kLogNameNotSynced,      // A new log gets records before its directory entry is durable.
  kTableNameNotSynced,    // The manifest names a table whose directory entry is not durable.
  kCurrentNameNotSynced,  // CURRENT is renamed, and the directory not synced.
  kTableNotSynced,        // The manifest names a table whose bytes are not durable.
  kManifestNotSynced,     // An edit counts before it is durable.
  kLogDeletedEarly,       // A log goes before the edit that makes it redundant.
  kSyncsAgain,            // A failed sync is tried again on the same file.
  kRedriveCopies,         // A re-drive copies records instead of framing them for their new place.
  kBlockNotChecked,       // A table block is used without a look at its checksum.
  kProofIgnored,          // A log is cut where a later record proves that it was durable.
  kTailBelieved,          // Recovery trusts what the page cache shows, and syncs nothing.
  kRingIgnored,           // Recovery forgets what only the ring holds.
  kLostWakeUp,            // The flusher sleeps on when the first record arrives.
  kSnapshotForgotten,     // A merge drops a version that a snapshot needs.
  kSequenceOffByOne,      // Recovery skips a sequence number.
  kHalfBatch,             // Replay applies the first operation of a batch only.
  kDeleteDroppedEarly,    // A merge drops a delete that still hides an older version.
  kHandForgetsReaders,    // A compaction by hand drops what a snapshot needs.
  kCheckpointLacksTail,   // A checkpoint forgets what only the active memtable and its log hold.
  kCheckpointNameNotSynced,  // A checkpoint is reported before its name is durable.
  kMergeFoldsStale,          // A merge does not see the write just before it.
  kClockSetBack,             // Values that were seen as expired are back when the clock is.
  kConditionUnchecked,       // A conditional write does not look whether its keys have changed.
  kOperandHides,             // A merge of tables drops what an operand lies on.
  kRepairForgetsLog,         // A repair takes tables only, and reports no loss.
  kIngestNotSynced,          // The manifest names an ingested file whose bytes are not durable.
  kIngestPlacedBelow,        // An ingested table goes below older versions of its keys.
  kScrubSkipsATable,         // A scrub never reads the last table of its round.
  kCount,
};

#ifdef AIDB_CANARY
// The one that is planted now. Relaxed: set before a run begins.
inline std::atomic<Canary> planted_canary{Canary::kNone};
#define AIDB_CANARY_HIT(name) \
  (::aidb::planted_canary.load(std::memory_order_relaxed) == ::aidb::Canary::name)
#else
#define AIDB_CANARY_HIT(name) false
#endif

}  // namespace aidb
