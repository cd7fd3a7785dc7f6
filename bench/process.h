#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "aidb/base/result.h"

#include "bench/measurement.h"

namespace aidb::bench {

// What this process has used so far.
struct ProcessUsage {
  double cpu_seconds = 0;      // User and system, all threads.
  uint64_t written_bytes = 0;  // Made dirty on their way to a device; /proc/self/io, write_bytes.
};
ProcessUsage UsageNow();
// The high-water mark of resident memory since ForgetPeakRss.
uint64_t PeakRssBytes();
void ForgetPeakRss();

double SecondsNow();
uint64_t NanosNow();

// Sleeps until this process uses next to no CPU and no thread of it waits for the disk: background
// work has come to rest. False when it has not after `seconds_max`.
bool WaitUntilIdle(double seconds_max);

// Runs `body` in a forked child, so that its CPU time, memory and I/O are its own. A child that
// dies is kInternal.
Result<Measurement> InChild(const std::function<Result<Measurement>()>& body);
// Runs `body` in a forked child that kills itself by SIGKILL as soon as `body` returns ok: what it
// had open stays open to the end.
Status InKilledChild(const std::function<Status()>& body);

}  // namespace aidb::bench
