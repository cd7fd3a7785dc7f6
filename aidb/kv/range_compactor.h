#pragma once

#include "aidb/base/status.h"
#include "aidb/kv/options.h"

namespace aidb::kv {

// Merges a range of keys by hand. The background keeps a store in shape by itself; this is for
// whoever wants the space of deleted data back at once, or the fewest places to look at before a
// long time of reading.
//
// Thread safety: any thread.
class RangeCompactor {
 public:
  virtual ~RangeCompactor() = default;
  // ok: what had been written to the keys of `range` before the call is in one sorted run, without
  // what no read and no snapshot can see. What writers add meanwhile need not be. Reads, writes and
  // background work go on beside it; no read answers differently before, during or after it. An
  // empty range is nothing to do.
  //
  // kUnavailable in a store opened read-only, and when Close comes meanwhile; kResourceExhausted
  // when the disk is full; kCorruption names what is damaged. After an error what was merged stays
  // merged; nothing is lost.
  virtual Status Compact(const ScanRange& range) = 0;
};

}  // namespace aidb::kv
