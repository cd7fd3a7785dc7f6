#pragma once

#include <cstddef>
#include <vector>

namespace aidb::io {

// A fiber's stack: `size` usable bytes from `base` up, with an unmapped page below.
struct FiberStack {
  std::byte* base = nullptr;
  size_t size = 0;
};

// Stacks used again. A campaign makes a world per seed and per crash point; mapping a stack
// costs as much as the rest of an empty world, so worlds may share one pool.
//
// Thread safety: none; simulation is one thread.
// Lifetime: outlives every world that borrows it.
class FiberStackPool {
 public:
  static constexpr size_t kKeptMax = 256;  // More than that are unmapped when they come back.

  FiberStackPool() = default;
  FiberStackPool(const FiberStackPool&) = delete;
  FiberStackPool& operator=(const FiberStackPool&) = delete;
  ~FiberStackPool();

  // A stack of at least `bytes`, not cleared.
  FiberStack Take(size_t bytes);
  void Give(FiberStack stack);

 private:
  std::vector<FiberStack> kept_;
};

}  // namespace aidb::io
