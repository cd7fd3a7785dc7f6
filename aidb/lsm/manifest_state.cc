#include "aidb/lsm/manifest_state.h"

#include <algorithm>
#include <set>
#include <utility>

#include "aidb/base/check.h"

namespace aidb::lsm {
namespace {

std::string TableAt(int level, uint64_t number) {
  return "table " + std::to_string(number) + " of level " + std::to_string(level);
}

// About what a table takes in an edit.
uint64_t EncodedBytes(const TableFacts& facts) {
  constexpr uint64_t kFixedPart = 96;
  return kFixedPart + facts.first_key.size() + facts.last_key.size();
}

}  // namespace

std::optional<std::string> ManifestState::Refusal(const VersionEdit& edit) const {
  std::set<uint64_t> removed;
  for (const RemovedTable& table : edit.removed) {
    const auto it = tables.find(table.number);
    if (it == tables.end() || it->second.level != table.level)
      return "removes " + TableAt(table.level, table.number) + ", which is not there";
    if (!removed.insert(table.number).second)
      return "removes " + TableAt(table.level, table.number) + " twice";
  }
  std::set<uint64_t> added;
  for (const AddedTable& table : edit.added) {
    const uint64_t number = table.facts.number;
    const bool there = tables.contains(number) && !removed.contains(number);
    if (there || !added.insert(number).second)
      return "adds " + TableAt(table.level, number) + ", which is there already";
  }
  for (const uint64_t number : edit.damaged) {
    const bool there = tables.contains(number) && !removed.contains(number);
    if (!there && !added.contains(number))
      return "marks table " + std::to_string(number) + " as damaged, which is not there";
  }
  if (edit.next_file_number && *edit.next_file_number < next_file_number)
    return "takes the next file number back";
  if (edit.last_sequence && *edit.last_sequence < last_sequence)
    return "takes the last sequence back";
  if (edit.log_floor && *edit.log_floor < log_floor) return "takes the log floor back";
  if (edit.ingest_sequence && *edit.ingest_sequence < ingest_sequence)
    return "takes the sequence of the last ingest back";
  if (edit.header && edit.header->comparator != kBytewiseComparator)
    return "names the unknown key order \"" + edit.header->comparator + "\"";
  return std::nullopt;
}

void ManifestState::Apply(const VersionEdit& edit) {
  if (edit.header) {
    uuid = edit.header->uuid;
    comparator = edit.header->comparator;
  }
  std::set<uint64_t> moved_damaged;
  for (const RemovedTable& table : edit.removed) {
    const auto it = tables.find(table.number);
    AIDB_CHECK(it != tables.end());
    if (it->second.damaged) moved_damaged.insert(table.number);
    tables.erase(it);
  }
  for (const AddedTable& table : edit.added) {
    const uint64_t number = table.facts.number;
    tables[number] = {.level = table.level,
                      .run = table.run,
                      .damaged = moved_damaged.contains(number),
                      .facts = table.facts};
    next_file_number = std::max(next_file_number, number + 1);
  }
  for (const uint64_t number : edit.damaged) tables.at(number).damaged = true;
  for (const CompactionPointer& pointer : edit.pointers)
    pointers[static_cast<size_t>(pointer.level)] = pointer.key;
  next_file_number = std::max(next_file_number, edit.next_file_number.value_or(0));
  last_sequence = edit.last_sequence.value_or(last_sequence);
  log_floor = edit.log_floor.value_or(log_floor);
  clock_ms_max = std::max(clock_ms_max, edit.clock_ms_max.value_or(0));
  ingest_sequence = edit.ingest_sequence.value_or(ingest_sequence);
  clean_shutdown = edit.clean_shutdown;
  closed_logs.insert(closed_logs.end(), edit.closed_logs.begin(), edit.closed_logs.end());
  std::erase_if(closed_logs, [this](const ClosedLog& log) { return log.number < log_floor; });
}

std::vector<VersionEdit> ManifestState::Snapshot() const {
  std::vector<VersionEdit> edits(1);
  VersionEdit& first = edits.front();
  first.next_file_number = next_file_number;
  first.last_sequence = last_sequence;
  first.log_floor = log_floor;
  first.clock_ms_max = clock_ms_max;
  first.closed_logs = closed_logs;
  if (ingest_sequence > kv::kSequenceNone) first.ingest_sequence = ingest_sequence;
  for (int level = 0; level < kLevels; ++level) {
    const std::string& key = pointers[static_cast<size_t>(level)];
    if (!key.empty()) first.pointers.push_back({level, key});
  }
  uint64_t bytes = 0;
  for (const auto& [number, table] : tables) {
    if (bytes >= kSnapshotEditBytes) {
      edits.emplace_back();
      bytes = 0;
    }
    edits.back().added.push_back({table.level, table.run, table.facts});
    if (table.damaged) edits.back().damaged.push_back(number);
    bytes += EncodedBytes(table.facts);
  }
  edits.front().header =
      StoreHeader{.uuid = uuid, .comparator = comparator, .snapshot_edits = edits.size()};
  // Only a last edit counts as clean.
  edits.back().clean_shutdown = clean_shutdown;
  return edits;
}

}  // namespace aidb::lsm
