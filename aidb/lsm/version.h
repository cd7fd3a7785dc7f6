#pragma once

// Which tables make up the store at one moment.
//
// Level 0 holds runs, newest first: memtables as they were flushed. Each deeper level holds one
// run. The tables of a run are sorted and share no key, so a Get looks into at most one table
// per run, newest run first, and the first entry it finds is the newest.
//
//   level 0   run 9  [a······k][m···z]      level 1   run 0  [a··c][d····m][n··z]
//             run 7  [c···········t]        level 2   run 0  [a·b][b···d] …

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/lsm/version_edit.h"

namespace aidb::lsm {

// Called with the number of a table that the newest durable state no longer names and that
// nobody reads any more. Runs in the destructor of whatever held the last reference, on any
// thread and perhaps under its locks: it must only take a note.
using TableUnused = std::function<void(uint64_t number)>;

class TableReader;

// One table file, shared by all versions and readers that need it.
//
// Thread safety: any thread may call any method.
class TableFile {
 public:
  TableFile(TableFacts facts, TableUnused unused)
      : facts_(std::move(facts)), unused_(std::move(unused)) {}
  ~TableFile();
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;

  const TableFacts& facts() const { return facts_; }
  uint64_t number() const { return facts_.number; }
  uint64_t size_bytes() const { return facts_.size_bytes; }

  // From now on the last reference reports the file as unused. To be called once the edit that
  // removes the table is durable, never before.
  void MarkObsolete() const { obsolete_.store(true, std::memory_order_relaxed); }
  // A block failed its check: reads of other blocks go on, compaction leaves the table alone.
  void MarkDamaged() const { damaged_.store(true, std::memory_order_relaxed); }
  bool damaged() const { return damaged_.load(std::memory_order_relaxed); }
  // Compaction keeps failing on it: for now it leaves the table alone as well. No edit says so.
  void SetAvoided(bool avoided) const { avoided_.store(avoided, std::memory_order_relaxed); }
  bool avoided() const { return avoided_.load(std::memory_order_relaxed); }

  // The open table, once the table cache keeps it open for good; null before. Lives as long as
  // this and that cache.
  const TableReader* resident() const { return resident_.load(std::memory_order_acquire); }
  void SetResident(const TableReader* reader) const {
    resident_.store(reader, std::memory_order_release);
  }

 private:
  const TableFacts facts_;
  const TableUnused unused_;
  // Relaxed: the reference count orders the mark before the destructor, and a late view of
  // `damaged` or `avoided` only costs a job that finds the damage again.
  mutable std::atomic<bool> obsolete_{false};
  mutable std::atomic<bool> damaged_{false};
  mutable std::atomic<bool> avoided_{false};
  mutable std::atomic<const TableReader*> resident_{nullptr};
};

// Shared: versions overlap in their tables, and iterators outlive versions.
using TableRef = std::shared_ptr<const TableFile>;

// Tables of one level that share no key, in key order.
//
// Thread safety: immutable.
class Run {
 public:
  // kCorruption when two tables overlap.
  static Result<Run> Build(int level, uint64_t number, std::vector<TableRef> tables);

  uint64_t number() const { return number_; }
  std::span<const TableRef> tables() const { return tables_; }
  // Those of them that have range deletes.
  std::span<const TableRef> range_delete_tables() const { return range_delete_tables_; }
  uint64_t size_bytes() const { return size_bytes_; }

  // Index of the first table whose last key is not before `key`; tables().size() if none.
  size_t IndexFor(std::string_view key) const;
  // The one table that may hold `key`, or null.
  const TableFile* TableFor(std::string_view key) const;
  // Tables that share keys with [first, last], both included.
  std::span<const TableRef> Overlapping(std::string_view first, std::string_view last) const;

 private:
  Run(uint64_t number, std::vector<TableRef> tables);

  uint64_t number_;
  uint64_t size_bytes_ = 0;
  std::vector<TableRef> tables_;
  std::vector<TableRef> range_delete_tables_;
  // First 8 bytes of each table's last key as a number: the search stays in these words and
  // looks at whole keys only among equal ones.
  std::vector<uint64_t> last_prefixes_;
};

// Thread safety: immutable; damage marks of its tables may be set at any time.
// Lifetime: shared; keeps its tables' files.
class Version {
 public:
  // The version of a store without tables.
  static std::shared_ptr<const Version> Empty(TableUnused unused);

  // This version changed by `edit`. A table that is removed from one level and added to
  // another keeps its TableFile. kCorruption when the edit does not fit, when tables of one run
  // overlap, or when a newer run of level 0 holds older sequences than the run below it.
  Result<std::shared_ptr<const Version>> Apply(const VersionEdit& edit) const;
  // Marks the tables that `edit` removed from this version. To be called once the edit is
  // durable.
  void MarkRemoved(const VersionEdit& edit) const;

  // Newest first. One run at most, but for level 0.
  std::span<const Run> runs(int level) const { return levels_[static_cast<size_t>(level)]; }
  uint64_t LevelBytes(int level) const;
  size_t TableCount(int level) const;
  // Deepest level that has a table; 0 when there is none.
  int DeepestLevel() const;
  // Tables of `level` that share keys with [first, last], run by run.
  std::vector<TableRef> Overlapping(int level, std::string_view first, std::string_view last) const;
  // The table of `number`, or null.
  const TableFile* Find(int level, uint64_t number) const;

  // Calls visit(level, const TableFile&) for each table that may hold `key`, newest data first,
  // until it returns false.
  template <typename Visit>
  void ForEachTableFor(std::string_view key, Visit visit) const {
    for (int level = 0; level < kLevels; ++level) {
      for (const Run& run : runs(level)) {
        const TableFile* table = run.TableFor(key);
        if (table != nullptr && !visit(level, *table)) return;
      }
    }
  }

 private:
  explicit Version(TableUnused unused) : unused_(std::move(unused)) {}

  Status CheckLevel(int level) const;

  const TableUnused unused_;
  std::array<std::vector<Run>, kLevels> levels_;
};

}  // namespace aidb::lsm
