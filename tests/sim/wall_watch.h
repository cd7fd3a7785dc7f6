#pragma once

// What the store's clock may say, told from the world alone: its wall clock, which goes on, jumps
// and is set back, and what the store has shown by now.
//
//   wall      ──────╮        ╭───         set back, then forward again
//                   ╰────────╯
//   store     ───────────────────         within one open it never runs backwards

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "aidb/io/sim/env.h"

#include "tests/sim/key_states.h"

namespace aidb::sim {

// Where the machine's wall clock stands when a process ends, and the highest it ever showed.
struct WallEnd {
  uint64_t at_ms = static_cast<uint64_t>(io::SimClock::kWallAtStartMillis);
  uint64_t highest_ms = static_cast<uint64_t>(io::SimClock::kWallAtStartMillis);
};

// Thread safety: none; fibers of one world share it.
// Lifetime: borrows the clock.
class WallWatch {
 public:
  // The process begins `later` behind the end of the last, by a clock that may have been set.
  WallWatch(io::SimClock& clock, const WallEnd& before, std::chrono::milliseconds later)
      : clock_(clock), highest_ms_(before.highest_ms) {
    clock_.JumpWall(
        std::chrono::milliseconds(static_cast<int64_t>(before.at_ms) - clock_.PeekWallMillis()) +
        later);
    lows_.push_back(Now());
  }

  uint64_t Now() const { return static_cast<uint64_t>(clock_.PeekWallMillis()); }
  WallEnd End() const { return {Now(), std::max(highest_ms_, Now())}; }
  void Jump(std::chrono::milliseconds by) {
    highest_ms_ = std::max(highest_ms_, Now());
    clock_.JumpWall(by);
    lows_.push_back(Now());
  }

  struct Mark {
    uint64_t wall_ms;
    size_t jumps;
  };
  Mark Begin() const { return {Now(), lows_.size()}; }
  // What the wall may have shown since, and what an earlier life may have seen.
  ClockSpan Since(const Mark& mark) const {
    uint64_t low = std::min(mark.wall_ms, Now());
    for (size_t i = mark.jumps; i < lows_.size(); ++i) low = std::min(low, lows_[i]);
    return {low, End().highest_ms};
  }

 private:
  io::SimClock& clock_;
  uint64_t highest_ms_;
  std::vector<uint64_t> lows_;  // Behind each jump.
};

// What the clock of one store may say: never less than it has shown since it was opened.
//
// Thread safety: none; fibers of one world share it.
// Lifetime: borrows the wall.
class StoreClock {
 public:
  explicit StoreClock(const WallWatch& wall) : wall_(wall) {}

  // The store was opened; `kept`: what it had shown before still binds it.
  void NoteOpen(bool kept) {
    if (!kept) shown_ms_ = 0;
  }
  // A read that came through went by this clock.
  void NoteShown(uint64_t now_ms) { shown_ms_ = std::max(shown_ms_, now_ms); }

  struct Mark {
    WallWatch::Mark wall;
    uint64_t shown_ms;
  };
  Mark Begin() const { return {wall_.Begin(), shown_ms_}; }
  // What it may have said since.
  ClockSpan Since(const Mark& mark) const {
    const ClockSpan wall = wall_.Since(mark.wall);
    return {std::max(wall.begin_ms, mark.shown_ms), wall.end_ms};
  }

 private:
  const WallWatch& wall_;
  uint64_t shown_ms_ = 0;
};

}  // namespace aidb::sim
