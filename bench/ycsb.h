#pragma once

#include "aidb/base/status.h"

namespace aidb::bench {

class Worker;

// The core workloads of YCSB (Cooper and others, "Benchmarking Cloud Serving Systems with YCSB",
// SoCC 2010; the files workloads/workloada to workloadf), on our keys and with one value where
// YCSB has ten fields. Reads, updates and the start of a scan choose keys by their popularity
// (ScrambledZipfian); D reads what was inserted last; a scan has 1 to 100 steps, uniformly.
Status YcsbA(Worker& worker);  // 50 % reads, 50 % updates.
Status YcsbB(Worker& worker);  // 95 % reads, 5 % updates.
Status YcsbC(Worker& worker);  // Reads.
Status YcsbD(Worker& worker);  // 95 % reads of the latest, 5 % inserts.
Status YcsbE(Worker& worker);  // 95 % scans, 5 % inserts.
Status YcsbF(Worker& worker);  // 50 % reads, 50 % reads followed by an update.

}  // namespace aidb::bench
