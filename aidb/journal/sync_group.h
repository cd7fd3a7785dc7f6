#pragma once

#include <cstddef>
#include <cstdint>

#include "aidb/base/clock.h"

namespace aidb::journal {

// How long a sync should wait for those who will want it, too.
//
// Writers that wait for each write come in a circle: the sync that acknowledges some of them
// makes them write again, just too late for the sync that the others begin at once. Two halves
// then take turns, and each record waits for up to two syncs. A moment's patience brings them all
// into one (cf. commit_delay of PostgreSQL, which has to be set by hand; here the last group says
// how many to wait for, and the last syncs how long).
//
// Only a guess: whoever is counted wrongly waits a moment longer or comes with the next sync.
//
// Thread safety: none.
class SyncGroup {
 public:
  // One more waits for a sync that has not begun. True: nobody else is expected.
  bool Join() {
    ++joined_;
    return Complete();
  }
  bool Complete() const { return joined_ >= expected_; }
  // How long to wait, from now on, for the others; zero when that would not pay.
  Duration Patience() const;
  // The sync begins, for all who have joined; `waited` whether Patience() was spent on it.
  void Begin(bool waited);
  // It has ended, before anyone is told: those it acknowledges are likely to join again.
  void End(Duration took);

 private:
  size_t joined_ = 0;    // Since the last Begin.
  size_t in_sync_ = 0;   // Of the sync under way, or the last one.
  size_t expected_ = 0;  // Those of the last sync, and those who came while it ran.
  Duration mean_sync_{0};
  // After so many vain waits in a row, so many syncs go without one: 1, 2, 4 ... 64.
  uint32_t next_pause_ = 1;
  uint32_t pause_ = 0;
};

}  // namespace aidb::journal
