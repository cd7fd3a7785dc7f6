#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

#include "aidb/base/sync.h"
#include "aidb/lsm/readers.h"

namespace aidb::lsm {

// The moments that live snapshots read at. Flush and compaction keep, for each of them, what it
// sees.
//
// Thread safety: any thread may call any method.
class SnapshotList {
 public:
  // Adds what `read_moment` returns, which is called under the lock: a job that collects the
  // list either sees the new snapshot or finished choosing before its moment was read.
  template <typename ReadMoment>
  Moment Add(ReadMoment read_moment) AIDB_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    const Moment moment = read_moment();
    ++counts_[moment];
    return moment;
  }
  void Remove(const Moment& moment) AIDB_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    const auto found = counts_.find(moment);
    if (--found->second == 0) counts_.erase(found);
  }
  // Those that read now, and those that will: `read_clock` is called under the lock, so that a
  // snapshot that is not in the list has a clock that says as much or more.
  template <typename ReadClock>
  Readers Collect(ReadClock read_clock) const AIDB_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    Readers readers{.clock_ms = read_clock()};
    readers.snapshots.reserve(counts_.size());
    for (const auto& [moment, count] : counts_) {
      readers.clock_ms = std::min(readers.clock_ms, moment.now_ms);
      if (readers.snapshots.empty() || readers.snapshots.back() != moment.sequence) {
        readers.snapshots.push_back(moment.sequence);
      }
    }
    return readers;
  }
  uint64_t size() const AIDB_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    uint64_t total = 0;
    for (const auto& [moment, count] : counts_) total += count;
    return total;
  }

 private:
  mutable Mutex mu_;
  std::map<Moment, uint64_t> counts_ AIDB_GUARDED_BY(mu_);
};

}  // namespace aidb::lsm
