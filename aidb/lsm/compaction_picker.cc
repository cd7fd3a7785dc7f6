#include "aidb/lsm/compaction_picker.h"

#include <algorithm>
#include <ranges>
#include <string_view>
#include <utility>

#include "aidb/base/check.h"

namespace aidb::lsm {
namespace {

constexpr int kLast = kLevels - 1;

size_t Index(int level) { return static_cast<size_t>(level); }

// Damaged, or avoided as if it were.
bool Damaged(const TableRef& table) { return table->damaged() || table->avoided(); }

bool Usable(const TableRef& table, const BusyTables& busy) {
  return !Damaged(table) && !busy.contains(table->number());
}

bool AnyDamaged(std::span<const TableRef> tables) { return std::ranges::any_of(tables, Damaged); }

bool AnyBusy(std::span<const TableRef> tables, const BusyTables& busy) {
  return std::ranges::any_of(tables, [&](const TableRef& t) { return busy.contains(t->number()); });
}

uint64_t Bytes(std::span<const TableRef> tables) {
  uint64_t bytes = 0;
  for (const TableRef& table : tables) bytes += table->size_bytes();
  return bytes;
}

// The keys that all inputs span.
std::pair<std::string_view, std::string_view> Span(std::span<const CompactionInput> inputs) {
  std::string_view first = inputs.front().table->facts().first_key;
  std::string_view last = inputs.front().table->facts().last_key;
  for (const CompactionInput& input : inputs) {
    first = std::min<std::string_view>(first, input.table->facts().first_key);
    last = std::max<std::string_view>(last, input.table->facts().last_key);
  }
  return {first, last};
}

// Where in its output level a job may put keys: what is moved stays as it is.
std::vector<std::pair<std::string_view, std::string_view>> SpansOf(const CompactionJob& job) {
  if (!job.trivial_move) return {Span(job.inputs)};
  std::vector<std::pair<std::string_view, std::string_view>> spans;
  for (const CompactionInput& input : job.inputs) spans.push_back(Span({&input, 1}));
  return spans;
}

bool ShareNoKey(std::vector<CompactionInput> inputs) {
  std::ranges::sort(inputs, {}, [](const CompactionInput& input) -> std::string_view {
    return input.table->facts().first_key;
  });
  for (size_t i = 1; i < inputs.size(); ++i) {
    if (inputs[i - 1].table->facts().last_key >= inputs[i].table->facts().first_key) return false;
  }
  return true;
}

void AddRun(const Run& run, CompactionJob& job) {
  for (const TableRef& table : run.tables()) job.inputs.push_back({0, run.number(), table});
}

// Of a table with range deletes, which may hide any number of entries below, all.
double DeleteShare(const TableFacts& facts) {
  if (facts.range_deletes > 0) return 1;
  return static_cast<double>(facts.deletes) /
         static_cast<double>(std::max<uint64_t>(facts.entries, 1));
}

// Inputs that share keys, directly or through others; newest run first, in key order.
using Parts = std::vector<std::vector<CompactionInput>>;

Parts PartsOf(std::span<const Run> runs) {
  std::vector<CompactionInput> inputs;
  for (const Run& run : runs)
    for (const TableRef& table : run.tables()) inputs.push_back({0, run.number(), table});
  const auto first_key = [](const CompactionInput& input) -> std::string_view {
    return input.table->facts().first_key;
  };
  std::ranges::sort(inputs, {}, first_key);
  Parts parts;
  std::string_view last;
  for (CompactionInput& input : inputs) {
    const TableFacts& facts = input.table->facts();
    if (parts.empty() || facts.first_key > last) {
      parts.emplace_back();
      last = facts.last_key;
    }
    last = std::max<std::string_view>(last, facts.last_key);
    parts.back().push_back(std::move(input));
  }
  for (std::vector<CompactionInput>& part : parts) {
    std::ranges::sort(part, [&](const CompactionInput& a, const CompactionInput& b) {
      return a.run != b.run ? a.run > b.run : first_key(a) < first_key(b);
    });
  }
  return parts;
}

// What is merged down must be older than all that stays: the runs behind the last damaged one.
std::span<const Run> BehindDamage(std::span<const Run> runs) {
  size_t first = runs.size();
  while (first > 0 && !AnyDamaged(runs[first - 1].tables())) --first;
  return runs.subspan(first);
}

size_t RunCount(std::span<const CompactionInput> part) {
  std::set<uint64_t> runs;
  for (const CompactionInput& input : part) {
    if (input.level == 0) runs.insert(input.run);
  }
  return runs.size();
}

// Whether a level below `level` holds keys of the table.
bool AnythingBelow(const Version& version, int level, const TableFile& table) {
  for (int below = level + 1; below < kLevels; ++below) {
    for (const Run& run : version.runs(below)) {
      if (!run.Overlapping(table.facts().first_key, table.facts().last_key).empty()) return true;
    }
  }
  return false;
}

}  // namespace

uint64_t CompactionJob::InputBytes() const {
  uint64_t bytes = 0;
  for (const CompactionInput& input : inputs) bytes += input.table->size_bytes();
  return bytes;
}

bool BusyTables::CanRun(const CompactionJob& job) const {
  for (const CompactionInput& input : job.inputs) {
    if (numbers_.contains(input.table->number())) return false;
  }
  return std::ranges::none_of(SpansOf(job), [&](const auto& keys) {
    return std::ranges::any_of(spans_, [&](const Span& span) {
      return span.level == job.output_level && span.first <= keys.second && keys.first <= span.last;
    });
  });
}

void BusyTables::Begin(const CompactionJob& job) {
  for (const CompactionInput& input : job.inputs) numbers_.insert(input.table->number());
  const uint64_t owner = job.inputs.front().table->number();
  for (const auto& [first, last] : SpansOf(job)) {
    spans_.push_back({owner, job.output_level, std::string(first), std::string(last)});
  }
}

void BusyTables::BeginAll(const BusyTables& others) {
  numbers_.insert(others.numbers_.begin(), others.numbers_.end());
  spans_.insert(spans_.end(), others.spans_.begin(), others.spans_.end());
}

void BusyTables::End(const CompactionJob& job) {
  for (const CompactionInput& input : job.inputs) numbers_.erase(input.table->number());
  const uint64_t owner = job.inputs.front().table->number();
  std::erase_if(spans_, [&](const Span& span) { return span.owner == owner; });
}

bool BusyTables::MayWrite(int level, std::string_view first, std::string_view last) const {
  return std::ranges::any_of(spans_, [&](const Span& span) {
    return span.level == level && span.first <= last && first <= span.last;
  });
}

void BusyTables::Claim(uint64_t table, int level, std::string_view first, std::string_view last) {
  numbers_.insert(table);
  spans_.push_back({table, level, std::string(first), std::string(last)});
}

void BusyTables::EndClaim(uint64_t table) {
  numbers_.erase(table);
  std::erase_if(spans_, [&](const Span& span) { return span.owner == table; });
}

CompactionPicker::CompactionPicker(const CompactionShape& shape) : shape_(shape) {
  AIDB_CHECK(shape.level0_trigger >= 1 && shape.level_multiplier >= 2);
  AIDB_CHECK(shape.level0_bytes > 0 && shape.table_bytes > 0);
}

LevelTargets CompactionPicker::Targets(const Version& version) const {
  const auto multiplier = static_cast<uint64_t>(shape_.level_multiplier);
  LevelTargets targets;
  if (shape_.level_base_bytes > 0) {
    targets.base_level = 1;
    uint64_t bytes = shape_.level_base_bytes;
    for (int level = 1; level < kLevels; ++level) {
      targets.bytes[Index(level)] = bytes;
      bytes = bytes > UINT64_MAX / multiplier ? UINT64_MAX : bytes * multiplier;
    }
    return targets;
  }
  uint64_t bytes = shape_.level0_bytes;
  int shallowest = kLast;
  for (int level = kLast; level > 0; --level) {
    bytes = std::max(bytes, version.LevelBytes(level));
    if (!version.runs(level).empty()) shallowest = level;
  }
  // Up from the last level to the base; further up only where tables are left from a time when
  // the base was higher: there the targets are small, so that they move down.
  for (int level = kLast; level > 0; --level) {
    targets.bytes[Index(level)] = std::max<uint64_t>(bytes, 1);
    targets.base_level = level;
    if (bytes <= shape_.level0_bytes && level <= shallowest) break;
    bytes /= multiplier;
  }
  return targets;
}

std::array<double, kLevels> CompactionPicker::Scores(const Version& version,
                                                     const BusyTables& busy) const {
  const LevelTargets targets = Targets(version);
  std::array<double, kLevels> scores{};
  uint64_t free_runs = 0;
  for (const Run& run : version.runs(0)) free_runs += AnyBusy(run.tables(), busy) ? 0 : 1;
  const uint64_t free_bytes = MovableBytes(version, busy);
  scores[0] = std::max(static_cast<double>(free_runs) / shape_.level0_trigger,
                       static_cast<double>(free_bytes) / static_cast<double>(shape_.level0_bytes));
  for (int level = targets.base_level; level < kLast; ++level) {
    uint64_t bytes = 0;
    for (const Run& run : version.runs(level)) {
      for (const TableRef& table : run.tables())
        if (!busy.contains(table->number())) bytes += table->size_bytes();
    }
    scores[Index(level)] =
        static_cast<double>(bytes) / static_cast<double>(targets.bytes[Index(level)]);
  }
  return scores;
}

uint64_t CompactionPicker::DebtBytes(const Version& version) const {
  const LevelTargets targets = Targets(version);
  uint64_t debt = 0;
  if (version.runs(0).size() >= static_cast<size_t>(shape_.level0_trigger)) {
    debt = version.LevelBytes(0);
  } else if (const uint64_t movable = MovableBytes(version, {}); movable >= shape_.level0_bytes) {
    debt = movable;
  }
  for (int level = 1; level < kLast; ++level) {
    const uint64_t bytes = version.LevelBytes(level);
    debt += bytes - std::min(bytes, targets.bytes[Index(level)]);
  }
  return debt;
}

uint64_t CompactionPicker::MovableRuns(const Version& version, const BusyTables& busy) const {
  uint64_t count = 0;
  for (const Run& run : version.runs(0)) {
    if (AnyDamaged(run.tables())) break;
    if (!AnyBusy(run.tables(), busy)) ++count;
  }
  return count;
}

uint64_t CompactionPicker::MovableBytes(const Version& version, const BusyTables& busy) const {
  const int base_level = Targets(version).base_level;
  uint64_t bytes = 0;
  for (const std::vector<CompactionInput>& part : PartsOf(BehindDamage(version.runs(0)))) {
    const auto [low, high] = Span(part);
    if (AnyDamaged(version.Overlapping(base_level, low, high))) continue;
    for (const CompactionInput& input : part) {
      if (!busy.contains(input.table->number())) bytes += input.table->size_bytes();
    }
  }
  return bytes;
}

std::optional<CompactionJob> CompactionPicker::Pick(const Version& version,
                                                    const CompactionPointers& pointers,
                                                    const BusyTables& busy) const {
  const std::array<double, kLevels> scores = Scores(version, busy);
  std::array<int, kLevels> order{};
  for (int level = 0; level < kLevels; ++level) order[Index(level)] = level;
  std::ranges::sort(order, [&](int a, int b) {
    return scores[Index(a)] != scores[Index(b)] ? scores[Index(a)] > scores[Index(b)] : a < b;
  });
  for (const int level : order) {
    if (scores[Index(level)] < 1) break;
    std::optional<CompactionJob> job =
        level == 0 ? PickLevel0(version, busy)
                   : PickLevel(version, level, pointers[Index(level)], busy);
    if (job) return job;
  }
  return PickDeletes(version, busy);
}

std::optional<CompactionJob> CompactionPicker::PickLevel0(const Version& version,
                                                          const BusyTables& busy) const {
  std::span<const Run> runs = BehindDamage(version.runs(0));
  if (runs.empty()) return MergeRuns(version, busy);
  runs = runs.last(std::min(runs.size(), kLevel0JobRunsMax));
  std::optional<CompactionJob> moves;
  std::optional<CompactionJob> best;
  bool damage = false;
  for (std::vector<CompactionInput>& part : PartsOf(runs)) {
    std::optional<CompactionJob> job = JobForPart(version, std::move(part), busy, damage);
    if (!job) continue;
    if (job->trivial_move) {
      // Nothing else shares its keys, so it is one table: all such go in one edit.
      if (moves) {
        moves->inputs.push_back(job->inputs.front());
      } else {
        moves = std::move(job);
      }
      continue;
    }
    const auto urgency = [](const CompactionJob& it) {
      return std::pair(RunCount(it.inputs), it.InputBytes());
    };
    if (!best || urgency(*job) > urgency(*best)) best = std::move(job);
  }
  if (moves) return moves;
  if (!best && damage) return MergeRuns(version, busy);
  return best;
}

std::optional<CompactionJob> CompactionPicker::JobForPart(const Version& version,
                                                          std::vector<CompactionInput> inputs,
                                                          const BusyTables& busy,
                                                          bool& damage) const {
  const auto is_busy = [&](const CompactionInput& input) {
    return busy.contains(input.table->number());
  };
  if (std::ranges::any_of(inputs, is_busy)) return std::nullopt;
  CompactionJob job{.reason = CompactionReason::kLevel0Runs,
                    .output_level = Targets(version).base_level,
                    .inputs = std::move(inputs)};
  const auto [low, high] = Span(job.inputs);
  const std::vector<TableRef> below = version.Overlapping(job.output_level, low, high);
  if (AnyDamaged(below)) {
    damage = true;
    return std::nullopt;
  }
  if (AnyBusy(below, busy)) return std::nullopt;
  for (const TableRef& table : below) job.inputs.push_back({job.output_level, 0, table});
  // Data of level 0 may not pass tables of levels between, left from a time when the base was
  // higher; the base level is the shallowest that has any, so there are none.
  Finish(version, job);
  if (!busy.CanRun(job)) return std::nullopt;
  return job;
}

std::vector<TableRef> CompactionPicker::SplitsForFlush(const Version& version) const {
  std::vector<TableRef> splits;
  uint64_t bytes = 0;
  for (const Run& run : version.runs(Targets(version).base_level)) {
    for (const TableRef& table : run.tables()) {
      bytes += table->size_bytes();
      if (bytes < shape_.table_bytes) continue;
      splits.push_back(table);
      bytes = 0;
    }
  }
  return splits;
}

// The result has the number of the oldest: the newest may get tables of a flush meanwhile.
std::optional<CompactionJob> CompactionPicker::MergeRuns(const Version& version,
                                                         const BusyTables& busy) const {
  const std::span<const Run> runs = version.runs(0);
  size_t count = 0;
  while (count < runs.size() && !AnyDamaged(runs[count].tables())) ++count;
  if (count < static_cast<size_t>(shape_.level0_trigger) || count < 2) return std::nullopt;
  const size_t first = count - std::min(count, kLevel0JobRunsMax);
  CompactionJob job{.reason = CompactionReason::kLevel0Runs,
                    .output_level = 0,
                    .output_run = runs[count - 1].number()};
  for (const Run& run : runs.subspan(first, count - first)) {
    if (AnyBusy(run.tables(), busy)) return std::nullopt;
    AddRun(run, job);
  }
  if (!busy.CanRun(job)) return std::nullopt;
  return job;
}

std::optional<CompactionJob> CompactionPicker::PickLevel(const Version& version, int level,
                                                         const std::string& pointer,
                                                         const BusyTables& busy) const {
  if (version.runs(level).empty()) return std::nullopt;
  const std::span<const TableRef> tables = version.runs(level).front().tables();
  const ptrdiff_t start = std::ranges::upper_bound(tables, std::string_view(pointer), {},
                                                   [](const TableRef& table) -> std::string_view {
                                                     return table->facts().first_key;
                                                   }) -
                          tables.begin();
  std::optional<CompactionJob> best;
  double best_cost = 0;
  // From the pointer around, so that among equals the next in turn wins.
  for (size_t i = 0; i < tables.size(); ++i) {
    const TableRef& table = tables[(static_cast<size_t>(start) + i) % tables.size()];
    if (!Usable(table, busy)) continue;
    const TableFacts& facts = table->facts();
    const uint64_t overlap = Bytes(version.Overlapping(level + 1, facts.first_key, facts.last_key));
    // Deletes count double: moving them down is what frees space and spares scans.
    const double worth = static_cast<double>(table->size_bytes()) * (1 + DeleteShare(facts));
    const double cost = static_cast<double>(overlap) / worth;
    if (best && cost >= best_cost) continue;
    std::optional<CompactionJob> job = JobFor(version, level, table, busy);
    if (!job) continue;
    best = std::move(job);
    best_cost = cost;
  }
  return best;
}

std::optional<CompactionJob> CompactionPicker::PickDeletes(const Version& version,
                                                           const BusyTables& busy) const {
  std::optional<CompactionJob> best;
  double best_share = 0.5;
  for (int level = 1; level < version.DeepestLevel(); ++level) {
    for (const Run& run : version.runs(level)) {
      for (const TableRef& table : run.tables()) {
        const double share = DeleteShare(table->facts());
        if (share <= best_share || !Usable(table, busy)) continue;
        std::optional<CompactionJob> job = JobFor(version, level, table, busy);
        if (!job) continue;
        job->reason = CompactionReason::kDeletes;
        best = std::move(job);
        best_share = share;
      }
    }
  }
  return best;
}

std::optional<CompactionJob> CompactionPicker::JobFor(const Version& version, int level,
                                                      const TableRef& table,
                                                      const BusyTables& busy) const {
  CompactionJob job{.reason = CompactionReason::kLevelBytes,
                    .level = level,
                    .output_level = level + 1,
                    .pointer = table->facts().first_key};
  job.inputs.push_back({level, 0, table});
  for (const TableRef& below :
       version.Overlapping(level + 1, table->facts().first_key, table->facts().last_key)) {
    if (!Usable(below, busy)) return std::nullopt;
    job.inputs.push_back({level + 1, 0, below});
  }
  Finish(version, job);
  if (!busy.CanRun(job)) return std::nullopt;
  return job;
}

void CompactionPicker::Finish(const Version& version, CompactionJob& job) const {
  if (job.output_level < kLast) {
    const auto [low, high] = Span(job.inputs);
    job.grandparents = version.Overlapping(job.output_level + 1, low, high);
  }
  const bool nothing_below = std::ranges::all_of(
      job.inputs, [&](const CompactionInput& input) { return input.level == job.level; });
  if (!nothing_below || !ShareNoKey(job.inputs)) return;
  job.trivial_move = std::ranges::all_of(job.inputs, [&](const CompactionInput& input) {
    const TableFacts& facts = input.table->facts();
    uint64_t overlap = 0;
    if (job.output_level < kLast) {
      overlap = Bytes(version.Overlapping(job.output_level + 1, facts.first_key, facts.last_key));
    }
    const bool many_deletes = facts.deletes > facts.entries / kMoveDeletesPart;
    const bool deletes_could_go = (many_deletes || facts.range_deletes > 0) &&
                                  !AnythingBelow(version, job.output_level, *input.table);
    return overlap <= kGrandparentTablesMax * shape_.table_bytes && !deletes_could_go;
  });
}

uint64_t RunForFlush(const Version& version, std::span<const TableFacts> tables, uint64_t fresh) {
  if (version.runs(0).empty()) return fresh;
  const Run& newest = version.runs(0).front();
  const bool apart = std::ranges::all_of(tables, [&](const TableFacts& facts) {
    return newest.Overlapping(facts.first_key, facts.last_key).empty();
  });
  // What damage holds back would hold these back as well.
  return apart && !AnyDamaged(newest.tables()) ? newest.number() : fresh;
}

VersionEdit MoveEdit(const CompactionJob& job) {
  AIDB_CHECK(job.trivial_move);
  VersionEdit edit;
  for (const CompactionInput& input : job.inputs) {
    edit.removed.push_back({input.level, input.table->number()});
    edit.added.push_back({job.output_level, job.output_run, input.table->facts()});
  }
  if (job.level > 0) edit.pointers.push_back({job.level, job.pointer});
  return edit;
}

}  // namespace aidb::lsm
