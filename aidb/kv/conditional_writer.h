#pragma once

#include <string>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/kv/options.h"
#include "aidb/kv/types.h"
#include "aidb/kv/write_batch.h"

namespace aidb::kv {

// What must not have changed since a snapshot.
struct Precondition {
  Sequence since{};
  std::vector<std::string> keys;
  std::vector<ScanRange> ranges;  // No key inside written, deleted or created.
};

// Writes only if nothing got in between: what optimistic transactions stand on.
//
// Thread safety: any thread.
class ConditionalWriter {
 public:
  virtual ~ConditionalWriter() = default;
  // kConflict names the first key that changed; then nothing was written.
  virtual Result<Sequence> WriteIf(const Precondition& unchanged, WriteBatch batch,
                                   const WriteOptions& options) = 0;
};

}  // namespace aidb::kv
