#include "aidb/lsm/table_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/base/escape.h"
#include "aidb/lsm/compaction_picker.h"

namespace aidb::lsm {

// ── OlderTables ─────────────────────────────────────────────────────────────────────────────

OlderTables::OlderTables(const Version& version, int level, uint64_t run,
                         std::span<const uint64_t> inputs) {
  for (int deeper = level; deeper < kLevels; ++deeper) {
    for (const Run& older : version.runs(deeper)) {
      if (deeper == level && (level != 0 || older.number() >= run)) continue;
      Walk walk;
      for (const TableRef& table : older.tables()) {
        if (std::ranges::find(inputs, table->number()) == inputs.end())
          walk.tables.push_back(table);
      }
      if (!walk.tables.empty()) runs_.push_back(std::move(walk));
    }
  }
}

bool OlderTables::MayContain(std::string_view key) {
  for (Walk& walk : runs_) {
    while (walk.at < walk.tables.size() && walk.tables[walk.at]->facts().last_key < key) ++walk.at;
    if (walk.at < walk.tables.size() && walk.tables[walk.at]->facts().first_key <= key) return true;
  }
  return false;
}

// ── KeepRule ────────────────────────────────────────────────────────────────────────────────

KeepRule::KeepRule(Readers readers, OlderTables older, bool drop_deletes, Zeroing zeroing)
    : readers_(std::move(readers)),
      older_(std::move(older)),
      drop_deletes_(drop_deletes),
      zeroing_(zeroing) {
  AIDB_CHECK(std::ranges::is_sorted(readers_.snapshots));
}

KeepRule KeepRule::ForFlush(Readers readers) {
  return {std::move(readers), OlderTables(), false, Zeroing::kNever};
}

KeepRule KeepRule::ForCompaction(Readers readers, OlderTables older, Zeroing zeroing) {
  return {std::move(readers), std::move(older), true, zeroing};
}

size_t KeepRule::IntervalOf(Sequence sequence) const {
  if (AIDB_CANARY_HIT(kSnapshotForgotten)) return 0;
  const std::vector<Sequence>& snapshots = readers_.snapshots;
  return static_cast<size_t>(std::ranges::lower_bound(snapshots, sequence) - snapshots.begin());
}

bool KeepRule::Keep(Entry& entry, bool new_key) {
  const size_t interval = IntervalOf(entry.sequence);
  if (!new_key && interval == interval_) {
    ++shadowed_;
    return false;
  }
  interval_ = interval;
  if (kv::Expires(entry.kind) && entry.expires_at_ms <= readers_.clock_ms) {
    entry.kind = OpKind::kDelete;
    entry.value = {};
  }
  // Some snapshot stands between this version and an older one, or an older table may have one.
  if (!drop_deletes_ || interval != 0) return true;
  const bool is_delete = entry.kind == OpKind::kDelete;
  if (!is_delete && zeroing_ == Zeroing::kNever) return true;
  if (older_.MayContain(entry.key) && !(is_delete && AIDB_CANARY_HIT(kDeleteDroppedEarly))) {
    return true;
  }
  if (is_delete) {
    ++deletes_dropped_;
    return false;
  }
  // A value that expires keeps its sequence: so its table is known to hold something that may go.
  if (!kv::Expires(entry.kind)) entry.sequence = kv::kSequenceNone;
  return true;
}

// ── WriteTables ─────────────────────────────────────────────────────────────────────────────

namespace {

constexpr uint64_t kEntriesBetweenStops = 1024;
constexpr size_t kKeyBytesShown = 48;

class Writer {
 public:
  Writer(KeepRule& rule, const TableTarget& target) : rule_(rule), target_(target) {}

  Status Run(EntryCursor& entries) {
    for (entries.SeekToFirst(); entries.valid(); entries.Next()) {
      if (written_.entries_in++ % kEntriesBetweenStops == 0 && Stopped())
        return Unavailable("the merge was stopped");
      AIDB_RETURN_IF_ERROR(Take(entries.entry()));
    }
    AIDB_RETURN_IF_ERROR(entries.status());
    AIDB_RETURN_IF_ERROR(EndTable());
    if (written_.tables.empty() || AIDB_CANARY_HIT(kTableNameNotSynced)) return {};
    return target_.files.SyncDirectory(target_.directory);  // F3.
  }

  WrittenTables& written() { return written_; }
  // Closes what is open and removes all files.
  void Undo() {
    builder_.reset();
    file_.reset();
    if (open_number_ != 0) written_.tables.push_back({.number = open_number_});
    RemoveUnnamed(target_.files, target_.directory, written_.tables);
  }

 private:
  bool Stopped() const {
    return target_.stop != nullptr && target_.stop->load(std::memory_order_relaxed);
  }

  Status Take(Entry entry) {
    const int order = written_.entries_in == 1 ? -1 : key_.compare(entry.key);
    const bool new_key = order != 0;
    if (order > 0 || (!new_key && entry.sequence > sequence_)) {
      return Corruption("keys out of order: \"" + EscapeForMessage(key_, kKeyBytesShown) +
                        "\" comes before \"" + EscapeForMessage(entry.key, kKeyBytesShown) + "\"");
    }
    if (new_key) {
      const bool cut = MustCutBefore(entry.key);
      key_ = entry.key;
      if (cut) AIDB_RETURN_IF_ERROR(EndTable());
    }
    sequence_ = entry.sequence;
    if (!rule_.Keep(entry, new_key)) return {};
    if (!builder_) AIDB_RETURN_IF_ERROR(BeginTable());
    ++written_.entries_out;
    return builder_->Add(entry);
  }

  // Whether the open table ends before `key`. Called once for each key.
  bool MustCutBefore(std::string_view key) {
    bool crossed = false;
    const std::span<const TableRef> below = target_.grandparents;
    for (; below_ < below.size() && below[below_]->facts().last_key < key; ++below_) {
      if (builder_) overlapped_ += below[below_]->size_bytes();
      crossed = true;
    }
    if (!builder_) return false;
    const uint64_t bytes = builder_->size_bytes();
    return bytes >= target_.table_bytes || (crossed && bytes >= target_.table_bytes / 2) ||
           overlapped_ > kGrandparentTablesMax * target_.table_bytes;
  }

  Status BeginTable() {
    open_number_ = target_.numbers.Take();
    overlapped_ = 0;
    AIDB_ASSIGN_OR_RETURN(
        file_, target_.files.Open(io::JoinPath(target_.directory, TableName(open_number_)),
                                  io::OpenMode::kCreateNew));
    builder_.emplace(*file_, open_number_, target_.random.Next(), target_.table);
    return {};
  }

  Status EndTable() {
    if (!builder_) return {};
    AIDB_ASSIGN_OR_RETURN(TableFacts facts, builder_->Finish());  // F1.
    builder_.reset();
    if (!AIDB_CANARY_HIT(kTableNotSynced)) AIDB_RETURN_IF_ERROR(file_->SyncAll());  // F2.
    const Status closed = file_->Close();
    file_.reset();
    AIDB_RETURN_IF_ERROR(closed);
    written_.bytes_out += facts.size_bytes;
    written_.tables.push_back(std::move(facts));
    open_number_ = 0;
    return {};
  }

  KeepRule& rule_;
  const TableTarget& target_;
  WrittenTables written_;

  std::string key_;      // Of the last entry read.
  Sequence sequence_{};  // Likewise.
  uint64_t open_number_ = 0;
  std::unique_ptr<io::File> file_;
  std::optional<TableBuilder> builder_;
  size_t below_ = 0;         // First grandparent that does not end before the last key.
  uint64_t overlapped_ = 0;  // Bytes of grandparents that the open table has passed.
};

}  // namespace

Result<WrittenTables> WriteTables(EntryCursor& entries, KeepRule& rule, const TableTarget& target) {
  const uint64_t dropped_before = rule.shadowed() + rule.deletes_dropped();
  Writer writer(rule, target);
  Status status = writer.Run(entries);
  WrittenTables& written = writer.written();
  const uint64_t dropped = rule.shadowed() + rule.deletes_dropped() - dropped_before;
  uint64_t in_tables = 0;
  for (const TableFacts& facts : written.tables) in_tables += facts.entries;
  if (status.ok() &&
      (written.entries_in != written.entries_out + dropped || in_tables != written.entries_out)) {
    status = Internal("a merge read " + std::to_string(written.entries_in) + " entries, dropped " +
                      std::to_string(dropped) + " and wrote " + std::to_string(in_tables));
  }
  if (status.ok()) return std::move(written);
  writer.Undo();
  return status;
}

void RemoveUnnamed(io::FileSystem& files, std::string_view directory,
                   std::span<const TableFacts> tables) {
  for (const TableFacts& facts : tables) {
    const std::string path = io::JoinPath(directory, TableName(facts.number));
    const Result<bool> exists = files.Exists(path);
    if (!exists.ok() || !*exists) continue;
    // The next open deletes what stays: the error that led here is the one to report.
    if (!files.Remove(path).ok()) continue;
  }
}

}  // namespace aidb::lsm
