#include "aidb/io/sim/fiber_stacks.h"

#include <sys/mman.h>

#include "aidb/base/check.h"
#include "aidb/io/sim/sanitizers.h"

namespace aidb::io {
namespace {

constexpr size_t kGuardBytes = 4096;

void Unmap(FiberStack stack) {
  AIDB_CHECK(munmap(stack.base - kGuardBytes, stack.size + kGuardBytes) == 0);
}

}  // namespace

FiberStackPool::~FiberStackPool() {
  for (const FiberStack stack : kept_) Unmap(stack);
}

FiberStack FiberStackPool::Take(size_t bytes) {
  for (size_t i = kept_.size(); i-- > 0;) {
    if (kept_[i].size < bytes) continue;
    const FiberStack stack = kept_[i];
    kept_[i] = kept_.back();
    kept_.pop_back();
    return stack;
  }
  const size_t size = (bytes + 4095) / 4096 * 4096;
  void* const at = mmap(nullptr, size + kGuardBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  AIDB_CHECK(at != MAP_FAILED);
  AIDB_CHECK(mprotect(at, kGuardBytes, PROT_NONE) == 0);
  return {static_cast<std::byte*>(at) + kGuardBytes, size};
}

void FiberStackPool::Give(FiberStack stack) {
  sanitizers::ForgetStack(stack.base, stack.size);
  if (kept_.size() < kKeptMax) {
    kept_.push_back(stack);
  } else {
    Unmap(stack);
  }
}

}  // namespace aidb::io
