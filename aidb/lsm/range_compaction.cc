#include "aidb/lsm/range_compaction.h"

#include <algorithm>
#include <string>
#include <utility>

#include "aidb/lsm/table_format.h"

namespace aidb::lsm {
namespace {

// Whether every entry is a put that all readers see: in the last level nothing is left to merge.
bool HoldsNothingToDrop(const TableFacts& facts) {
  return facts.deletes == 0 && facts.range_deletes == 0 && facts.highest == kv::kSequenceNone;
}

Status DamageInTheWay(const TableFacts& facts) {
  return Corruption("table " + std::to_string(facts.number) + " with keys from " +
                    KeyText(facts.first_key) + " to " + KeyText(facts.last_key) +
                    " is damaged and cannot be merged; `aidb check` tells what is lost");
}

}  // namespace

Result<RangeCompaction::Step> RangeCompaction::Next(const Version& version,
                                                    const BusyTables& busy) {
  if (range_.empty()) return Step{};
  bottom_ = std::max(bottom_, BottomOf(version));
  if (level_ == 0) {
    const size_t first = RunsThatStay(version);
    if (first < version.runs(0).size()) return LevelZeroStep(version, first, busy);
    ++level_;
  }
  for (; level_ < bottom_; ++level_) {
    if (const TableRef table = FirstTable(version)) return DownStep(version, table, busy);
    from_ = range_.lower;
  }
  while (const TableRef table = FirstTable(version)) {
    if (!HoldsNothingToDrop(table->facts()) && !made_.contains(table->number())) {
      return RewriteStep(table, busy);
    }
    Pass(table->facts().last_key);
  }
  return Step{};
}

void RangeCompaction::Done(const CompactionJob& job, const VersionEdit& edit) {
  if (job.output_level == bottom_ && !job.trivial_move) {
    for (const AddedTable& added : edit.added) made_.insert(added.facts.number);
  }
  if (job.level > 0) Pass(job.inputs.front().table->facts().last_key);
}

// The first level that holds the whole store and has nothing below it: there it stays when
// nothing is written any more.
int RangeCompaction::BottomOf(const Version& version) const {
  const LevelTargets targets = picker_.Targets(version);
  uint64_t bytes = 0;
  for (int level = 0; level < kLevels; ++level) bytes += version.LevelBytes(level);
  int bottom = std::max(version.DeepestLevel(), targets.base_level);
  while (bottom < kLevels - 1 && targets.bytes[static_cast<size_t>(bottom)] < bytes) ++bottom;
  return bottom;
}

bool RangeCompaction::Covers(const TableFile& table) const {
  const TableFacts& facts = table.facts();
  return facts.last_key >= range_.lower && (!range_.upper || facts.first_key < *range_.upper);
}

size_t RangeCompaction::RunsThatStay(const Version& version) const {
  const std::span<const Run> runs = version.runs(0);
  size_t stay = 0;
  while (stay < runs.size() &&
         std::ranges::none_of(
             runs[stay].tables(),
             [&](const TableRef& t) { return t->facts().lowest <= newest_ && Covers(*t); })) {
    ++stay;
  }
  return stay;
}

TableRef RangeCompaction::FirstTable(const Version& version) const {
  for (const Run& run : version.runs(level_)) {
    const size_t index = run.IndexFor(from_);
    if (index < run.tables().size() && Covers(*run.tables()[index])) return run.tables()[index];
  }
  return nullptr;
}

// As the background does it: whole runs, the oldest first, so that what goes down is older than
// all that stays.
Result<RangeCompaction::Step> RangeCompaction::LevelZeroStep(const Version& version,
                                                             size_t first_run,
                                                             const BusyTables& busy) const {
  const std::span<const Run> runs = version.runs(0);
  first_run = std::max(first_run, runs.size() - std::min(runs.size(), kLevel0JobRunsMax));
  CompactionJob job{.reason = CompactionReason::kManual,
                    .output_level = picker_.Targets(version).base_level};
  std::string_view low = runs.back().tables().front()->facts().first_key;
  std::string_view high = low;
  for (const Run& run : runs.subspan(first_run)) {
    low = std::min<std::string_view>(low, run.tables().front()->facts().first_key);
    high = std::max<std::string_view>(high, run.tables().back()->facts().last_key);
    for (const TableRef& table : run.tables()) job.inputs.push_back({0, run.number(), table});
  }
  for (const TableRef& below : version.Overlapping(job.output_level, low, high)) {
    job.inputs.push_back({job.output_level, 0, below});
  }
  picker_.Finish(version, job);
  return StepFor(std::move(job), busy);
}

Result<RangeCompaction::Step> RangeCompaction::DownStep(const Version& version,
                                                        const TableRef& table,
                                                        const BusyTables& busy) const {
  const TableFacts& facts = table->facts();
  CompactionJob job{.reason = CompactionReason::kManual,
                    .level = level_,
                    .output_level = level_ + 1,
                    .pointer = facts.first_key};
  job.inputs.push_back({level_, 0, table});
  for (const TableRef& below :
       version.Overlapping(job.output_level, facts.first_key, facts.last_key)) {
    job.inputs.push_back({job.output_level, 0, below});
  }
  picker_.Finish(version, job);
  return StepFor(std::move(job), busy);
}

Result<RangeCompaction::Step> RangeCompaction::RewriteStep(const TableRef& table,
                                                           const BusyTables& busy) const {
  CompactionJob job{.reason = CompactionReason::kManual,
                    .level = level_,
                    .output_level = level_,
                    .pointer = table->facts().first_key};
  job.inputs.push_back({level_, 0, table});
  return StepFor(std::move(job), busy);
}

Result<RangeCompaction::Step> RangeCompaction::StepFor(CompactionJob job, const BusyTables& busy) {
  // A running job may take the damaged table, or find that it is.
  if (!busy.CanRun(job)) return Step{.wait_for = std::move(job)};
  for (const CompactionInput& input : job.inputs) {
    if (input.table->damaged()) return DamageInTheWay(input.table->facts());
  }
  return Step{.job = std::move(job)};
}

}  // namespace aidb::lsm
