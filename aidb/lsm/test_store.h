#pragma once

// For tests only: just enough of an engine to flush and compact, beside a model of everything
// ever written.

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "aidb/base/check.h"
#include "aidb/base/random.h"
#include "aidb/lsm/compaction.h"
#include "aidb/lsm/test_files.h"

namespace aidb::lsm {

class TestStore {
 public:
  struct Options {
    CompactionShape shape;
    TableOptions table;
    bool splits_flushes = true;  // Where tables of the base level end.
  };
  struct Key {
    std::string key;
    uint64_t sequence;
    // Internal order.
    bool operator<(const Key& other) const {
      return key != other.key ? key < other.key : sequence > other.sequence;
    }
  };
  struct Value {
    std::string bytes;
    std::optional<uint64_t> expires_at_ms = std::nullopt;
  };
  using Entries = std::map<Key, std::optional<Value>>;  // No value: a delete.

  explicit TestStore(Options options)
      : options_(std::move(options)),
        picker_(options_.shape),
        tables_(files_, "d", blocks_, 100),
        version_(Version::Empty([this](uint64_t number) { unused_.push_back(number); })) {}

  void Write(const std::string& key, std::optional<std::string> bytes,
             std::optional<uint64_t> expires_at_ms = std::nullopt) {
    std::optional<Value> value;
    if (bytes) value = Value{*std::move(bytes), expires_at_ms};
    memtable_[{key, ++last_}] = value;
    history_[{key, last_}] = std::move(value);
    keys_.insert(key);
  }
  void DeleteRange(const std::string& begin, const std::string& end) {
    ranges_.push_back({begin, end, {Sequence{++last_}}});
    for (auto key = keys_.lower_bound(begin); key != keys_.end() && *key < end; ++key) {
      history_[{*key, last_}] = std::nullopt;
    }
  }
  uint64_t last() const { return last_; }
  uint64_t now_ms() const { return now_ms_; }
  void AdvanceClock(uint64_t now_ms) { now_ms_ = now_ms; }
  void Snapshot() { snapshots_.insert({last_, now_ms_}); }
  void Release(uint64_t sequence) { snapshots_.erase(sequence); }
  // The clock by sequence; of two snapshots at one sequence the older.
  const std::map<uint64_t, uint64_t>& snapshots() const { return snapshots_; }

  Status Flush() {
    if (memtable_.empty() && ranges_.empty()) return {};
    Cursor cursor(memtable_);
    KeepRule rule = KeepRule::ForFlush(CurrentReaders(), Ranges());
    TableTarget target{.files = files_,
                       .directory = "d",
                       .numbers = numbers_,
                       .random = salts_,
                       .table = options_.table,
                       .table_bytes = options_.shape.table_bytes,
                       .grandparents = {},
                       .stop = nullptr};
    target.table.run = numbers_.Take();
    const std::vector<TableRef> splits = picker_.SplitsForFlush(*version_);
    if (options_.splits_flushes) target.grandparents = splits;
    target.aligned_bytes = options_.shape.table_bytes / kFlushTablesMinPart;
    AIDB_ASSIGN_OR_RETURN(WrittenTables written, WriteTables(cursor, rule, target));
    VersionEdit edit;
    const uint64_t run = RunForFlush(*version_, written.tables, target.table.run);
    for (TableFacts& facts : written.tables) edit.added.push_back({0, run, std::move(facts)});
    AIDB_RETURN_IF_ERROR(Install(edit));
    memtable_.clear();
    ranges_.clear();
    return {};
  }

  std::optional<CompactionJob> Pick() const { return picker_.Pick(*version_, pointers_, {}); }
  // All of `level`, and what it overlaps below.
  CompactionJob WholeLevel(int level) const {
    CompactionJob job{.level = level, .output_level = level + 1};
    for (const int from : {level, level + 1}) {
      for (const Run& run : version_->runs(from))
        for (const TableRef& table : run.tables())
          job.inputs.push_back({from, run.number(), table});
    }
    if (level + 2 < kLevels) job.grandparents = version_->Overlapping(level + 2, "", "\xFF\xFF");
    return job;
  }
  CompactionOutcome Merge(const CompactionJob& job) {
    return RunCompaction(job, *version_, CurrentReaders(), options_.table,
                         options_.shape.table_bytes, {files_, "d", numbers_, salts_, tables_},
                         stop);
  }
  Status Compact(const CompactionJob& job) {
    if (job.trivial_move) return Install(MoveEdit(job));
    CompactionOutcome outcome = Merge(job);
    if (!outcome.status.ok()) return outcome.status;
    stats_ = outcome.stats;
    return Install(outcome.edit);
  }
  Status Install(const VersionEdit& edit) {
    AIDB_ASSIGN_OR_RETURN(auto next, version_->Apply(edit));
    version_->MarkRemoved(edit);
    for (const CompactionPointer& pointer : edit.pointers)
      pointers_[static_cast<size_t>(pointer.level)] = pointer.key;
    version_ = std::move(next);
    return DeleteUnused();
  }
  // Tables whose last reference went since: a job holds its inputs until it is gone.
  Status DeleteUnused() {
    for (const uint64_t number : std::exchange(unused_, {})) {
      tables_.Evict(number);
      AIDB_RETURN_IF_ERROR(files_.Remove("d/" + TableName(number)));
    }
    return {};
  }

  // What a reader at `sequence` with this clock gets: memtable, then tables as a Get asks them.
  Result<std::optional<std::string>> Get(const std::string& key, uint64_t sequence,
                                         uint64_t now_ms) {
    uint64_t deleted = 0;
    for (const OwnedFragment& range : ranges_) {
      const uint64_t at = ToNumber(range.sequences.front());
      if (at <= sequence && range.begin <= key && key < range.end) deleted = at;
    }
    if (const auto it = memtable_.lower_bound({key, sequence});
        it != memtable_.end() && it->first.key == key && it->first.sequence > deleted) {
      return BytesAt(it->second, now_ms);
    }
    if (deleted != 0) return std::optional<std::string>();
    Status status;
    std::optional<std::string> value;
    version_->ForEachTableFor(key, [&](int, const TableFile& table) {
      const auto reader = tables_.Get(table.facts());
      const auto found = reader.ok() ? (*reader)->Get(key, Sequence{sequence}) : reader.status();
      status = found.status();
      if (!found.ok() || !*found) return found.ok();
      if (HoldsValue((*found)->kind, (*found)->expires_at_ms, now_ms)) {
        value = std::string((*found)->value.view());
      }
      return false;
    });
    if (!status.ok()) return status;
    return value;
  }
  std::optional<std::string> Expected(const std::string& key, uint64_t sequence,
                                      uint64_t now_ms) const {
    const auto it = history_.lower_bound({key, sequence});
    if (it == history_.end() || it->first.key != key) return std::nullopt;
    return BytesAt(it->second, now_ms);
  }
  // A sentence about the first difference between tables and history at any live snapshot or
  // now; "" when there is none.
  std::string Difference() {
    std::set<std::pair<uint64_t, uint64_t>> moments(snapshots_.begin(), snapshots_.end());
    moments.insert({last_, now_ms_});
    for (const auto& [sequence, now_ms] : moments) {
      for (const std::string& key : keys_) {
        const auto value = Get(key, sequence, now_ms);
        if (!value.ok()) return value.status().ToString();
        const auto expected = Expected(key, sequence, now_ms);
        if (*value != expected)
          return "key " + key + " at " + std::to_string(sequence) + " is " +
                 value->value_or("absent") + ", not " + expected.value_or("absent");
      }
    }
    return "";
  }

  // Every entry of one table.
  std::vector<std::pair<Key, std::optional<Value>>> EntriesOf(const TableFile& table) {
    std::vector<std::pair<Key, std::optional<Value>>> entries;
    const auto reader = tables_.Get(table.facts());
    AIDB_CHECK(reader.ok());
    const auto cursor = (*reader)->NewCursor(CacheFill::kPassBy);
    for (cursor->SeekToFirst(); cursor->valid(); cursor->Next()) {
      const Entry& entry = cursor->entry();
      std::optional<Value> value;
      if (entry.kind != OpKind::kDelete) value.emplace(std::string(entry.value));
      if (kv::Expires(entry.kind)) value->expires_at_ms = entry.expires_at_ms;
      entries.push_back({{std::string(entry.key), ToNumber(entry.sequence)}, std::move(value)});
    }
    AIDB_CHECK(cursor->status().ok());
    return entries;
  }

  const Version& version() const { return *version_; }
  const CompactionPicker& picker() const { return picker_; }
  const CompactionStats& stats() const { return stats_; }
  TestFiles& files() { return files_; }
  TableCache& tables() { return tables_; }
  std::atomic<bool> stop{false};

 private:
  class Salts final : public Random {
   public:
    uint64_t Next() override { return rng_.Next(); }

   private:
    Rng rng_{1};
  };

  class Cursor final : public EntryCursor {
   public:
    explicit Cursor(const Entries& entries) : entries_(entries) {}
    void SeekToFirst() override { Show(entries_.begin()); }
    void SeekToLast() override { Show(entries_.empty() ? entries_.end() : --entries_.end()); }
    void Seek(std::string_view key, Sequence sequence) override {
      Show(entries_.lower_bound({std::string(key), ToNumber(sequence)}));
    }
    void Next() override { Show(++at_); }
    void Prev() override { Show(at_ == entries_.begin() ? entries_.end() : --at_); }
    Status status() const override { return {}; }

   private:
    void Show(Entries::const_iterator at) {
      at_ = at;
      valid_ = at != entries_.end();
      if (!valid_) return;
      entry_ = {.key = at->first.key,
                .value = at->second ? std::string_view(at->second->bytes) : std::string_view(),
                .sequence = Sequence{at->first.sequence},
                .kind = at->second ? OpKind::kPut : OpKind::kDelete};
      if (!at->second || !at->second->expires_at_ms) return;
      entry_.kind = OpKind::kPutExpiring;
      entry_.expires_at_ms = *at->second->expires_at_ms;
    }
    const Entries& entries_;
    Entries::const_iterator at_;
  };

  static std::optional<std::string> BytesAt(const std::optional<Value>& value, uint64_t now_ms) {
    if (!value || (value->expires_at_ms && *value->expires_at_ms <= now_ms)) return std::nullopt;
    return value->bytes;
  }
  std::vector<RangeDelete> Ranges() const {
    std::vector<RangeDelete> ranges;
    for (const OwnedFragment& range : ranges_) {
      ranges.push_back({range.begin, range.end, range.sequences.front()});
    }
    return ranges;
  }
  Readers CurrentReaders() const {
    Readers readers{.clock_ms = now_ms_};
    for (const auto& [sequence, now_ms] : snapshots_) {
      readers.snapshots.push_back(Sequence{sequence});
      readers.clock_ms = std::min(readers.clock_ms, now_ms);
    }
    return readers;
  }

  const Options options_;
  const CompactionPicker picker_;
  TestFiles files_;
  FileNumbers numbers_{1};
  Salts salts_;
  BlockCache blocks_{1 << 20};
  TableCache tables_;
  std::vector<uint64_t> unused_;  // Before version_, whose end fills it.
  std::shared_ptr<const Version> version_;
  CompactionPointers pointers_;
  CompactionStats stats_;

  Entries memtable_;
  std::vector<OwnedFragment> ranges_;  // As they came, one sequence each.
  Entries history_;
  std::set<std::string> keys_;
  std::map<uint64_t, uint64_t> snapshots_;
  uint64_t last_ = 0;
  uint64_t now_ms_ = 1000;
};

}  // namespace aidb::lsm
