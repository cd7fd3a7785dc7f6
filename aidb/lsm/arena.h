#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace aidb::lsm {

// Where something lies in an Arena, in units of 8 bytes; 0 is nowhere. 32 bits reach 32 GiB.
using ArenaRef = uint32_t;

// Memory that is taken in chunks, handed out once and given back all together.
//
//   ref = slot << 18 | unit            2 MiB of addresses per slot, 16,384 slots
//   slots  0       1            2   3  4
//          [16K]   [32K]  ...   [one block of 5 MiB]  ...
//
// A chunk takes one slot whatever its size: the first is small, so that a tiny arena stays
// tiny, and each next one is twice as large, up to 2 MiB. A piece too large to share a chunk
// gets its own block, which takes as many slots in a row as it needs.
//
// Thread safety: one thread at a time allocates. Any thread resolves a ref that it received
// through an acquire load of what was released behind the allocation.
// Lifetime: nothing moves or ends before the arena does.
class Arena {
 public:
  static constexpr size_t kUnitBytes = 8;
  static constexpr size_t kChunkBytes = size_t{2} << 20;
  static constexpr size_t kFirstChunkBytes = size_t{16} << 10;

  // `budget_bytes` shapes the last chunk: it takes what is left and not more. It is no wall: a
  // piece that does not fit is served all the same, so ask Fits() first.
  explicit Arena(size_t budget_bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `alignment` is a power of two, 8 to 64. The bytes are not initialised.
  ArenaRef Allocate(size_t bytes, size_t alignment = kUnitBytes);

  // A budget with which an arena that has handed out nothing Fits so many bytes.
  static size_t BudgetFor(size_t bytes);

  // Whether pieces of `bytes` in all, in whatever sizes, are sure to stay within the budget.
  bool Fits(size_t bytes) const;

  char* At(ArenaRef ref) const {
    char* const* slots = slots_.load(std::memory_order_acquire);
    return slots[ref >> kSlotShift] + size_t{ref & kUnitMask} * kUnitBytes;
  }

  // Bytes taken from the system, counted before they are taken. Any thread may ask.
  size_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr unsigned kSlotShift = 18;  // log2(2 MiB / 8).
  static constexpr ArenaRef kUnitMask = (ArenaRef{1} << kSlotShift) - 1;
  static constexpr size_t kSlotsMax = size_t{1} << (32 - kSlotShift);
  // A piece above this share of the next chunk gets a block of its own. Every chunk is at least
  // half as large as the next, so what is left unused at its end is below a quarter of it.
  static constexpr size_t kShareDivisor = 8;

  struct Block {
    char* start;
    size_t bytes;
    size_t alignment;
  };

  size_t Left() const;
  // Takes memory and gives it slots; returns the first.
  size_t TakeBlock(size_t bytes);
  void GrowSlots(size_t slots);

  const size_t budget_bytes_;
  std::atomic<size_t> memory_bytes_{0};

  // The chunk in use: its slot, and which of its bytes are free.
  size_t chunk_slot_ = 0;
  size_t chunk_used_ = 0;
  size_t chunk_bytes_ = 0;
  size_t next_chunk_bytes_ = kFirstChunkBytes;

  std::vector<Block> blocks_;
  // Slot to memory. A larger table replaces a full one; readers may still look at the old one.
  std::vector<std::unique_ptr<char*[]>> slot_tables_;
  std::atomic<char**> slots_{nullptr};
  size_t slots_used_ = 0;
  size_t slots_capacity_ = 0;
};

}  // namespace aidb::lsm
