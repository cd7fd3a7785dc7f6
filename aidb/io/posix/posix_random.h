#pragma once

#include "aidb/base/random.h"

namespace aidb::io {

// The kernel's generator (getrandom): unpredictable, and different in forked children.
//
// Thread safety: any thread may call Next.
class PosixRandom final : public Random {
 public:
  uint64_t Next() override;
};

}  // namespace aidb::io
