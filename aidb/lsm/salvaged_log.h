#pragma once

// What damaged logs still hold: every record that is whole, from the log files and from the ring.
//
// Recovery refuses a log with a bad record that was durable, because history behind it would have
// a hole. A repair takes what is behind it all the same, and says which sequences are missing.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/io/env.h"
#include "aidb/journal/options.h"
#include "aidb/kv/types.h"

namespace aidb::lsm {

struct SalvagedLog {
  struct Batch {
    uint32_t count = 0;
    std::string operations;
  };
  std::map<kv::Sequence, Batch> batches;  // By their first sequence.
  struct Damage {
    std::string file;
    uint64_t offset = 0;
    std::string what;
  };
  std::vector<Damage> damage;

  // Ascending ranges [first, last] between `behind` and the last batch that no batch holds.
  std::vector<std::pair<kv::Sequence, kv::Sequence>> Missing(kv::Sequence behind) const;
  // Forgets the batches that hold nothing newer than `covered`.
  void DropUpTo(kv::Sequence covered);
};

// What an undamaged log holds, as recovery would have it: batches behind `floor`, without what it
// would cut. kCorruption when it is damaged: then SalvageLogs.
Result<SalvagedLog> ReplayLogs(const io::Env& env, std::string_view directory,
                               const journal::RecoveryFloor& floor);
// All whole batches of all logs from `floor` on, and of the ring. Damage is reported, and so is
// what cannot be read at all.
SalvagedLog SalvageLogs(const io::Env& env, std::string_view directory, uint64_t floor);

}  // namespace aidb::lsm
