#include "aidb/lsm/memtable.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "aidb/base/check.h"
#include "aidb/base/hash.h"

namespace aidb::lsm {
namespace {

// An index entry costs 11 bytes, so the index never takes more than a sixth of the capacity.
constexpr size_t kEntryBytesMin = 64;

size_t ExpectedKeys(const MemtableOptions& options) {
  return options.capacity_bytes / std::max(options.expected_entry_bytes, kEntryBytesMin);
}

// What the records of so many entries take, each rounded up.
size_t RecordBytes(size_t bytes, size_t entries) {
  return bytes + entries * (Record::kHeaderBytes + Arena::kUnitBytes);
}

// What the list takes at most that `added` range deletes of one batch make of `fragments`: each
// edge cuts a fragment in two, or begins one in a gap. Its keys count as bytes of the batch.
size_t RangeDeleteBytes(size_t fragments, size_t added) {
  if (added == 0) return 0;
  const size_t after = 2 * fragments + 2 * added + 1;
  return sizeof(size_t) + Arena::kUnitBytes +
         after * (sizeof(RangeDeleteFragment) + sizeof(RangeDeleteVersion) + Arena::kUnitBytes) +
         2 * added * (sizeof(RangeDeleteVersion) + 2 * Arena::kUnitBytes);
}

size_t ArenaBytes(const MemtableOptions& options) {
  const size_t index_bytes = HashIndex::MemoryBytes(ExpectedKeys(options));
  return options.capacity_bytes > index_bytes ? options.capacity_bytes - index_bytes : 0;
}

// A walk over copies of leaves. A step inside a leaf touches only the record; at the end of one
// the next is sought from the root.
class MemtableCursor final : public EntryCursor {
 public:
  MemtableCursor(const Arena& arena, const PrefixTree& tree) : arena_(arena), tree_(tree) {}

  void SeekToFirst() override {
    valid_ = tree_.ReadFirst(run_);
    Arrive(1);
  }
  void SeekToLast() override {
    valid_ = tree_.ReadLast(run_);
    Arrive(-1);
  }
  void Seek(std::string_view key, Sequence sequence) override {
    valid_ = tree_.ReadAt(key, sequence, run_);
    Arrive(1);
  }

  void Next() override {
    AIDB_CHECK(valid_);
    if (++run_.position == run_.count) {
      if (run_.next == 0) {
        valid_ = false;
        return;
      }
      const Record& next = Record::At(arena_, run_.next);
      valid_ = tree_.ReadAt(next.key(), next.sequence(), run_);
      Arrive(1);
      return;
    }
    Show();
    Prefetch(run_.position + kAhead);
  }

  void Prev() override {
    AIDB_CHECK(valid_);
    if (run_.position == 0) {
      valid_ = tree_.ReadBefore(entry_.key, entry_.sequence, run_);
      Arrive(-1);
      return;
    }
    --run_.position;
    Show();
    if (run_.position >= kAhead) Prefetch(run_.position - kAhead);
  }

  Status status() const override { return {}; }

 private:
  // Records lie in order of arrival, so each step is a cache miss unless it is foreseen.
  static constexpr uint32_t kAhead = 6;

  // Shows the record of a fresh copy and fetches those that come next in this direction.
  void Arrive(int direction) {
    if (!valid_) return;
    uint32_t position = run_.position;
    for (uint32_t i = 0; i < kAhead; ++i) {
      position += static_cast<uint32_t>(direction);  // Before the first is beyond the last.
      Prefetch(position);
    }
    Show();
  }
  void Prefetch(uint32_t position) const {
    if (position >= run_.count) return;
    const char* record = arena_.At(run_.records[position]);
    __builtin_prefetch(record);
    __builtin_prefetch(record + 64);
  }
  void Show() {
    const Record& record = Record::At(arena_, run_.records[run_.position]);
    entry_ = {record.key(), record.value(), record.sequence(), record.kind(),
              record.expires_at_ms()};
  }

  const Arena& arena_;
  const PrefixTree& tree_;
  PrefixTree::Run run_;
};

}  // namespace

MemtableOptions Memtable::OptionsFor(size_t bytes, size_t entries, size_t range_deletes) {
  const size_t capacity =
      Arena::BudgetFor(RecordBytes(bytes, entries) + PrefixTree::BytesFor(entries) +
                       RangeDeleteBytes(0, range_deletes)) +
      HashIndex::MemoryBytes(entries);
  // Rounded up, so that the index is not larger than what was added for it.
  return {.capacity_bytes = capacity,
          .expected_entry_bytes = (capacity + entries) / std::max<size_t>(entries, 1)};
}

size_t Memtable::EmptyBytesMax(size_t capacity_bytes) {
  const size_t index_bytes = HashIndex::MemoryBytes(capacity_bytes / kEntryBytesMin);
  return std::min(capacity_bytes, index_bytes + Arena::BudgetFor(0));
}

Memtable::Memtable(MemtableOptions options)
    : capacity_bytes_(options.capacity_bytes),
      arena_(ArenaBytes(options)),
      tree_(arena_, write_mutex_),
      index_(arena_, ExpectedKeys(options)) {}

bool Memtable::Fits(size_t key_bytes, size_t value_bytes, size_t entries,
                    size_t range_deletes) const {
  return arena_.Fits(RecordBytes(key_bytes + value_bytes, entries) + tree_.NodeBytesMax(entries) +
                     RangeDeleteBytes(this->range_deletes().fragments().size(), range_deletes));
}

void Memtable::Add(const Entry& entry) {
  MarkRangeDelete(entry);
  const uint64_t hash = Hash64(entry.key);
  index_.Prefetch(hash);
  const ArenaRef ref =
      arena_.Allocate(Record::Bytes(entry.key.size(), entry.value.size(), entry.kind));
  Record::Write(arena_.At(ref), entry);
  tree_.Insert(ref);
  AddToIndex(hash, ref);
  entries_.store(entries() + 1, std::memory_order_relaxed);
  if (entry.kind == OpKind::kDelete) {
    deletes_.store(deletes() + 1, std::memory_order_relaxed);
  }
  CountSequence(entry.sequence);
}

void Memtable::AddToIndex(uint64_t hash, RecordRef added) {
  Record& record = Record::MutableAt(arena_, added);
  HashIndex::Slot* slot = index_.Claim(hash, record.key());
  if (slot == nullptr) return;
  const RecordRef newest = HashIndex::RecordOf(*slot);
  if (newest == 0 || Record::At(arena_, newest).sequence() < record.sequence()) {
    record.set_older(newest);
    HashIndex::Set(*slot, hash, added);
    return;
  }
  RecordRef newer = newest;
  for (int step = 0; step < kChainStepsMax; ++step) {
    const RecordRef older = Record::At(arena_, newer).older();
    if (older == 0 || Record::At(arena_, older).sequence() < record.sequence()) {
      record.set_older(older);
      Record::MutableAt(arena_, newer).set_older(added);
      return;
    }
    newer = older;
  }
  // Its place is behind the part of the chain that Get follows, and stays there: left out.
}

void Memtable::CountSequence(Sequence sequence) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  lowest_.store(std::min(lowest_sequence(), sequence), kRelaxed);
  highest_.store(std::max(highest_sequence(), sequence), kRelaxed);
}

RangeDeletes Memtable::range_deletes() const {
  const RangeDeleteArray* const array = range_deletes_.load(std::memory_order_acquire);
  return array == nullptr ? RangeDeletes() : RangeDeletes(array->fragments());
}

std::string_view Memtable::Keep(std::string_view bytes) {
  if (bytes.empty()) return {};
  char* const to = arena_.At(arena_.Allocate(bytes.size()));
  std::memcpy(to, bytes.data(), bytes.size());
  return {to, bytes.size()};
}

const RangeDeleteVersion* Memtable::NewVersion(Sequence sequence, const RangeDeleteVersion* older) {
  AIDB_CHECK(older == nullptr || older->sequence < sequence);
  auto* const version =
      new (arena_.At(arena_.Allocate(sizeof(RangeDeleteVersion)))) RangeDeleteVersion;
  version->sequence = sequence;
  version->older = older;
  version->hides_not_all.store(false, std::memory_order_relaxed);
  return version;
}

// Lays the fragments of the batch over those that are there. Both lists ascend; a piece of one of
// them, or of both, ends where the next edge of either is.
void Memtable::AddRangeDeletes(std::span<const RangeDelete> deletes) {
  for (const RangeDelete& range : deletes) AIDB_CHECK(range.sequence > highest_sequence());
  const std::vector<OwnedFragment> added = Fragmented(deletes, {});
  const std::span<const RangeDeleteFragment> before = range_deletes().fragments();
  std::vector<RangeDeleteFragment> after;
  std::string_view from;  // Up to here all is in `after`.
  size_t old_at = 0;
  size_t new_at = 0;
  RangeDeleteFragment fresh;  // added[new_at], in the arena.
  const auto begin_of = [&](const RangeDeleteFragment& fragment) {
    return std::max(from, fragment.begin);
  };
  const auto take_fresh = [&] {
    if (new_at == added.size()) return;
    const OwnedFragment& next = added[new_at];
    const bool adjoins = new_at > 0 && fresh.end == next.begin;  // Each edge is kept once.
    fresh = {adjoins ? fresh.end : Keep(next.begin), Keep(next.end),
             NewVersion(next.sequences.front(), nullptr)};
  };
  take_fresh();
  while (old_at < before.size() || new_at < added.size()) {
    const RangeDeleteFragment* const old = old_at < before.size() ? &before[old_at] : nullptr;
    const RangeDeleteFragment* const one = new_at < added.size() ? &fresh : nullptr;
    const bool old_first = one == nullptr || (old != nullptr && begin_of(*old) < begin_of(*one));
    const bool one_first = old == nullptr || (one != nullptr && begin_of(*one) < begin_of(*old));
    const RangeDeleteFragment& first = old_first ? *old : *one;
    RangeDeleteFragment piece{begin_of(first), first.end, first.newest};
    if (old_first && one != nullptr) piece.end = std::min(piece.end, begin_of(*one));
    if (one_first && old != nullptr) piece.end = std::min(piece.end, begin_of(*old));
    if (!old_first && !one_first) {
      piece.end = std::min(old->end, one->end);
      piece.newest = NewVersion(one->newest->sequence, old->newest);
    }
    after.push_back(piece);
    from = piece.end;
    if (old != nullptr && old->end <= from) ++old_at;
    if (one != nullptr && one->end <= from) {
      ++new_at;
      take_fresh();
    }
  }
  const size_t bytes = sizeof(RangeDeleteArray) + after.size() * sizeof(RangeDeleteFragment);
  auto* const array = new (arena_.At(arena_.Allocate(bytes))) RangeDeleteArray{after.size()};
  std::uninitialized_copy(after.begin(), after.end(),
                          reinterpret_cast<RangeDeleteFragment*>(array + 1));
  for (const RangeDelete& range : deletes) CountSequence(range.sequence);
  range_deletes_.store(array, std::memory_order_release);
}

// A reader that sees the entry was let in behind this.
void Memtable::MarkRangeDelete(const Entry& entry) {
  const RangeDeletes deletes = range_deletes();
  if (deletes.empty()) [[likely]]
    return;
  const RangeDeleteFragment* const fragment = deletes.FragmentFor(entry.key);
  if (fragment == nullptr || fragment->newest->sequence > entry.sequence) return;
  fragment->newest->hides_not_all.store(true, std::memory_order_release);
}

std::optional<Memtable::Found> Memtable::Get(const HashedKey& key, Sequence at) const {
  const RangeDeleteArray* const array = range_deletes_.load(std::memory_order_acquire);
  if (array == nullptr) [[likely]]
    return GetEntry(key, at);
  const Sequence covering = RangeDeletes(array->fragments()).Covering(key.bytes, at);
  std::optional<Found> found = GetEntry(key, at);
  if (covering == kv::kSequenceNone || (found && found->sequence > covering)) return found;
  return Found{.kind = OpKind::kDelete, .sequence = covering, .value = {}};
}

std::optional<Memtable::Found> Memtable::GetEntry(const HashedKey& key, Sequence at) const {
  if (entries() == 0) return std::nullopt;  // What is on its way is newer than `at`.
  RecordRef ref = index_.Find(key.hash, key.bytes);
  if (ref == 0) {
    if (!index_.incomplete()) return std::nullopt;
    return GetFromTree(key.bytes, at);
  }
  for (int step = 0; step <= kChainStepsMax; ++step) {
    if (ref == 0) return std::nullopt;
    const Record& record = Record::At(arena_, ref);
    if (record.sequence() <= at) {
      return Found{record.kind(), record.sequence(), record.value(), record.expires_at_ms()};
    }
    ref = record.older();
  }
  return GetFromTree(key.bytes, at);
}

std::optional<Memtable::Found> Memtable::GetFromTree(std::string_view key, Sequence at) const {
  const RecordRef ref = tree_.Find(key, at);
  if (ref == 0) return std::nullopt;
  const Record& record = Record::At(arena_, ref);
  if (record.key() != key) return std::nullopt;
  return Found{record.kind(), record.sequence(), record.value(), record.expires_at_ms()};
}

std::unique_ptr<EntryCursor> Memtable::NewCursor() const {
  return std::make_unique<MemtableCursor>(arena_, tree_);
}

size_t Memtable::mean_entry_bytes() const {
  return entries() == 0 ? 0 : memory_bytes() / entries();
}

}  // namespace aidb::lsm
