#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "aidb/io/sim/disk.h"
#include "aidb/kv/options.h"

#include "tests/campaign/workload.h"

namespace aidb::campaign {

inline constexpr std::string_view kStoreDirectory = "store";

// A store as its last process left it, with everything a trial may do to it.
struct Sample {
  std::string name;
  io::SimDisk disk;
  std::vector<io::SimDisk> earlier;  // The same store at earlier moments, oldest first.
  io::SimDisk foreign;               // Another store that lived the same life.
  Workload workload{WorkloadOptions{}};
  WriterModel model;  // Everything that was acknowledged: one writer, number 0.
  std::map<std::string, std::set<std::string>> held;  // What each key held at any time.
  std::set<std::string> logged;                       // Keys of operations that no table holds.
  std::vector<std::string> key_of;                    // Of each sequence; 0 has none.
};

enum class Ending : bool { kClosed, kKilled };

kv::Options SampleOptions();
// Several lives of one store: closed, killed, and ended as `ending` says. Some tables, log
// records that no table holds, and a ring that holds what no file does when it was killed.
Sample BuildSample(uint64_t seed, Ending ending);

}  // namespace aidb::campaign
