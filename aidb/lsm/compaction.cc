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
InputRuns MakeRuns(const CompactionJob& job, TableCache& cache) {
  std::vector<CompactionInput> inputs = job.inputs;
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

KeepRule RuleFor(const CompactionJob& job, const Version& version, Readers readers) {
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
      job.output_level > 0 ? KeepRule::Zeroing::kAtTheBottom : KeepRule::Zeroing::kNever);
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

// Whether the inputs gave as many entries as the manifest says they have.
Status CheckCount(const CompactionJob& job, const WrittenTables& written) {
  uint64_t expected = 0;
  for (const CompactionInput& input : job.inputs) expected += input.table->facts().entries;
  if (written.entries_in == expected) return {};
  return Corruption("the inputs gave " + std::to_string(written.entries_in) +
                    " entries; the manifest says they have " + std::to_string(expected));
}

}  // namespace

CompactionOutcome RunCompaction(const CompactionJob& job, const Version& version, Readers readers,
                                const TableOptions& options, uint64_t table_bytes,
                                const CompactionEnv& env, const std::atomic<bool>& stop) {
  AIDB_CHECK(!job.inputs.empty());
  CompactionOutcome outcome;
  outcome.stats.bytes_in = job.InputBytes();

  const InputRuns runs = MakeRuns(job, env.tables);
  std::vector<std::unique_ptr<EntryCursor>> cursors;
  for (const auto& run : runs) cursors.push_back(run->NewCursor());
  const std::unique_ptr<EntryCursor> merged = NewMergingCursor(std::move(cursors));

  KeepRule rule = RuleFor(job, version, std::move(readers));
  TableTarget target{.files = env.files,
                     .directory = env.directory,
                     .numbers = env.numbers,
                     .random = env.random,
                     .table = options,
                     .table_bytes = table_bytes,
                     .grandparents = job.grandparents,
                     .stop = &stop};
  target.table.level = job.output_level;
  target.table.run = job.output_run;
  Result<WrittenTables> written = WriteTables(*merged, rule, target);
  if (written.ok()) {
    outcome.status = CheckCount(job, *written);
    if (!outcome.status.ok()) RemoveUnnamed(env.files, env.directory, written->tables);
  } else {
    outcome.status = written.status();
  }
  if (!outcome.status.ok()) {
    outcome.status = std::move(outcome.status)
                         .Annotate("merge level " + std::to_string(job.level) + " into level " +
                                   std::to_string(job.output_level));
    for (const auto& run : runs) {
      const TableRef table = run->Failed();
      if (table == nullptr) continue;
      // The merge takes the error of the first.
      if (outcome.failed_input == nullptr) outcome.failed_input = table;
      if (run->damaged()) outcome.edit.damaged.push_back(table->number());
    }
    return outcome;
  }
  outcome.stats.entries_in = written->entries_in;
  outcome.stats.entries_out = written->entries_out;
  outcome.stats.bytes_out = written->bytes_out;
  outcome.stats.shadowed = rule.shadowed();
  outcome.stats.deletes_dropped = rule.deletes_dropped();
  outcome.edit = EditFor(job, std::move(written->tables));
  return outcome;
}

}  // namespace aidb::lsm
