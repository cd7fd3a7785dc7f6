#pragma once

// A compaction by hand: which tables to merge next until a range of keys is in one run.
//
//   level 0   [run][run][run]    1. the runs that are old enough go down to the base level
//   level 4     [a··c][d····m]   2. level by level, table by table, each with what it overlaps in
//   level 5   [a····f][g·····z]     the level below
//   level 6   [a·····k][l····z]  3. tables of the last level that may hold what nobody needs are
//                                   rewritten in their place
//
// A job is one table and what lies below it, so no more space is needed at once than one job
// takes (RocksDB #11712: twice the store). Background jobs run beside it. They only move data
// down, so what a level no longer held when the walk left it does not come back; and within a
// level the walk goes up the keys, whatever is written behind it. So it ends.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "aidb/base/result.h"
#include "aidb/kv/options.h"
#include "aidb/lsm/compaction_picker.h"

namespace aidb::lsm {

// Thread safety: none.
// Lifetime: borrows the picker.
class RangeCompaction {
 public:
  // What level 0 holds up to `newest` goes down; what is newer may stay.
  RangeCompaction(const CompactionPicker& picker, kv::ScanRange range, Sequence newest)
      : picker_(picker), range_(std::move(range)), newest_(newest), from_(range_.lower) {}

  struct Step {
    std::optional<CompactionJob> job{};
    // The next job, while another has tables or keys that it needs: ask again behind that one.
    std::optional<CompactionJob> wait_for{};

    // There is nothing left to do.
    bool done() const { return !job && !wait_for; }
  };
  // kCorruption when a damaged table stands in the way.
  Result<Step> Next(const Version& version, const BusyTables& busy);
  // To be called when a job of Next is done and `edit` installed.
  void Done(const CompactionJob& job, const VersionEdit& edit);

 private:
  int BottomOf(const Version& version) const;
  // How many of the newest runs of level 0 may stay.
  size_t RunsThatStay(const Version& version) const;
  bool Covers(const TableFile& table) const;
  // The first table of level_ with keys from from_ on, inside the range; or null.
  TableRef FirstTable(const Version& version) const;
  Result<Step> LevelZeroStep(const Version& version, size_t first_run,
                             const BusyTables& busy) const;
  Result<Step> DownStep(const Version& version, const TableRef& table,
                        const BusyTables& busy) const;
  Result<Step> RewriteStep(const TableRef& table, const BusyTables& busy) const;
  // `job` unless an input is busy or damaged.
  static Result<Step> StepFor(CompactionJob job, const BusyTables& busy);
  void Pass(std::string_view last_key) { from_ = std::string(last_key) + '\0'; }

  const CompactionPicker& picker_;
  const kv::ScanRange range_;
  const Sequence newest_;
  int level_ = 0;
  int bottom_ = 1;    // Rises when the store grows meanwhile.
  std::string from_;  // Where in level_ the walk stands.
  // Tables of the last level that this compaction wrote: nothing in them can be dropped now.
  std::set<uint64_t> made_;
};

}  // namespace aidb::lsm
