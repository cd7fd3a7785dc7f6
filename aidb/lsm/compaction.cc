#include "aidb/lsm/compaction.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/lsm/level_cursor.h"
#include "aidb/lsm/merging_cursor.h"

namespace aidb::lsm {
namespace {

// Inputs of one level and run, walked as one. Knows which table it last opened, so that an
// error can be laid at its door.
class InputRun {
 public:
  InputRun(std::vector<TableRef> tables, TableCache& cache)
      : tables_(std::move(tables)), cache_(cache) {
    std::ranges::sort(tables_, {}, [](const TableRef& table) -> const std::string& {
      return table->facts().first_key;
    });
    for (const TableRef& table : tables_)
      bounds_.push_back({table->facts().first_key, table->facts().last_key});
  }
  InputRun(const InputRun&) = delete;
  InputRun& operator=(const InputRun&) = delete;

  // Borrows this run; called once.
  std::unique_ptr<EntryCursor> NewCursor() {
    auto cursor = std::make_unique<LevelCursor<ListedTables>>(
        ListedTables(bounds_, [this](size_t table) { return Open(table); }));
    cursor_ = cursor.get();
    return cursor;
  }
  // The table that could not be read, or null. The cursor must still live.
  TableRef Failed() const { return cursor_->status().ok() ? nullptr : tables_[opened_]; }
  // Whether that is because its bytes fail their check.
  bool damaged() const { return cursor_->status().code() == StatusCode::kCorruption; }

 private:
  Result<std::unique_ptr<EntryCursor>> Open(size_t table) {
    opened_ = table;
    AIDB_ASSIGN_OR_RETURN(const auto reader, cache_.Get(tables_[table]->facts()));
    return reader->NewCursor(CacheFill::kPassBy);
  }

  std::vector<TableRef> tables_;
  std::vector<ListedTables::Bounds> bounds_;
  TableCache& cache_;
  size_t opened_ = 0;
  const EntryCursor* cursor_ = nullptr;
};

using InputRuns = std::vector<std::unique_ptr<InputRun>>;

// Newest first, as the merge wants equal keys.
InputRuns MakeRuns(std::vector<CompactionInput> inputs, TableCache& cache) {
  std::ranges::sort(inputs, [](const CompactionInput& a, const CompactionInput& b) {
    return a.level != b.level ? a.level < b.level : a.run > b.run;
  });
  InputRuns runs;
  for (size_t begin = 0; begin < inputs.size();) {
    size_t end = begin;
    std::vector<TableRef> tables;
    for (; end < inputs.size() && inputs[end].level == inputs[begin].level &&
           inputs[end].run == inputs[begin].run;
         ++end) {
      tables.push_back(inputs[end].table);
    }
    runs.push_back(std::make_unique<InputRun>(std::move(tables), cache));
    begin = end;
  }
  return runs;
}

// What the inputs have of range deletes.
class InputRanges {
 public:
  // The first table that cannot be read ends it, and is failed() then.
  Status Read(const CompactionJob& job, TableCache& cache) {
    for (const CompactionInput& input : job.inputs) {
      if (input.table->facts().range_deletes == 0) continue;
      const auto reader = cache.Get(input.table->facts());
      if (!reader.ok()) {
        failed_ = input.table;
        return reader.status();
      }
      lists_.push_back((*reader)->range_deletes());
      lists_.back()->deletes().AppendTo(deletes_);
    }
    return {};
  }
  std::span<const RangeDelete> deletes() const { return deletes_; }
  const TableRef& failed() const { return failed_; }

 private:
  std::vector<std::shared_ptr<const RangeDeleteList>> lists_;  // What deletes_ looks at.
  std::vector<RangeDelete> deletes_;
  TableRef failed_;
};

KeepRule RuleFor(const CompactionJob& job, const Version& version, Readers readers,
                 std::span<const RangeDelete> range_deletes) {
  if (AIDB_CANARY_HIT(kHandForgetsReaders) && job.reason == CompactionReason::kManual) {
    readers.snapshots.clear();
  }
  std::vector<uint64_t> numbers;
  uint64_t oldest_run = UINT64_MAX;
  for (const CompactionInput& input : job.inputs) {
    numbers.push_back(input.table->number());
    if (input.level == job.level) oldest_run = std::min(oldest_run, input.run);
  }
  return KeepRule::ForCompaction(
      std::move(readers), OlderTables(version, job.level, oldest_run, numbers),
      job.output_level > 0 ? KeepRule::Zeroing::kAtTheBottom : KeepRule::Zeroing::kNever,
      range_deletes);
}

VersionEdit EditFor(const CompactionJob& job, std::vector<TableFacts> outputs) {
  VersionEdit edit;
  for (const CompactionInput& input : job.inputs)
    edit.removed.push_back({input.level, input.table->number()});
  for (TableFacts& facts : outputs)
    edit.added.push_back({job.output_level, job.output_run, std::move(facts)});
  if (job.level > 0) edit.pointers.push_back({job.level, job.pointer});
  return edit;
}

uint64_t EntriesOf(std::span<const CompactionInput> inputs) {
  uint64_t entries = 0;
  for (const CompactionInput& input : inputs) entries += input.table->facts().entries;
  return entries;
}

// Whether the inputs that were read gave as many entries as the manifest says they have.
Status CheckCount(uint64_t expected, const WrittenTables& written) {
  if (written.entries_in == expected) return {};
  return Corruption("the inputs gave " + std::to_string(written.entries_in) +
                    " entries; the manifest says they have " + std::to_string(expected));
}

// Lays the error of an outcome at the door of `table`.
void Blame(const TableRef& table, bool damaged, CompactionOutcome& outcome) {
  // The merge takes the error of the first.
  if (outcome.failed_input == nullptr) outcome.failed_input = table;
  if (damaged) outcome.edit.damaged.push_back(table->number());
}

}  // namespace

CompactionOutcome RunCompaction(const CompactionJob& job, const Version& version, Readers readers,
                                const TableOptions& options, uint64_t table_bytes,
                                const CompactionEnv& env, const std::atomic<bool>& stop) {
  AIDB_CHECK(!job.inputs.empty());
  CompactionOutcome outcome;
  const std::string what = "merge level " + std::to_string(job.level) + " into level " +
                           std::to_string(job.output_level);
  InputRanges ranges;
  if (Status read = ranges.Read(job, env.tables); !read.ok()) {
    Blame(ranges.failed(), read.code() == StatusCode::kCorruption, outcome);
    outcome.status = std::move(read).Annotate(what);
    return outcome;
  }
  KeepRule rule = RuleFor(job, version, std::move(readers), ranges.deletes());
  std::vector<CompactionInput> inputs = job.inputs;
  std::erase_if(
      inputs, [&](const CompactionInput& input) { return rule.HidesAllOf(input.table->facts()); });
  for (const CompactionInput& input : inputs) outcome.stats.bytes_in += input.table->size_bytes();

  const InputRuns runs = MakeRuns(inputs, env.tables);
  std::vector<std::unique_ptr<EntryCursor>> cursors;
  for (const auto& run : runs) cursors.push_back(run->NewCursor());
  const std::unique_ptr<EntryCursor> merged = NewMergingCursor(std::move(cursors));

  TableTarget target{.files = env.files,
                     .directory = env.directory,
                     .numbers = env.numbers,
                     .random = env.random,
                     .table = options,
                     .table_bytes = table_bytes,
                     .grandparents = job.grandparents,
                     .stop = &stop,
                     .merger = env.merger};
  target.table.level = job.output_level;
  target.table.run = job.output_run;
  Result<WrittenTables> written = WriteTables(*merged, rule, target);
  outcome.status = written.status();
  if (written.ok()) {
    outcome.status = CheckCount(EntriesOf(inputs), *written);
    if (!outcome.status.ok()) RemoveUnnamed(env.files, env.directory, written->tables);
  }
  if (!outcome.status.ok()) {
    outcome.status = std::move(outcome.status).Annotate(what);
    for (const auto& run : runs) {
      const TableRef table = run->Failed();
      if (table != nullptr) Blame(table, run->damaged(), outcome);
    }
    return outcome;
  }
  outcome.stats.entries_in = written->entries_in;
  outcome.stats.entries_out = written->entries_out;
  outcome.stats.bytes_out = written->bytes_out;
  outcome.stats.folded = written->folded;
  outcome.stats.shadowed = rule.shadowed();
  outcome.stats.deletes_dropped = rule.deletes_dropped();
  outcome.stats.unread = EntriesOf(job.inputs) - EntriesOf(inputs);
  outcome.edit = EditFor(job, std::move(written->tables));
  return outcome;
}

}  // namespace aidb::lsm
