#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "aidb/base/sync.h"
#include "aidb/lsm/arena.h"
#include "aidb/lsm/entry.h"
#include "aidb/lsm/hash_index.h"
#include "aidb/lsm/hashed_key.h"
#include "aidb/lsm/prefix_tree.h"
#include "aidb/lsm/range_deletes.h"

namespace aidb::lsm {

struct MemtableOptions {
  size_t capacity_bytes = size_t{32} << 20;
  // Memory per entry, as Memtable::mean_entry_bytes() of the one before says. It sizes the hash
  // index only; a wrong guess costs speed or a little memory.
  size_t expected_entry_bytes = 192;
};

// The newest writes, in memory: every version of every key, in internal order.
//
// An entry is written once into an arena. A prefix tree orders all of them; a hash index finds
// the newest version of a key, and a chain leads from there to the next older ones.
// Nothing is removed before the whole memtable ends. What Add inserted is found by every read
// that begins after Add returned.
//
// Range deletes are a list of fragments in the arena, copied when a batch adds to it: readers load
// one pointer, which is null while there are none.
//
// Thread safety: one writer at a time, which holds write_mutex(). Readers and cursors on any
// thread, at the same time as the writer; they wait for it only after 64 disturbed attempts.
// Lifetime: all views, and cursors, live as long as the memtable.
class Memtable {
 public:
  struct Found {
    OpKind kind{};
    Sequence sequence{};
    std::string_view value;
    uint64_t expires_at_ms = 0;
  };

  // Beyond so many fragments a further range delete wants another memtable: each copies the list.
  static constexpr size_t kRangeDeleteFragmentsMax = 1024;

  // A capacity, and an index to match, with which an empty memtable is sure to fit so many
  // entries with so many bytes of keys and values in all, `range_deletes` of them range deletes.
  static MemtableOptions OptionsFor(size_t bytes, size_t entries, size_t range_deletes = 0);
  // What an empty memtable of this capacity takes at most.
  static size_t EmptyBytesMax(size_t capacity_bytes);

  explicit Memtable(MemtableOptions options);

  Mutex& write_mutex() AIDB_TSA(lock_returned(write_mutex_)) { return write_mutex_; }

  // Whether so many entries, with so many bytes of keys and values in all, are sure to leave
  // memory_bytes() within the capacity. Add does not ask: the first entries of a memtable must go
  // somewhere, however large they are.
  // Likewise if so many of them, of one batch, are range deletes.
  bool Fits(size_t key_bytes, size_t value_bytes, size_t entries = 1,
            size_t range_deletes = 0) const AIDB_REQUIRES(write_mutex_);

  // Sequences may come in any order, but none twice for one key.
  void Add(const Entry& entry) AIDB_REQUIRES(write_mutex_);
  // The range deletes of one batch: no reader stands between two of them. Their sequences are above
  // all that were added by a call before. To be called before the batch's entries are added.
  void AddRangeDeletes(std::span<const RangeDelete> deletes) AIDB_REQUIRES(write_mutex_);
  // A sequence that put nothing here, but that the log has: the memtable ends behind it.
  void AddNote(Sequence sequence) AIDB_REQUIRES(write_mutex_) { CountSequence(sequence); }

  // The newest version of `key` that is not newer than `at`; a delete is found as a delete, and so
  // is a key that a range delete covers.
  std::optional<Found> Get(const HashedKey& key, Sequence at) const;
  // Starts to fetch what Get will read first.
  void PrefetchGet(const HashedKey& key) const { index_.Prefetch(key.hash); }

  // Sees at least what was there when it was last positioned by a Seek. Entries that a range delete
  // hides are among them.
  std::unique_ptr<EntryCursor> NewCursor() const;
  // Those that were there at the call. Their views live as long as the memtable.
  RangeDeletes range_deletes() const;

  size_t capacity_bytes() const { return capacity_bytes_; }
  // Chunks, index and all: counted before they are taken.
  size_t memory_bytes() const { return arena_.memory_bytes() + index_.memory_bytes(); }
  // Memory per entry so far, for the options of the next memtable; 0 if empty.
  size_t mean_entry_bytes() const;
  // Without range deletes.
  uint64_t entries() const { return entries_.load(std::memory_order_relaxed); }
  // Of notes as well.
  bool empty() const {
    return entries() == 0 && range_deletes().empty() && highest_sequence() == kv::kSequenceNone;
  }
  uint64_t deletes() const { return deletes_.load(std::memory_order_relaxed); }
  // Of all entries, range deletes and notes; if there is none, kSequenceMax and kSequenceNone.
  Sequence lowest_sequence() const { return lowest_.load(std::memory_order_relaxed); }
  Sequence highest_sequence() const { return highest_.load(std::memory_order_relaxed); }

 private:
  // After so many steps along a chain a Get seeks in the tree; behind them the chain has gaps.
  static constexpr int kChainStepsMax = 8;

  // What `arena_` holds of it lies behind.
  struct RangeDeleteArray {
    size_t count;
    std::span<const RangeDeleteFragment> fragments() const {
      return {reinterpret_cast<const RangeDeleteFragment*>(this + 1), count};
    }
  };

  std::optional<Found> GetEntry(const HashedKey& key, Sequence at) const;
  std::optional<Found> GetFromTree(std::string_view key, Sequence at) const;
  void AddToIndex(uint64_t hash, RecordRef added);
  std::string_view Keep(std::string_view bytes);
  const RangeDeleteVersion* NewVersion(Sequence sequence, const RangeDeleteVersion* older);
  void MarkRangeDelete(const Entry& entry);
  void CountSequence(Sequence sequence);

  const size_t capacity_bytes_;
  mutable Mutex write_mutex_;
  Arena arena_;
  PrefixTree tree_;
  HashIndex index_;
  // Release pairs with the acquire of readers.
  std::atomic<const RangeDeleteArray*> range_deletes_{nullptr};

  // Changed by the writer only.
  std::atomic<uint64_t> entries_{0};
  std::atomic<uint64_t> deletes_{0};
  std::atomic<Sequence> lowest_{kv::kSequenceMax};
  std::atomic<Sequence> highest_{kv::kSequenceNone};
};

}  // namespace aidb::lsm
