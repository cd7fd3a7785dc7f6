// What is the native engine's own about feeds: its logs.

#include <map>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "aidb/lsm/engine_for_test.h"

namespace aidb::lsm {
namespace {

using std::chrono::hours;

class EngineUpdatesTest : public EngineTest {
 protected:
  kv::Updates Follow(uint64_t from, const kv::UpdateOptions& options = {}) {
    auto updates = engine_->UpdatesSince(Sequence{from}, options);
    EXPECT_OK(updates);
    return *std::move(updates);
  }
  // What is there now; the error that ended it in `status_`.
  uint64_t TakeAll(kv::Updates& updates, uint64_t last) {
    while (true) {
      const auto update = updates.Next();
      status_ = update.status();
      if (!update.ok() || !*update) return last;
      EXPECT_EQ((*update)->first, Sequence{last + 1});
      kv::WriteBatch::Reader reader = (*update)->reader();
      for (auto next = reader.Next(); next.ok() && *next; next = reader.Next()) {
        contents_[std::string((*next)->key)] = (*next)->value;
      }
      last = ToNumber((*update)->last());
    }
  }
  void ExpectEqualsTheStore() {
    size_t entries = 0;
    for (kv::Iterator it = engine_->Scan({}); it.Valid(); it.Next(), ++entries) {
      EXPECT_EQ(contents_[std::string(it.key())], it.value());
    }
    EXPECT_EQ(entries, contents_.size());
  }
  void PutMany(uint64_t from, uint64_t to) {
    for (uint64_t i = from; i < to; ++i)
      ASSERT_OK(Put(Key(i % 90), std::string(700, 'v') + Key(i)));
  }

  // The second begins when the first has removed its logs; its own, one, may still be about to go.
  void FlushTwice() {
    for (int i = 0; i < 2; ++i) {
      ASSERT_OK(Put("one", "more"));
      ASSERT_OK(engine_->Flush());
    }
  }

  std::map<std::string, std::string> contents_;
  Status status_;
};

TEST_F(EngineUpdatesTest, LogsGoOnceNoFeedNeedsThem) {
  ASSERT_OK(Open());
  auto updates = std::optional(Follow(0));
  PutMany(0, 400);
  ASSERT_OK(engine_->Flush());
  EXPECT_GT(CountFiles(FileKind::kLog), 3u);
  EXPECT_EQ(engine_->Stats().update_feeds, 1u);
  EXPECT_GT(engine_->Stats().update_lag_bytes, 200'000u);
  EXPECT_EQ(TakeAll(*updates, 0), 400u);
  ExpectEqualsTheStore();
  EXPECT_LT(engine_->Stats().update_lag_bytes, 1'000u);
  FlushTwice();
  EXPECT_LE(CountFiles(FileKind::kLog), 3u);
  // One that has gone keeps nothing.
  PutMany(0, 400);
  updates.reset();
  FlushTwice();
  EXPECT_LE(CountFiles(FileKind::kLog), 3u);
  EXPECT_EQ(engine_->Stats().update_feeds, 0u);
}

TEST_F(EngineUpdatesTest, TheNextOpenRemovesWhatAFeedHasKept) {
  ASSERT_OK(Open());
  {
    auto updates = Follow(0);
    PutMany(0, 400);
    ASSERT_OK(engine_->Flush());
    engine_.reset();
    EXPECT_EQ(updates.Next().status().code(), StatusCode::kUnavailable);
    EXPECT_GT(CountFiles(FileKind::kLog), 3u);
    ASSERT_OK(Open());
  }
  EXPECT_LE(CountFiles(FileKind::kLog), 2u);
  EXPECT_FAILS(engine_->UpdatesSince(Sequence{0}, {}), StatusCode::kResourceExhausted,
               "the log does not hold record 1 any more: its files begin with record 401; take a "
               "checkpoint and begin anew at sequence 400 or later");
  EXPECT_OK(engine_->UpdatesSince(Sequence{400}, {}));
}

TEST_F(EngineUpdatesTest, GivesWhatAKillLeftInTheLog) {
  ASSERT_OK(Open());
  PutMany(0, 100);
  for (int life = 1; life <= 3; ++life) {
    ASSERT_OK(Open());
    const uint64_t newest = ToNumber(engine_->Stats().sequence);
    EXPECT_EQ(newest, static_cast<uint64_t>(life) * 100);
    // Whatever was flushed when memtables filled, the rest is there without a gap.
    auto refused = engine_->UpdatesSince(Sequence{0}, {});
    uint64_t from = 0;
    if (!refused.ok()) {
      const std::string text(refused.status().message());
      const std::string mark = "begin anew at sequence ";
      from = std::stoull(text.substr(text.find(mark) + mark.size()));
    }
    auto updates = Follow(from);
    EXPECT_EQ(TakeAll(updates, from), newest);
    PutMany(newest, newest + 100);
    EXPECT_EQ(TakeAll(updates, newest), newest + 100);
  }
}

TEST_F(EngineUpdatesTest, GoesOnBehindAFailedSync) {
  options_.sync_interval_ms = 100'000;
  ASSERT_OK(Open());
  auto visible = Follow(0);
  auto durable = Follow(0, {.level = kv::UpdateLevel::kDurable});
  uint64_t seen = 0;
  for (uint64_t round = 1; round <= 4; ++round) {
    PutMany(round * 10 - 10, round * 10 - 5);
    ASSERT_OK(engine_->Sync());
    PutMany(round * 10 - 5, round * 10);
    seen = TakeAll(visible, seen);
    EXPECT_EQ(seen, round * 10);
    files_.FailMatching(io::CallKind::kSyncData, ".log", 1, {.effect = io::FaultEffect::kSyncLost});
    ASSERT_OK(engine_->Sync());
  }
  EXPECT_EQ(TakeAll(durable, 0), 40u);
  ExpectEqualsTheStore();
}

TEST_F(EngineUpdatesTest, GivesLargeBatchesWhole) {
  ASSERT_OK(Open());
  auto updates = Follow(0);
  for (uint64_t i = 0; i < 20; ++i) {
    kv::WriteBatch batch;
    for (uint64_t n = 0; n < 4; ++n) batch.Put(Key(i + n), std::string(i * 20'000, 'l'));
    ASSERT_OK(engine_->Write(std::move(batch), {}));
  }
  EXPECT_EQ(TakeAll(updates, 0), 80u);
  ExpectEqualsTheStore();
}

// Whichever call fails while a feed reads from files, it says so and goes on afterwards with the
// same update: none is left out, none comes twice.
TEST_F(EngineUpdatesTest, LosesNothingWhicheverCallFails) {
  ASSERT_OK(Open());
  auto keeper = Follow(0);
  PutMany(0, 1'500);  // Twice what the ring holds.
  ASSERT_OK(engine_->Flush());
  uint64_t failures = 0;
  for (uint64_t nth = 1;; ++nth) {
    contents_.clear();
    auto updates = Follow(0);
    files_.FailMatching(io::CallKind::kOpen, ".log", nth, {});
    files_.FailMatching(io::CallKind::kRead, ".log", nth, {});
    uint64_t last = TakeAll(updates, 0);
    if (status_.ok()) break;
    while (!status_.ok()) {
      EXPECT_EQ(status_.code(), StatusCode::kIoError) << status_.ToString();
      ++failures;
      last = TakeAll(updates, last);
    }
    EXPECT_EQ(last, 1'500u);
    ExpectEqualsTheStore();
    files_.Heal();
  }
  EXPECT_GT(failures, 5u);
}

// A log that cannot be removed stays until the next open, and harms nobody.
TEST_F(EngineUpdatesTest, GoesOnWhenALogCannotBeRemoved) {
  ASSERT_OK(Open());
  auto updates = Follow(0);
  PutMany(0, 200);
  EXPECT_EQ(TakeAll(updates, 0), 200u);
  files_.FailMatching(io::CallKind::kRemove, ".log", 1, {.repeat = io::FaultRepeat::kForEver});
  ASSERT_OK(engine_->Flush());
  PutMany(200, 300);
  ASSERT_OK(engine_->Flush());
  EXPECT_EQ(TakeAll(updates, 200), 300u);
  ExpectEqualsTheStore();
}

TEST_F(EngineUpdatesTest, EndsWhenTheLogHasStopped) {
  ASSERT_OK(Open());
  auto updates = Follow(0);
  PutMany(0, 5);
  files_.FailMatching(io::CallKind::kSyncData, ".log", 1, {});
  files_.FailMatching(io::CallKind::kSyncAll, ".log", 1, {});
  EXPECT_FALSE(engine_->Sync().ok());
  EXPECT_EQ(TakeAll(updates, 0), 5u);
  EXPECT_FAILS(updates.Next(hours(1)), StatusCode::kUnavailable, "stopped after an I/O error");
}

}  // namespace
}  // namespace aidb::lsm
