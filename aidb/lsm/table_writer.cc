#include "aidb/lsm/table_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/base/escape.h"
#include "aidb/kv/range_delete.h"
#include "aidb/lsm/compaction_picker.h"
#include "aidb/lsm/pending_operands.h"

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

bool OlderTables::MayOverlap(std::string_view begin, std::string_view end) const {
  return std::ranges::any_of(runs_, [&](const Walk& walk) {
    const auto table = std::ranges::partition_point(
        walk.tables, [&](const TableRef& t) { return t->facts().last_key < begin; });
    return table != walk.tables.end() && (*table)->facts().first_key < end;
  });
}

// ── KeepRule ────────────────────────────────────────────────────────────────────────────────

KeepRule::KeepRule(Readers readers, OlderTables older, bool drop_deletes, Zeroing zeroing,
                   std::span<const RangeDelete> range_deletes)
    : readers_(std::move(readers)),
      older_(std::move(older)),
      drop_deletes_(drop_deletes),
      zeroing_(zeroing) {
  AIDB_CHECK(std::ranges::is_sorted(readers_.snapshots));
  if (range_deletes.empty()) return;
  ranges_ = Fragmented(range_deletes, readers_.snapshots);
  ChooseRanges();
}

KeepRule KeepRule::ForFlush(Readers readers, std::span<const RangeDelete> range_deletes) {
  return {std::move(readers), OlderTables(), false, Zeroing::kNever, range_deletes};
}

KeepRule KeepRule::ForCompaction(Readers readers, OlderTables older, Zeroing zeroing,
                                 std::span<const RangeDelete> range_deletes) {
  return {std::move(readers), std::move(older), true, zeroing, range_deletes};
}

size_t KeepRule::IntervalOf(Sequence sequence) const {
  if (AIDB_CANARY_HIT(kSnapshotForgotten)) return 0;
  return lsm::IntervalOf(readers_.snapshots, sequence);
}

void KeepRule::ChooseRanges() {
  for (const OwnedFragment& range : ranges_) {
    OwnedFragment kept = range;
    // The oldest version; what it hides of the inputs goes with this merge.
    const bool nothing_below = drop_deletes_ && IntervalOf(kept.sequences.back()) == 0 &&
                               !older_.MayOverlap(kept.begin, kept.end);
    if (nothing_below) kept.sequences.pop_back();
    range_stays_.push_back(!kept.sequences.empty());
    if (!kept.sequences.empty()) kept_ranges_.push_back(std::move(kept));
  }
}

const OwnedFragment* KeepRule::RangeFor(std::string_view key) {
  while (range_at_ < ranges_.size() && ranges_[range_at_].end <= key) ++range_at_;
  if (range_at_ == ranges_.size() || ranges_[range_at_].begin > key) return nullptr;
  return &ranges_[range_at_];
}

bool KeepRule::HiddenByRange(const OwnedFragment& range, Sequence sequence, size_t interval) const {
  return std::ranges::any_of(range.sequences, [&](Sequence version) {
    return version > sequence && IntervalOf(version) == interval;
  });
}

// No snapshot may stand between the oldest entry and the range delete, and that must be newer than
// all of them. What range deletes the table has itself hide nothing then that this one does not.
bool KeepRule::HidesAllOf(const TableFacts& facts) const {
  const size_t interval = IntervalOf(facts.lowest);
  auto range = std::ranges::partition_point(
      ranges_, [&](const OwnedFragment& r) { return r.end <= facts.first_key; });
  if (range == ranges_.end() || range->begin > facts.first_key) return false;
  while (HiddenByRange(*range, facts.highest, interval)) {
    if (range->end > facts.last_key) return true;
    const auto before = range++;
    if (range == ranges_.end() || range->begin != before->end) return false;
  }
  return false;
}

bool KeepRule::Passes(const Entry& entry, bool new_key) {
  const size_t interval = IntervalOf(entry.sequence);
  const OwnedFragment* const range = RangeFor(entry.key);
  const bool hidden = range != nullptr && HiddenByRange(*range, entry.sequence, interval);
  const bool under_operand = open_ && !AIDB_CANARY_HIT(kOperandHides);
  const bool shadowed = !new_key && interval == interval_ && !under_operand;
  const bool passes = !hidden && !shadowed;
  interval_ = interval;
  open_ = passes && entry.kind == OpKind::kMerge;
  shadowed_ += passes ? 0 : 1;
  return passes;
}

bool KeepRule::NothingBelow(std::string_view key, size_t interval) {
  return drop_deletes_ && interval == 0 && !older_.MayContain(key);
}

bool KeepRule::Place(Entry& entry) {
  if (entry.kind == OpKind::kMerge) return true;
  if (kv::Expires(entry.kind) && entry.expires_at_ms <= readers_.clock_ms) {
    entry.kind = OpKind::kDelete;
    entry.value = {};
  }
  // Some snapshot stands between this version and an older one, or an older table may have one.
  if (!drop_deletes_ || interval_ != 0) return true;
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
  const bool under_a_range = RangeFor(entry.key) != nullptr && range_stays_[range_at_];
  if (!kv::Expires(entry.kind) && !under_a_range) entry.sequence = kv::kSequenceNone;
  return true;
}

// ── WriteTables ─────────────────────────────────────────────────────────────────────────────

namespace {

constexpr uint64_t kEntriesBetweenStops = 1024;
constexpr uint64_t kRangeDeletesMax = 16'384;  // Of a table; a block has room for four times that.
constexpr size_t kKeyBytesShown = 48;

// Where the range deletes of a table with this last key may end when the next one begins with
// `next`: a key behind a key that is short enough to be the last one of a table (LastKeyOf).
// Nullopt when there is none between the two, which takes keys of full length.
std::optional<std::string> CutBetween(std::string_view last, std::string_view next) {
  if (last.size() < kv::kKeyBytesMax) return kv::NextKey(last);
  const auto common = static_cast<size_t>(std::ranges::mismatch(last, next).in1 - last.begin());
  if (common + 1 < next.size()) return kv::NextKey(next.substr(0, common + 1));
  for (size_t i = common + 1; i + 1 < last.size(); ++i) {
    if (last[i] == '\xFF') continue;
    std::string between(last.substr(0, i + 1));
    between.back() = static_cast<char>(static_cast<unsigned char>(between.back()) + 1);
    return kv::NextKey(between);
  }
  return std::nullopt;
}

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
    AIDB_RETURN_IF_ERROR(EndOperands());
    AIDB_RETURN_IF_ERROR(CutManyRanges(std::nullopt));
    if (range_at_ < ranges_.size() && !builder_) AIDB_RETURN_IF_ERROR(BeginTable());
    AIDB_RETURN_IF_ERROR(EndTable(std::nullopt));
    if (written_.tables.empty() || AIDB_CANARY_HIT(kTableNameNotSynced)) return {};
    return target_.files.SyncDirectory(target_.directory);  // F3.
  }

  WrittenTables& written() { return written_; }
  // Every fragment lies in the tables to its end, in as many pieces as they hold.
  bool AllRangesWritten(uint64_t in_tables) const {
    return range_at_ == ranges_.size() && written_.range_deletes_out == in_tables;
  }
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
      AIDB_RETURN_IF_ERROR(EndOperands());
      std::optional<std::string> cut;
      if (MustCutBefore(entry.key)) cut = CutBetween(builder_->last_key(), entry.key);
      key_ = entry.key;
      if (cut) AIDB_RETURN_IF_ERROR(EndTable(cut));
      AIDB_RETURN_IF_ERROR(CutManyRanges(entry.key));
    }
    sequence_ = entry.sequence;
    const bool passes = rule_.Passes(entry, new_key);
    if (!operands_.empty()) {
      const bool apart = rule_.interval() != operands_interval_;
      if (!apart && !passes) return WriteFoldedOnto(nullptr);  // A range delete lies between.
      if (!apart && entry.kind != OpKind::kMerge) return WriteFoldedOnto(&entry);
      if (apart) AIDB_RETURN_IF_ERROR(EndOperands());
    }
    if (!passes) return {};
    if (entry.kind != OpKind::kMerge) return Write(entry);
    operands_.Add(entry);
    operands_interval_ = rule_.interval();
    return operands_.full() ? WriteLeftOperands() : Status();
  }

  Status Write(Entry entry) {
    if (!rule_.Place(entry)) return {};
    if (!builder_) AIDB_RETURN_IF_ERROR(BeginTable());
    ++written_.entries_out;
    return builder_->Add(entry);
  }

  // What the operands at hand lie on is in none of the entries.
  Status EndOperands() {
    if (operands_.empty()) return {};
    if (rule_.NothingBelow(key_, operands_interval_)) return WriteFoldedOnto(nullptr);
    return WriteLeftOperands();
  }
  // Null: on nothing.
  Status WriteFoldedOnto(const Entry* base) {
    const std::optional<Entry> folded = operands_.FoldedOnto(target_.merger, base);
    if (!folded) {  // All stays as it is.
      AIDB_RETURN_IF_ERROR(WriteLeftOperands());
      return base != nullptr ? Write(*base) : Status();
    }
    written_.folded += operands_.entries() - (base == nullptr ? 1 : 0);
    const Status status = Write(*folded);
    operands_.Clear();
    return status;
  }
  Status WriteLeftOperands() {
    const std::vector<Entry> left = operands_.Left();
    written_.folded += operands_.entries() - left.size();
    for (const Entry& operand : left) AIDB_RETURN_IF_ERROR(Write(operand));
    operands_.Clear();
    return {};
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
    return bytes >= target_.table_bytes || (crossed && bytes >= target_.aligned_bytes) ||
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

  // A table holds so many range deletes, or so many bytes of them, as an output has bytes: ends
  // tables before `key`, or the end of all, as long as there are more.
  Status CutManyRanges(std::optional<std::string_view> key) {
    for (; range_seen_ < ranges_.size(); ++range_seen_) {
      const OwnedFragment& range = ranges_[range_seen_];
      if (key && range.begin >= *key) return {};
      const bool many =
          pending_ranges_ >= kRangeDeletesMax || pending_bytes_ >= target_.table_bytes;
      // A cut at a key of full length would leave no short last key (LastKeyOf).
      if (many && range.begin.size() < kv::kKeyBytesMax) {
        if (!builder_) AIDB_RETURN_IF_ERROR(BeginTable());
        AIDB_RETURN_IF_ERROR(EndTable(kv::NextKey(range.begin)));
      }
      pending_ranges_ += range.sequences.size();
      pending_bytes_ += range.sequences.size() * (range.begin.size() + range.end.size());
    }
    return {};
  }

  // What there is of the range deletes before `up_to`, or all.
  Status AddRanges(const std::optional<std::string>& up_to) {
    for (; range_at_ < ranges_.size(); ++range_at_) {
      const OwnedFragment& range = ranges_[range_at_];
      const std::string& begin = std::max(range.begin, range_from_);
      if (up_to && begin >= *up_to) break;
      const std::string& end = up_to && *up_to < range.end ? *up_to : range.end;
      for (const Sequence sequence : range.sequences) {
        AIDB_RETURN_IF_ERROR(builder_->AddRangeDelete({begin, end, sequence}));
        ++written_.range_deletes_out;
      }
      if (end != range.end) break;
    }
    if (up_to) range_from_ = *up_to;
    pending_ranges_ = pending_bytes_ = 0;
    return {};
  }

  // Ends the open table, if there is one: what follows begins at `up_to` or behind it.
  Status EndTable(const std::optional<std::string>& up_to) {
    if (!builder_) return {};
    AIDB_RETURN_IF_ERROR(AddRanges(up_to));
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

  const std::span<const OwnedFragment> ranges_ = rule_.range_deletes();
  size_t range_at_ = 0;          // The first that is not written, or not to its end.
  std::string range_from_;       // Nothing before this key is to be written any more.
  size_t range_seen_ = 0;        // The first that begins at the last key or behind it.
  uint64_t pending_ranges_ = 0;  // Of those before that, what no table before the open one has.
  uint64_t pending_bytes_ = 0;

  PendingOperands operands_;      // Of the key at hand, and not written yet.
  size_t operands_interval_ = 0;  // Where they lie.

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
  const uint64_t dropped =
      rule.shadowed() + rule.deletes_dropped() - dropped_before + written.folded;
  uint64_t in_tables = 0;
  uint64_t ranges_in_tables = 0;
  for (const TableFacts& facts : written.tables) {
    in_tables += facts.entries;
    ranges_in_tables += facts.range_deletes;
  }
  if (status.ok() && !writer.AllRangesWritten(ranges_in_tables)) {
    status = Internal("a merge wrote " + std::to_string(ranges_in_tables) +
                      " range deletes and left some out");
  }
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
