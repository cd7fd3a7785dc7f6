#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "aidb/base/sync.h"
#include "aidb/kv/types.h"

namespace aidb::lsm {

// The sequences that live snapshots read at. Flush and compaction keep, for each of them, what
// it sees.
//
// Thread safety: any thread may call any method.
class SnapshotList {
 public:
  // Adds what `read_sequence` returns, which is called under the lock: a job that collects the
  // list either sees the new snapshot or finished choosing before its sequence was read.
  template <typename ReadSequence>
  kv::Sequence Add(ReadSequence read_sequence) AIDB_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    const kv::Sequence sequence = read_sequence();
    ++counts_[sequence];
    return sequence;
  }
  void Remove(kv::Sequence sequence) AIDB_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    const auto found = counts_.find(sequence);
    if (--found->second == 0) counts_.erase(found);
  }
  // Ascending, each once.
  std::vector<kv::Sequence> Collect() const AIDB_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    std::vector<kv::Sequence> all;
    all.reserve(counts_.size());
    for (const auto& [sequence, count] : counts_) all.push_back(sequence);
    return all;
  }
  uint64_t size() const AIDB_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    uint64_t total = 0;
    for (const auto& [sequence, count] : counts_) total += count;
    return total;
  }

 private:
  mutable Mutex mu_;
  std::map<kv::Sequence, uint64_t> counts_ AIDB_GUARDED_BY(mu_);
};

}  // namespace aidb::lsm
