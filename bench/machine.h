#pragma once

#include <cstdint>
#include <string>

namespace aidb::bench {

// What the figures of a run depend on besides the engines.
struct Machine {
  std::string cpu;
  unsigned cores = 0;
  std::string kernel;
  std::string file_system;        // Type of the scratch directory's.
  uint64_t fdatasync_p50_ns = 0;  // After a 4 KiB append, in the scratch directory.
  uint64_t fdatasync_p99_ns = 0;
  double memcpy_bytes_per_second = 0;
  double load = 0;      // Average of the last minute, when the run began.
  std::string started;  // UTC.
};

Machine LookAtMachine(const std::string& scratch);

}  // namespace aidb::bench
