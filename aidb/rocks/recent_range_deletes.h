#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "aidb/base/status.h"
#include "aidb/base/sync.h"
#include "aidb/kv/conditional_writer.h"
#include "aidb/kv/write_batch.h"

namespace aidb::rocks {

// The range deletes that a live snapshot does not see: a conditional write must find them, and
// RocksDB shows of a range delete only that keys are gone, not since when.
//
// At most kRangesMax: then all become one that reaches from the first begin to the last end, so
// that a conditional write may be refused for a key between them that nobody touched.
//
// Thread safety: any thread may call any method.
class RecentRangeDeletes {
 public:
  static constexpr size_t kRangesMax = 4096;

  // Those of `batch`, whose last sequence, as RocksDB counts, is `last`. Forgets what the snapshot
  // at `oldest` sees, and with it all others.
  void Note(const kv::WriteBatch& batch, uint64_t last, uint64_t oldest) AIDB_EXCLUDES(mu_);
  // There is no snapshot.
  void Forget() AIDB_EXCLUDES(mu_);

  // kConflict when one behind `since` meets a key or range of `unchanged`.
  Status CheckUnchanged(const kv::Precondition& unchanged, uint64_t since) const AIDB_EXCLUDES(mu_);
  size_t size() const AIDB_EXCLUDES(mu_);

 private:
  struct Range {
    std::string begin;
    std::string end;
    uint64_t sequence;
  };

  void Join() AIDB_REQUIRES(mu_);

  mutable Mutex mu_;
  std::deque<Range> ranges_ AIDB_GUARDED_BY(mu_);  // By rising sequence.
};

}  // namespace aidb::rocks
