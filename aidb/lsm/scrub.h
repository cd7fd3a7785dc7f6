#pragma once

// Reads the tables of an open store again, slowly and for ever, to find what has rotted at rest
// before it is needed or the last good copy of it is gone.
//
//   round   the tables there are when it begins, by number, from the seam around;
//           each is read from the disk as Check reads it, once in a period (scrub_pace.h)
//
// What it reads is not what the block cache or the kernel hold. It keeps no table from being
// deleted: one that goes while it is read is left, its descriptor closed. What seems damaged is
// read once more at once, for the flaw may lie on the way; then it is noted, and marked, as a
// compaction marks what it meets.
//
// Where it stands is not kept over a restart. Instead the seam is drawn anew, so that a store that
// is opened often for less than a period is read everywhere, too.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "aidb/base/sync.h"
#include "aidb/io/env.h"
#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/damage_notes.h"
#include "aidb/lsm/scrub_pace.h"
#include "aidb/lsm/version.h"

namespace aidb::lsm {

// Thread safety: any thread may call any method; Main is for one task.
// Lifetime: borrows env, blocks, notes and whatever the host's functions refer to.
class Scrub {
 public:
  // The store, as the scrub's task sees it.
  struct Host {
    std::function<std::shared_ptr<const Version>()> version;
    std::function<bool()> busy;      // Others need the disk more.
    std::function<void()> released;  // It may have been the last to hold a table or a version.
    std::function<Status(uint64_t number)> mark_damaged;
  };

  Scrub(const io::Env& env, std::string directory, Duration period, BlockCache& blocks,
        DamageNotes& notes, Host host);

  // Runs until Stop.
  void Main() AIDB_EXCLUDES(mu_);
  // Main returns after the read under way, 256 KiB at most or one large block.
  void Stop() AIDB_EXCLUDES(mu_);
  // Tables came or went.
  void TablesChanged() AIDB_EXCLUDES(mu_);

  struct Progress {
    uint64_t rounds = 0;  // Completed.
    uint64_t bytes = 0;   // Of tables that were found whole.
  };
  Progress progress() const AIDB_EXCLUDES(mu_);

 private:
  // Until the pace allows a read; false when there is none to come: stopped, or the table that is
  // read is gone.
  enum class For : bool { kNextTable, kTableAtHand };
  bool Await(For what) AIDB_EXCLUDES(mu_);
  uint64_t BytesInPeriod() const;
  std::vector<uint64_t> NewRound();
  // False when stopped.
  bool Verify(uint64_t number) AIDB_EXCLUDES(mu_);
  Status Read(uint64_t number);
  void Note(uint64_t number, const Status& why);
  bool stopped() const AIDB_EXCLUDES(mu_);

  const io::Env env_;
  const std::string directory_;
  BlockCache& blocks_;
  DamageNotes& notes_;
  const Host host_;

  // Of Main.
  ScrubPace pace_;
  uint64_t seam_ = 0;  // 0: not drawn yet.
  std::weak_ptr<const TableFile> reading_;
  uint64_t spent_ = 0;   // On it, in bytes.
  bool urgent_ = false;  // It seems damaged: no pace.

  mutable Mutex mu_;
  CondVar cv_;
  bool stopped_ AIDB_GUARDED_BY(mu_) = false;
  uint64_t changes_ AIDB_GUARDED_BY(mu_) = 0;  // Calls of TablesChanged.
  Progress progress_ AIDB_GUARDED_BY(mu_);
};

}  // namespace aidb::lsm
