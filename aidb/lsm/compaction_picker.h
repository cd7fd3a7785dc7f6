#pragma once

// Chooses which tables to merge next.
//
// Level 0 holds runs of tables that share no key (version.h); the runs count, not the tables.
// Tables that share keys, directly or through others, are a part of it:
//
//   run 9   [a···f]   [m···q]        part 1: a…h, of two runs     part 3: s…z, of one run;
//   run 7   [c··h]          [s···z]  part 2: m…q, of one run              nothing below: it moves
//   base    [a····h][i···l][m·····r]
//
// A part goes down alone, the one of most runs first: its job is as small as the keys allow, what
// other parts get meanwhile goes down with them, and what nothing overlaps is not rewritten. So a
// flush ends its tables where tables of the base level end (SplitsForFlush).
//
// Shape: leveled. The last level is the largest; each level above it may hold a
// `level_multiplier`th of the one below, up to the first whose target is at most
// `level0_bytes`: that is the base level, where merges of level 0 go. Levels between 0 and the
// base stay empty. Targets thus follow the data, nine tenths of which are in the last level, so
// stale versions take about a ninth of the space. (RocksDB's dynamic level bytes.)
//
//   level 0   [run][run][run]        4 runs = full
//   level 1…3
//   level 4   ▒▒          ≤ level0_bytes     <- base
//   level 5   ▒▒▒▒▒▒      x 10
//   level 6   ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒ x 10

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "aidb/lsm/version.h"

namespace aidb::lsm {

// Overlap two levels below that a table may have, in tables of the target size: beyond it, a
// later merge of that table would touch too much at once.
inline constexpr uint64_t kGrandparentTablesMax = 10;
// Runs of level 0 that one job merges; the oldest first. What level 0 holds at its limit with the
// usual trigger, 4 + 16: the job after a long one, or after one that failed, is not longer still.
inline constexpr size_t kLevel0JobRunsMax = 20;
// A table with more than this share of deletes, 1/8, or with range deletes, is rewritten and not
// moved where the rewrite can drop them.
inline constexpr uint64_t kMoveDeletesPart = 8;

// A flush ends a table at a split (SplitsForFlush) once it has this part of a table's size, 1/16:
// a small one of scattered keys would else leave a file for every split.
inline constexpr uint64_t kFlushTablesMinPart = 16;

struct CompactionShape {
  int level0_trigger = 4;         // Runs.
  uint64_t level_base_bytes = 0;  // Target of level 1; 0 = derived from the last level up.
  int level_multiplier = 10;
  uint64_t level0_bytes = uint64_t{128} << 20;  // About what level 0 holds when it is full.
  uint64_t table_bytes = uint64_t{32} << 20;    // Size at which an output table ends.
};

struct LevelTargets {
  int base_level = kLevels - 1;
  std::array<uint64_t, kLevels> bytes{};  // 0 above the base level, and for level 0.
};

enum class CompactionReason : uint8_t {
  kLevel0Runs,
  kLevelBytes,
  kDeletes,  // Nothing is too large, but a table is mostly deletes, or has range deletes.
  kManual,   // Somebody asked for it (range_compaction.h).
};

struct CompactionInput {
  int level = 0;
  uint64_t run = 0;
  TableRef table;
};

struct CompactionJob {
  CompactionReason reason{};
  int level = 0;  // Where the data comes from; further inputs are in output_level.
  // `level` only when runs of level 0 are merged in place, or a table of the last level is
  // rewritten.
  int output_level = 0;
  uint64_t output_run = 0;
  std::vector<CompactionInput> inputs{};
  std::vector<TableRef> grandparents{};  // One below output_level, sharing keys with the inputs.
  // The inputs share no key with each other nor with output_level: an edit is enough.
  bool trivial_move = false;
  std::string pointer{};  // Where the next pick of `level` begins.

  uint64_t InputBytes() const;
};

// What running jobs have: their inputs, and the keys between these in the level they write to.
//
//   level 0     [a··c]        [x··z]     one job of both, which may write one table a···z
//   level 4                              b, flushed meanwhile, must not come there in between
//
// A job chosen with CanRun finds nothing but its inputs in the span it writes to, and whatever
// else comes into that level until it ends stays outside of the span. So its edit always applies.
//
// Thread safety: none.
class BusyTables {
 public:
  BusyTables() = default;
  BusyTables(std::initializer_list<uint64_t> numbers) : numbers_(numbers) {}

  bool contains(uint64_t number) const { return numbers_.contains(number); }
  // Whether `job` shares neither an input with a running one nor keys of the level that both
  // write to.
  bool CanRun(const CompactionJob& job) const;
  void Begin(const CompactionJob& job);
  // As if those jobs ran as well; for a copy that lives for one choice.
  void BeginAll(const BusyTables& others);
  void End(const CompactionJob& job);
  // Whether one may write keys in [first, last] to `level`.
  bool MayWrite(int level, std::string_view first, std::string_view last) const;
  // As a job that writes these keys to `level`, and has the table: one that is yet to come there.
  void Claim(uint64_t table, int level, std::string_view first, std::string_view last);
  void EndClaim(uint64_t table);

 private:
  struct Span {
    uint64_t owner = 0;  // The first input of the job, which no other has.
    int level = 0;
    std::string first;
    std::string last;
  };

  std::set<uint64_t> numbers_;
  std::vector<Span> spans_;
};
using CompactionPointers = std::array<std::string, kLevels>;

// Thread safety: immutable; any thread may call any method.
class CompactionPicker {
 public:
  explicit CompactionPicker(const CompactionShape& shape);

  LevelTargets Targets(const Version& version) const;
  // Size over target, of level 0 runs over trigger if that is more; 1 is full. Busy tables do not
  // count.
  std::array<double, kLevels> Scores(const Version& version, const BusyTables& busy) const;
  // Bytes that stand above the targets and so have to be moved down. Level 0 is full by its bytes
  // only with what damage does not hold back, as that does not get less by waiting.
  uint64_t DebtBytes(const Version& version) const;

  // Runs of level 0 in front of all damaged tables that no job uses: those that the next jobs
  // can make fewer, whatever else is damaged.
  uint64_t MovableRuns(const Version& version, const BusyTables& busy) const;

  // The most urgent job that uses no busy, no damaged and no avoided table; what is said here of
  // damaged tables holds for avoided ones. When nothing is full, the table with the largest share
  // of deletes above one half; range deletes count for all of a table. Nullopt when there is
  // nothing to do.
  std::optional<CompactionJob> Pick(const Version& version, const CompactionPointers& pointers,
                                    const BusyTables& busy) const;
  // Completes a job whose levels and inputs are chosen: grandparents, and whether it is a trivial
  // move.
  void Finish(const Version& version, CompactionJob& job) const;

  // Tables of the base level at whose ends a flush ends tables as well: each about a table's size
  // behind the one before. They depend on that level alone, so that runs are cut alike.
  std::vector<TableRef> SplitsForFlush(const Version& version) const;

 private:
  // Of the tables of level 0 that no job uses and no damage holds back.
  uint64_t MovableBytes(const Version& version, const BusyTables& busy) const;
  std::optional<CompactionJob> PickLevel0(const Version& version, const BusyTables& busy) const;
  // Out of `inputs`, which are a part of level 0. Nullopt when a table below is busy or damaged;
  // `damage` says that it was the latter.
  std::optional<CompactionJob> JobForPart(const Version& version,
                                          std::vector<CompactionInput> inputs,
                                          const BusyTables& busy, bool& damage) const;
  // Runs of level 0 merged into one, where the way down is blocked by damage.
  std::optional<CompactionJob> MergeRuns(const Version& version, const BusyTables& busy) const;
  std::optional<CompactionJob> PickLevel(const Version& version, int level,
                                         const std::string& pointer, const BusyTables& busy) const;
  std::optional<CompactionJob> PickDeletes(const Version& version, const BusyTables& busy) const;
  // Nullopt when a table below that it needs is busy or damaged.
  std::optional<CompactionJob> JobFor(const Version& version, int level, const TableRef& table,
                                      const BusyTables& busy) const;

  const CompactionShape shape_;
};

// The run that tables just flushed belong to: the newest one of level 0 if they share no key with
// it, else `fresh`, a number above all others. Whatever compaction does to that run meanwhile,
// nothing newer comes into it.
uint64_t RunForFlush(const Version& version, std::span<const TableFacts> tables, uint64_t fresh);

// The whole change that a trivial move makes.
VersionEdit MoveEdit(const CompactionJob& job);

}  // namespace aidb::lsm
