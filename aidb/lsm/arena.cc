#include "aidb/lsm/arena.h"

#include <algorithm>
#include <new>

#include "aidb/base/check.h"

namespace aidb::lsm {
namespace {

constexpr size_t kLineBytes = 64;
constexpr size_t kFirstSlots = 16;

constexpr size_t RoundUp(size_t n, size_t to) { return (n + to - 1) & ~(to - 1); }

}  // namespace

Arena::Arena(size_t budget_bytes) : budget_bytes_(budget_bytes) {
  GrowSlots(kFirstSlots);
  // The first line is never handed out, so that ref 0 can mean nowhere.
  Allocate(kLineBytes, kLineBytes);
}

Arena::~Arena() {
  for (const Block& block : blocks_) {
    ::operator delete(block.start, block.bytes, std::align_val_t{block.alignment});
  }
}

ArenaRef Arena::Allocate(size_t bytes, size_t alignment) {
  const size_t size = RoundUp(bytes, kUnitBytes);
  size_t at = RoundUp(chunk_used_, alignment);
  if (at > chunk_bytes_ || size > chunk_bytes_ - at) [[unlikely]] {
    if (chunk_bytes_ != 0 && size > next_chunk_bytes_ / kShareDivisor) {
      return static_cast<ArenaRef>(TakeBlock(size) << kSlotShift);
    }
    const size_t chunk_bytes =
        std::max(std::min(next_chunk_bytes_, Left()), RoundUp(size, kLineBytes));
    chunk_slot_ = TakeBlock(chunk_bytes);
    chunk_bytes_ = chunk_bytes;
    next_chunk_bytes_ = std::min(next_chunk_bytes_ * 2, kChunkBytes);
    at = 0;
  }
  chunk_used_ = at + size;
  return static_cast<ArenaRef>((chunk_slot_ << kSlotShift) + at / kUnitBytes);
}

bool Arena::Fits(size_t bytes) const {
  if (bytes <= chunk_bytes_ - chunk_used_) return true;
  // Ends of chunks that no piece fitted into: below a quarter of each chunk, hence below a
  // third of what was put into them.
  size_t left = Left();
  // Blocks fill an eighth of their slots at worst; eight chunks are smaller than a slot.
  const size_t slots = kShareDivisor * (bytes / kChunkBytes + 2);
  if (slots > kSlotsMax - slots_used_) return false;
  if (slots > slots_capacity_ - slots_used_) {
    // Tables double, so all that may come are together below twice the last one.
    const size_t tables = 4 * (slots_used_ + slots) * sizeof(char*);
    if (tables > left) return false;
    left -= tables;
  }
  return bytes <= left && bytes / 3 < left - bytes;
}

// What the constructor takes, rounded up, and what Fits wants to see left.
size_t Arena::BudgetFor(size_t bytes) {
  const size_t slots = kFirstSlots + 1 + kShareDivisor * (bytes / kChunkBytes + 2);
  const size_t start = kFirstSlots * sizeof(char*) + kFirstChunkBytes + 2 * kLineBytes;
  return start + 4 * slots * sizeof(char*) + bytes + bytes / 3 + 1;
}

size_t Arena::Left() const {
  const size_t taken = memory_bytes();
  return budget_bytes_ > taken ? (budget_bytes_ - taken) & ~(kLineBytes - 1) : 0;
}

size_t Arena::TakeBlock(size_t bytes) {
  const size_t slots = std::max<size_t>(1, (bytes + kChunkBytes - 1) / kChunkBytes);
  AIDB_CHECK(slots <= kSlotsMax - slots_used_);
  if (slots > slots_capacity_ - slots_used_) GrowSlots(slots_used_ + slots);
  memory_bytes_.store(memory_bytes() + bytes, std::memory_order_relaxed);
  // A whole chunk is aligned to its size, so that the kernel can back it with one huge page.
  const size_t alignment = bytes >= kChunkBytes ? kChunkBytes : kLineBytes;
  char* start = static_cast<char*>(::operator new(bytes, std::align_val_t{alignment}));
  blocks_.push_back({start, bytes, alignment});
  const size_t first = slots_used_;
  char** table = slots_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < slots; ++i) table[first + i] = start + i * kChunkBytes;
  slots_used_ += slots;
  return first;
}

void Arena::GrowSlots(size_t slots) {
  const size_t capacity = std::min(kSlotsMax, std::max(slots, slots_capacity_ * 2));
  memory_bytes_.store(memory_bytes() + capacity * sizeof(char*), std::memory_order_relaxed);
  auto table = std::make_unique<char*[]>(capacity);
  if (slots_used_ > 0)
    std::copy_n(slots_.load(std::memory_order_relaxed), slots_used_, table.get());
  slots_.store(table.get(), std::memory_order_release);
  slot_tables_.push_back(std::move(table));
  slots_capacity_ = capacity;
}

}  // namespace aidb::lsm
