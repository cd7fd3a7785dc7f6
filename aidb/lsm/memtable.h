#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "aidb/base/sync.h"
#include "aidb/lsm/arena.h"
#include "aidb/lsm/entry.h"
#include "aidb/lsm/hash_index.h"
#include "aidb/lsm/prefix_tree.h"

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

  // A capacity, and an index to match, with which an empty memtable is sure to fit so many
  // entries with so many bytes of keys and values in all.
  static MemtableOptions OptionsFor(size_t bytes, size_t entries);
  // What an empty memtable of this capacity takes at most.
  static size_t EmptyBytesMax(size_t capacity_bytes);

  explicit Memtable(MemtableOptions options);

  Mutex& write_mutex() AIDB_TSA(lock_returned(write_mutex_)) { return write_mutex_; }

  // Whether so many entries, with so many bytes of keys and values in all, are sure to leave
  // memory_bytes() within the capacity. Add does not ask: the first entries of a memtable must go
  // somewhere, however large they are.
  bool Fits(size_t key_bytes, size_t value_bytes, size_t entries = 1) const
      AIDB_REQUIRES(write_mutex_);

  // Sequences may come in any order, but none twice for one key.
  void Add(const Entry& entry) AIDB_REQUIRES(write_mutex_);

  // The newest version of `key` that is not newer than `at`; a delete is found as a delete.
  std::optional<Found> Get(std::string_view key, Sequence at) const;

  // Sees at least what was there when it was last positioned by a Seek.
  std::unique_ptr<EntryCursor> NewCursor() const;

  size_t capacity_bytes() const { return capacity_bytes_; }
  // Chunks, index and all: counted before they are taken.
  size_t memory_bytes() const { return arena_.memory_bytes() + index_.memory_bytes(); }
  // Memory per entry so far, for the options of the next memtable; 0 if empty.
  size_t mean_entry_bytes() const;
  uint64_t entries() const { return entries_.load(std::memory_order_relaxed); }
  uint64_t deletes() const { return deletes_.load(std::memory_order_relaxed); }
  // Of all entries; if there is none, kSequenceMax and kSequenceNone.
  Sequence lowest_sequence() const { return lowest_.load(std::memory_order_relaxed); }
  Sequence highest_sequence() const { return highest_.load(std::memory_order_relaxed); }

 private:
  // After so many steps along a chain a Get seeks in the tree; behind them the chain has gaps.
  static constexpr int kChainStepsMax = 8;

  std::optional<Found> GetFromTree(std::string_view key, Sequence at) const;
  void AddToIndex(uint64_t hash, RecordRef added);
  void Count(const Entry& entry);

  const size_t capacity_bytes_;
  mutable Mutex write_mutex_;
  Arena arena_;
  PrefixTree tree_;
  HashIndex index_;

  // Changed by the writer only.
  std::atomic<uint64_t> entries_{0};
  std::atomic<uint64_t> deletes_{0};
  std::atomic<Sequence> lowest_{kv::kSequenceMax};
  std::atomic<Sequence> highest_{kv::kSequenceNone};
};

}  // namespace aidb::lsm
