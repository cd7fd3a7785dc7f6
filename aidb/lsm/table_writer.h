#pragma once

// Entries in internal order become table files: what flush and compaction share.

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "aidb/base/random.h"
#include "aidb/base/result.h"
#include "aidb/io/file_system.h"
#include "aidb/kv/merge.h"
#include "aidb/lsm/file_names.h"
#include "aidb/lsm/range_deletes.h"
#include "aidb/lsm/readers.h"
#include "aidb/lsm/table_builder.h"
#include "aidb/lsm/version.h"

namespace aidb::lsm {

// Which tables outside a job may hold older versions of its keys. Asked for ascending keys.
//
// Thread safety: none.
// Lifetime: keeps the tables.
class OlderTables {
 public:
  // No table is older: nothing to ask for.
  OlderTables() = default;
  // Those of `version` that lie deeper than `level` or, for level 0, in runs older than `run`;
  // not those numbered in `inputs`.
  OlderTables(const Version& version, int level, uint64_t run, std::span<const uint64_t> inputs);

  bool MayContain(std::string_view key);
  // Whether one may hold keys in [begin, end); in whatever order.
  bool MayOverlap(std::string_view begin, std::string_view end) const;

 private:
  struct Walk {
    std::vector<TableRef> tables;
    size_t at = 0;  // First table that does not end before the last key asked for.
  };
  std::vector<Walk> runs_;
};

// Which versions of keys somebody may still read.
//
// The snapshots cut the sequences into intervals; of a key the newest version in each interval
// stays, because some reader sees it.
//
//   sequences   0 ─────── s1 ─────────── s2 ──────── now
//   of one key     a  b    │   c          │  d  e          kept: b, c, e
//
// A value that has expired for every reader becomes a delete. An operand hides nothing: what is
// older in its interval stays with it, down to the first that is none.
// Below the oldest snapshot, and where no older table may hold the key, a delete has nothing
// left to hide and goes; a put may take sequence 0, which every reader sees and which takes no
// space in a block.
//
// Range deletes that come with the entries hide those below them in the same interval. Of a
// fragment, too, the newest version in each interval stays, and below the oldest snapshot it goes
// where no older table may hold a key of the fragment. A put under a fragment that stays keeps its
// sequence, however much older that is: at sequence 0 it would be hidden.
//
// Thread safety: none. Keys come ascending, versions of a key from new to old.
class KeepRule {
 public:
  // What a flush does: drops what is hidden or shadowed only. `range_deletes` are all of the inputs
  // (borrowed by this call only).
  static KeepRule ForFlush(Readers readers, std::span<const RangeDelete> range_deletes = {});
  // `zero_sequences` where the output is not in level 0, whose runs are ordered by sequence.
  enum class Zeroing : bool { kNever, kAtTheBottom };
  static KeepRule ForCompaction(Readers readers, OlderTables older, Zeroing zeroing,
                                std::span<const RangeDelete> range_deletes = {});

  // Whether somebody may see the next entry, or needs it for what lies above it.
  bool Passes(const Entry& entry, bool new_key);
  // The interval of the last entry that was asked for.
  size_t interval() const { return interval_; }
  // Whether nothing older than an entry of this interval can be anywhere, of the last key asked
  // for.
  bool NothingBelow(std::string_view key, size_t interval);
  // Decides on what passed, or was made of entries that did, as long as no other interval or key
  // was asked for: it may get another sequence, become a delete, or have nothing left to hide.
  bool Place(Entry& entry);
  // What is written of the range deletes.
  std::span<const OwnedFragment> range_deletes() const { return kept_ranges_; }
  // Whether one range delete, or several side by side, hides all that a table holds from all
  // readers that can see that one. The table need not be read then.
  bool HidesAllOf(const TableFacts& facts) const;

  // Hidden by a newer version or by a range delete.
  uint64_t shadowed() const { return shadowed_; }
  uint64_t deletes_dropped() const { return deletes_dropped_; }

 private:
  KeepRule(Readers readers, OlderTables older, bool drop_deletes, Zeroing zeroing,
           std::span<const RangeDelete> range_deletes);

  size_t IntervalOf(Sequence sequence) const;
  void ChooseRanges();
  // The fragment that covers a key, and whether it is written. Keys ascend.
  const OwnedFragment* RangeFor(std::string_view key);
  bool HiddenByRange(const OwnedFragment& range, Sequence sequence, size_t interval) const;

  const Readers readers_;
  OlderTables older_;
  const bool drop_deletes_;
  const Zeroing zeroing_;

  std::vector<OwnedFragment> ranges_;  // All of them.
  std::vector<bool> range_stays_;      // For each, whether some of it does.
  std::vector<OwnedFragment> kept_ranges_;
  size_t range_at_ = 0;  // The first of ranges_ that does not end before the last key.

  size_t interval_ = 0;  // Of the last entry of this key.
  bool open_ = false;    // It passed and was an operand.
  uint64_t shadowed_ = 0;
  uint64_t deletes_dropped_ = 0;
};

// Where tables go and what they look like.
struct TableTarget {
  io::FileSystem& files;
  std::string directory;
  FileNumbers& numbers;
  Random& random;            // For salts.
  TableOptions table;        // With the level and run of birth.
  uint64_t table_bytes = 0;  // A table ends at the next key once it has so many.
  // Tables one level below, in key order: a table also ends before it overlaps too many of
  // them, and, once it has aligned_bytes, where one of them ends.
  std::span<const TableRef> grandparents;
  uint64_t aligned_bytes = table_bytes / 2;
  // Set by another thread to give up. May be null.
  const std::atomic<bool>* stop = nullptr;
  // Folds operands; those of a function that is not here stay as they are.
  kv::Merger merger{};
};

struct WrittenTables {
  std::vector<TableFacts> tables;
  uint64_t entries_in = 0;
  uint64_t entries_out = 0;
  uint64_t folded = 0;  // Into another that was written.
  uint64_t range_deletes_out = 0;
  uint64_t bytes_out = 0;
};

// Writes what `rule` keeps of all of `entries` (positioned by this call) to new tables, synced
// with their directory: F1–F3 of a flush. Versions of one key never part. None when nothing is
// kept. After an error its files are gone; kUnavailable when it was stopped.
//
// Range deletes are cut where tables end, so that nothing falls between two of them and neither
// covers a key of the other: with P the last key of a table, the rest goes on at the next key.
//
//   fragment        [b ───────────────────────────────── y)
//   tables    a  c  f  P │          m  p  s │  z
//                  [b ─ P] [P·0 ──────── s] [s·0 ── y)
Result<WrittenTables> WriteTables(EntryCursor& entries, KeepRule& rule, const TableTarget& target);

// Removes tables that nothing names yet. What cannot be removed is an orphan without effect,
// deleted when the store is next opened.
void RemoveUnnamed(io::FileSystem& files, std::string_view directory,
                   std::span<const TableFacts> tables);

}  // namespace aidb::lsm
