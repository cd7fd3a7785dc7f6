#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "aidb/base/result.h"

namespace aidb::bench {

// Bounds all memory of processes together: their own and the system's cache of the files they
// read or write. A cgroup of the memory controller, version 1 or 2, which wants its directory
// writable (root, in most systems).
//
// A page that was cached before its reader entered stays charged to whoever brought it in: drop
// the cache first (DropCache).
class MemoryLimit {
 public:
  // kUnavailable says why there is none on this machine.
  static Result<std::unique_ptr<MemoryLimit>> Make(uint64_t bytes);
  // Removes the group; its processes must have ended.
  ~MemoryLimit();
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

  // From now on the calling process is bound.
  Status Enter() const;

 private:
  explicit MemoryLimit(std::string directory) : directory_(std::move(directory)) {}

  const std::string directory_;
};

}  // namespace aidb::bench
