#pragma once

#include <string_view>

#include "aidb/base/status.h"

namespace aidb::kv {

// Copies a store while it is in use, at the price of a few links.
//
// Thread safety: any thread.
class Checkpointer {
 public:
  virtual ~Checkpointer() = default;
  // ok: `directory` is a store of its own, on the disk. It opens as any other does and holds what
  // this one held at one moment of the call: everything written before it, every batch whole.
  // Files that never change are shared by hard links, so it takes little space and time; neither
  // store can do the other harm. Reads and writes go on meanwhile.
  //
  // `directory` must not exist, its parent must: kInvalidArgument. kUnavailable in a store opened
  // read-only, and when Close comes meanwhile. After an error, or a crash, there is either no
  // `directory` or the whole checkpoint; what else is left the next call with the same name
  // removes.
  virtual Status Checkpoint(std::string_view directory) = 0;
};

}  // namespace aidb::kv
