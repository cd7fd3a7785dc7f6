#pragma once

// What an open store must answer.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aidb/base/random.h"
#include "aidb/kv/store.h"

#include "tests/sim/history.h"
#include "tests/sim/wall_watch.h"

namespace aidb::sim {

// What a scan over everything finds, in ascending order whatever the order of the scan.
Result<Pairs> ReadAll(const kv::Store& store, kv::ScanOrder order,
                      const kv::Snapshot* snapshot = nullptr);

struct Verdict {
  std::optional<std::string> complaint;
  bool refused = false;  // A read gave an error, and no wrong answer.
  uint64_t last = 0;     // The store's last sequence.
  std::vector<std::pair<uint64_t, int>> tiling;
  Pairs contents;
  uint64_t now_ms = 0;                         // The clock by which it showed them.
  std::map<std::string, uint64_t> expiring{};  // Keys in it whose values expire, and when.
};

// What a store shows by one clock, which the world allows.
Verdict LookAt(const kv::Store& store, StoreClock& clock);
// Whether two looks at the same state differ in more than the time. Between them the store may
// have been killed, and its clock stand behind what it once showed.
std::optional<std::string> DiffersBesidesExpiry(const Verdict& before, const Verdict& now);
// The clock to judge a snapshot by; a complaint when the world does not allow what it says.
Result<uint64_t> ClockOf(const kv::Snapshot& snapshot, const StoreClock& clock,
                         const StoreClock::Mark& mark);

// A store on which nobody writes: its contents, in a snapshot because of the clock, are history up
// to its last sequence, which is at least `least`; Get, MultiGet, Scan and reverse Scan agree on
// them.
Verdict CheckStore(const kv::Store& store, const History& history, uint64_t least,
                   StoreClock& clock, Rng& rng);

// All ways of reading at `snapshot` give `contents`. Nullopt, or what does not.
std::optional<std::string> CheckAllReads(const kv::Store& store, const kv::Snapshot& snapshot,
                                         const History& history, const Pairs& contents, Rng& rng);

// Of a store and the harness's own probe: it can be written, read and synced.
std::optional<std::string> CheckAcceptsWrites(kv::Store& store, uint64_t last);

// Whether the message of a refused open names a file of the store.
bool NamesAFile(const Status& status);

}  // namespace aidb::sim
