#pragma once

#include <string>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/kv/options.h"
#include "aidb/kv/snapshot.h"
#include "aidb/kv/types.h"
#include "aidb/kv/write_batch.h"

namespace aidb::kv {

// What must not have changed since a snapshot.
struct Precondition {
  // Of the same store, not null. Alive, because a backend may forget that a key was deleted once
  // no snapshot can see what it held before.
  const Snapshot* since = nullptr;
  std::vector<std::string> keys = {};
  std::vector<ScanRange> ranges = {};  // No key inside written, deleted or created.
};

// Writes only if nothing got in between: what optimistic transactions stand on.
//
// Thread safety: any thread.
class ConditionalWriter {
 public:
  virtual ~ConditionalWriter() = default;
  // Writing counts as change, even of the same value; only a key that was absent and is absent
  // again may count as unchanged. A range delete writes every key in its range, so keys and ranges
  // that it meets have changed, unless it met no key that was there: then they may count as
  // unchanged. kConflict names a key that changed, or the first that such a range has in common
  // with what must not have changed; then nothing was written. An
  // empty batch checks and writes nothing. Otherwise as Store::Write.
  virtual Result<Sequence> WriteIf(const Precondition& unchanged, WriteBatch batch,
                                   const WriteOptions& options) = 0;
};

}  // namespace aidb::kv
