#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "aidb/base/clock.h"
#include "aidb/base/status.h"
#include "aidb/lsm/version.h"

namespace aidb::lsm {

// The tables that compactions fail on. One that has failed a few times is avoided: the picker
// then goes round it as round a damaged one, so that it does not choose the same job for ever
// while the rest of the store waits. Kept in memory only: the cause may be the disk's and pass.
//
// An avoided table is tried again after a while, and is well once a job has merged it. So every
// table in here is one of the newest version's.
//
// Thread safety: none.
class FailingTables {
 public:
  static constexpr int kFailuresMax = 3;
  // So many tables are avoided at once, and what one more failure adds. If more fail, it is
  // rather the disk; level 0 would grow without end behind tables that count no more.
  static constexpr size_t kAvoidedMax = 8;
  static constexpr Duration kAvoidTime = std::chrono::minutes(10);

  // A job failed with `why`, for which these of its inputs may be the cause.
  void Failed(std::span<const TableRef> tables, const Status& why, Instant now);
  // A job has merged or moved the table.
  void Succeeded(uint64_t number);
  // Ends the avoidance of tables whose time is over. One more failure avoids them again.
  void TryAgain(Instant now);

  // Which table compaction could not merge again and again, and why; ok when there is none.
  Status trouble() const;

 private:
  struct Entry {
    TableRef table;
    int failures = 0;
    Instant try_again_at{};
    Status why;
  };

  size_t AvoidedCount() const;

  std::map<uint64_t, Entry> entries_;  // By number.
};

}  // namespace aidb::lsm
