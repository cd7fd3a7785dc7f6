#include "aidb/lsm/memtable.h"

#include <algorithm>

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

MemtableOptions Memtable::OptionsFor(size_t bytes, size_t entries) {
  const size_t capacity =
      Arena::BudgetFor(RecordBytes(bytes, entries) + PrefixTree::BytesFor(entries)) +
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

bool Memtable::Fits(size_t key_bytes, size_t value_bytes, size_t entries) const {
  return arena_.Fits(RecordBytes(key_bytes + value_bytes, entries) + tree_.NodeBytesMax(entries));
}

void Memtable::Add(const Entry& entry) {
  const uint64_t hash = Hash64(entry.key);
  index_.Prefetch(hash);
  const ArenaRef ref =
      arena_.Allocate(Record::Bytes(entry.key.size(), entry.value.size(), entry.kind));
  Record::Write(arena_.At(ref), entry);
  tree_.Insert(ref);
  AddToIndex(hash, ref);
  Count(entry);
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

void Memtable::Count(const Entry& entry) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  entries_.store(entries() + 1, kRelaxed);
  if (entry.kind == OpKind::kDelete) deletes_.store(deletes() + 1, kRelaxed);
  lowest_.store(std::min(lowest_sequence(), entry.sequence), kRelaxed);
  highest_.store(std::max(highest_sequence(), entry.sequence), kRelaxed);
}

std::optional<Memtable::Found> Memtable::Get(std::string_view key, Sequence at) const {
  RecordRef ref = index_.Find(Hash64(key), key);
  if (ref == 0) {
    if (!index_.incomplete()) return std::nullopt;
    return GetFromTree(key, at);
  }
  for (int step = 0; step <= kChainStepsMax; ++step) {
    if (ref == 0) return std::nullopt;
    const Record& record = Record::At(arena_, ref);
    if (record.sequence() <= at) {
      return Found{record.kind(), record.sequence(), record.value(), record.expires_at_ms()};
    }
    ref = record.older();
  }
  return GetFromTree(key, at);
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
