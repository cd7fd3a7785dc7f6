#pragma once

// Somebody who follows a journal in the simulated world.

#include <algorithm>
#include <chrono>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/journal/journal.h"

namespace aidb::journal {

// What a tail gives is history, without a gap; and what it gives as durable is. Ends, once `done`,
// with all that is there. `Life` has a world, a journal, and an oracle with its history by first
// ids.
template <typename Life>
void FollowLife(Life& life, TailLevel level, const bool& done) {
  auto tail = life.journal->Follow(life.journal->published_id(), {.level = level});
  ASSERT_TRUE(tail.ok()) << tail.status().ToString();
  Rng rng(static_cast<uint64_t>(level) + 17);
  while (true) {
    const bool last_round = done;
    const auto record = (*tail)->Next(std::chrono::milliseconds(last_round ? 0 : rng.Below(20)));
    if (life.world.scheduler().dead()) return;
    if (!record.ok()) {
      // On a failing disk it may read what a sync has dropped, until the re-drive.
      EXPECT_TRUE(life.oracle.faulty || record.status().code() == StatusCode::kUnavailable)
          << record.status().ToString();
      if (last_round) return;
      life.env.clock.SleepFor(std::chrono::milliseconds(5));
      continue;
    }
    if (!*record) {
      if (last_round) break;
      continue;
    }
    const auto known = life.oracle.history.find(ToNumber((*record)->first_id));
    ASSERT_NE(known, life.oracle.history.end()) << ToNumber((*record)->first_id);
    ASSERT_EQ((*record)->ids, known->second.ids);
    ASSERT_EQ((*record)->payload, known->second.payload);
    if (level == TailLevel::kDurable) {
      life.oracle.durable = std::max(life.oracle.durable, known->first + known->second.ids - 1);
    }
    if (rng.OneIn(16)) life.env.clock.SleepFor(std::chrono::milliseconds(rng.Below(60)));
  }
  if (level == TailLevel::kPublished) {
    EXPECT_EQ(ToNumber((*tail)->next_id()), ToNumber(life.journal->published_id()) + 1);
  }
}

}  // namespace aidb::journal
