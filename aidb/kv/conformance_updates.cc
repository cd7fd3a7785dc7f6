// What follows a store (update_feed.h).

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

constexpr Duration kForAsLongAsItTakes = std::chrono::hours(1);

// A store's contents as whoever follows it makes them.
class Follower {
 public:
  explicit Follower(Trial& trial, Sequence from = kSequenceNone, const UpdateOptions& options = {})
      : last_(from) {
    auto updates = trial.updates().UpdatesSince(from, options);
    EXPECT_TRUE(updates.ok()) << updates.status().ToString();
    if (updates.ok()) updates_.emplace(*std::move(updates));
  }

  // False: none yet, or it failed.
  bool Take(Duration wait = Duration{0}) {
    const auto update = updates_->Next(wait);
    status_ = update.status();
    if (!update.ok() || !*update) return false;
    EXPECT_EQ((*update)->first, last_ + 1);
    uint32_t count = 0;
    WriteBatch::Reader reader = (*update)->reader();
    for (auto next = reader.Next(); next.ok() && *next; next = reader.Next(), ++count) {
      kinds_.push_back((*next)->kind);
      Apply(**next);
    }
    EXPECT_EQ(count, (*update)->count);
    last_ = (*update)->last();
    ++batches_;
    return true;
  }
  void TakeAll() {
    while (Take()) {
    }
    EXPECT_TRUE(status_.ok()) << status_.ToString();
  }
  // Without a look at expiry.
  Pairs contents() const { return {pairs_.begin(), pairs_.end()}; }
  Sequence last() const { return last_; }
  int batches() const { return batches_; }
  const Status& status() const { return status_; }
  const std::vector<OpKind>& kinds() const { return kinds_; }
  const std::map<std::string, uint64_t>& instants() const { return instants_; }

 private:
  void Apply(const WriteBatch::Operation& operation) {
    const std::string key(operation.key);
    instants_.erase(key);
    if (operation.kind == OpKind::kDelete) {
      pairs_.erase(key);
      return;
    }
    if (operation.kind == OpKind::kMerge) {
      const auto held = pairs_.find(key);
      const auto made = Merger().Apply(
          operation.merge_operator, key,
          held == pairs_.end() ? std::nullopt : std::optional<std::string_view>(held->second),
          operation.value);
      EXPECT_TRUE(made.ok());
      if (made.ok()) pairs_[key] = *made;
      return;
    }
    pairs_[key] = operation.value;
    if (Expires(operation.kind)) instants_[key] = operation.expires_at_ms;
  }

  std::optional<Updates> updates_;
  std::map<std::string, std::string> pairs_;
  std::map<std::string, uint64_t> instants_;
  std::vector<OpKind> kinds_;
  Sequence last_;
  int batches_ = 0;
  Status status_;
};

void UpdatesAreWhatIsWrittenInItsOrder(Subject& subject) {
  Trial trial(subject);
  Follower follower(trial);
  EXPECT_FALSE(follower.Take());
  trial.Put("a", "1");
  EXPECT_TRUE(follower.Take());
  EXPECT_EQ(follower.last(), Sequence{1});
  EXPECT_FALSE(follower.Take());
  trial.Put("b", "2");
  trial.Delete("a");
  trial.Put("", "");
  follower.TakeAll();
  EXPECT_EQ(follower.contents(), trial.Scan());
  EXPECT_EQ(follower.last(), trial.NewestSequence());
  EXPECT_EQ(follower.batches(), 4);
  EXPECT_TRUE(follower.status().ok());
}

void AnUpdateIsAWholeBatch(Subject& subject) {
  Trial trial(subject);
  Follower follower(trial);
  WriteBatch batch;
  batch.Put("a", "1");
  batch.Delete("a");
  batch.Put("b", "2");
  batch.Put("b", "3");
  trial.Write(std::move(batch));
  EXPECT_TRUE(follower.Take());
  EXPECT_EQ(follower.last(), Sequence{4});
  EXPECT_EQ(follower.contents(), (Pairs{{"b", "3"}}));
  trial.Write(WriteBatch());  // Takes no sequence, and is no update.
  EXPECT_FALSE(follower.Take());
}

void AMergeIsToldAsItselfOrAsWhatItMade(Subject& subject) {
  Trial trial(subject);
  Follower follower(trial);
  trial.Put("put before", "40");
  for (const char* operand : {"5", "-7"}) {
    for (const char* key : {"n", "put before"}) {
      trial.Merge(key, MergeOperator::kAddI64, operand);
      trial.Merge(key, MergeOperator::kMin, "9");
      trial.Merge(std::string("long ") + key, MergeOperator::kAppend, operand);
    }
    trial.Flush();
  }
  follower.TakeAll();
  EXPECT_EQ(follower.contents(), trial.Scan());
  for (const OpKind kind : follower.kinds()) {
    EXPECT_TRUE(kind == OpKind::kPut || kind == OpKind::kMerge) << static_cast<int>(kind);
  }
}

void AStoreThatTakesOverAFeedHoldsTheSame(Subject& subject) {
  Trial trial(subject);
  auto updates = trial.updates().UpdatesSince(kSequenceNone, {});
  ASSERT_TRUE(updates.ok()) << updates.status().ToString();
  for (int i = 0; i < 200; ++i) {
    trial.Merge(NumberedKey(i % 7), MergeOperator::kAddI64, std::to_string(i));
    if (i % 50 == 20) trial.Put(NumberedKey(i % 7), "1000");
    if (i % 50 == 40) trial.Delete(NumberedKey(i % 3));
    if (i == 100) trial.Flush();
  }
  auto other = subject.OpenNamed("replica", subject.options());
  ASSERT_TRUE(other.ok()) << other.status().ToString();
  Store& replica = *other->store;
  while (true) {
    const auto update = updates->Next();
    ASSERT_TRUE(update.ok()) << update.status().ToString();
    if (!*update) break;
    WriteBatch batch;
    WriteBatch::Reader reader = (*update)->reader();
    for (auto next = reader.Next(); next.ok() && *next; next = reader.Next()) batch.Add(**next);
    const auto written = replica.Write(std::move(batch), {});
    ASSERT_TRUE(written.ok()) << written.status().ToString();
    EXPECT_EQ(*written, (*update)->last());
  }
  Pairs held;
  for (Iterator it = replica.Scan({}); it.Valid(); it.Next())
    held.emplace_back(it.key(), it.value());
  EXPECT_EQ(held, trial.Scan());
  EXPECT_TRUE(replica.Close().ok());
}

void AnInstantOfExpiryIsToldAsItWasWritten(Subject& subject) {
  Trial trial(subject);
  Follower follower(trial);
  const uint64_t instant = trial.now_ms() + 1'000;
  trial.PutUntil("gone soon", "v", instant);
  trial.PutUntil("gone already", "v", 1);
  trial.SetClock(instant + 1);
  follower.TakeAll();
  EXPECT_EQ(follower.instants(),
            (std::map<std::string, uint64_t>{{"gone soon", instant}, {"gone already", 1}}));
  EXPECT_EQ(trial.Scan(), Pairs{});
  EXPECT_EQ(follower.contents().size(), 2u) << "expiring is no write";
}

void AFeedBeginsBehindTheSequenceItIsGiven(Subject& subject) {
  Trial trial(subject);
  const Follower keeps_the_past(trial);
  trial.Put("a", "1");
  WriteBatch batch;
  batch.Put("b", "2");
  batch.Put("c", "3");
  trial.Write(std::move(batch));
  auto inside = trial.updates().UpdatesSince(Sequence{2}, {});
  ASSERT_TRUE(inside.ok()) << inside.status().ToString();
  const auto whole = inside->Next();
  ASSERT_TRUE(whole.ok() && *whole);
  EXPECT_EQ((*whole)->first, Sequence{2});
  EXPECT_EQ((*whole)->count, 2u);
  Follower newest(trial, trial.NewestSequence());
  EXPECT_FALSE(newest.Take());
  trial.Put("d", "4");
  newest.TakeAll();
  EXPECT_EQ(newest.contents(), (Pairs{{"d", "4"}}));
}

void AFeedFromTheFutureIsRefused(Subject& subject) {
  Trial trial(subject);
  trial.Put("a", "1");
  const auto ahead = trial.updates().UpdatesSince(Sequence{2}, {});
  EXPECT_EQ(ahead.status().code(), StatusCode::kInvalidArgument) << ahead.status().ToString();
  EXPECT_NE(
      ahead.status().message().find("since sequence 2 are asked for, but the newest here is 1"),
      std::string::npos)
      << ahead.status().ToString();
}

void AFeedRefusesALagAboveTheLimit(Subject& subject) {
  Trial trial(subject);
  const auto feed = [&](uint64_t lag_bytes_max) {
    return trial.updates().UpdatesSince(kSequenceNone, {.lag_bytes_max = lag_bytes_max}).status();
  };
  EXPECT_TRUE(feed(kUpdateLagBytesMax).ok());
  EXPECT_TRUE(feed(1).ok());
  EXPECT_EQ(feed(kUpdateLagBytesMax + 1).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(feed(0).code(), StatusCode::kInvalidArgument);
}

void AFeedThatWaitsGetsWhatIsWritten(Subject& subject) {
  Trial trial(subject);
  Follower follower(trial);
  const auto writer = trial.Start([&] {
    for (int i = 0; i < 300; ++i) trial.Put(NumberedKey(i % 20), std::to_string(i));
  });
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(follower.Take(kForAsLongAsItTakes));
  writer->Join();
  EXPECT_EQ(follower.contents(), trial.Scan());
}

void TwoFeedsFollowTwoWriters(Subject& subject) {
  Trial trial(subject);
  constexpr int kRounds = 1'500;
  const auto follow = [&](Follower& follower) {
    for (int i = 0; i < 2 * kRounds; ++i) ASSERT_TRUE(follower.Take(kForAsLongAsItTakes));
  };
  const auto write = [&](int writer) {
    for (int round = 0; round < kRounds; ++round) {
      WriteBatch batch;
      batch.Put(NumberedKey(round % 50), std::to_string(writer) + "." + std::to_string(round));
      if (round % 3 == 0) batch.Delete(NumberedKey((round + writer) % 50));
      if (round % 7 == 0) batch.Put("large", std::string(200 + static_cast<size_t>(round), 'l'));
      trial.Write(std::move(batch));
      if (round % 500 == 99) trial.Flush();
    }
  };
  Follower first(trial);
  Follower second(trial);
  {
    const auto a = trial.Start([&] { follow(first); });
    const auto b = trial.Start([&] { follow(second); });
    const auto c = trial.Start([&] { write(0); });
    const auto d = trial.Start([&] { write(1); });
  }
  const Pairs contents = trial.Scan();
  EXPECT_TRUE(first.contents() == contents);
  EXPECT_TRUE(second.contents() == contents);
  EXPECT_EQ(first.last(), trial.NewestSequence());
}

void AFeedGivesWhatWasWrittenBeforeCloseAndThenEnds(Subject& subject) {
  Trial trial(subject);
  Follower follower(trial);
  for (int i = 0; i < 30; ++i) trial.Put(NumberedKey(i), "v");
  const Pairs contents = trial.Scan();
  ASSERT_TRUE(trial.store().Close().ok());
  while (follower.Take(kForAsLongAsItTakes)) {
  }
  EXPECT_EQ(follower.status().code(), StatusCode::kUnavailable) << follower.status().ToString();
  EXPECT_EQ(follower.contents(), contents);
  const auto refused = trial.updates().UpdatesSince(kSequenceNone, {});
  EXPECT_EQ(refused.status().code(), StatusCode::kUnavailable) << refused.status().ToString();
}

void CloseWakesAFeedThatWaits(Subject& subject) {
  Trial trial(subject);
  Follower follower(trial);
  std::atomic<bool> waits = false;
  const auto waiter = trial.Start([&] {
    waits = true;
    EXPECT_FALSE(follower.Take(kForAsLongAsItTakes));
  });
  while (!waits) trial.store().TakeSnapshot();
  ASSERT_TRUE(trial.store().Close().ok());
  waiter->Join();
  EXPECT_EQ(follower.status().code(), StatusCode::kUnavailable);
}

void AFeedMayOutliveItsStore(Subject& subject) {
  std::optional<Follower> follower;
  {
    Trial trial(subject);
    follower.emplace(trial);
    trial.Put("a", "1");
    trial.Drop();
  }
  while (follower->Take()) {
  }
  EXPECT_EQ(follower->status().code(), StatusCode::kUnavailable) << follower->status().ToString();
  follower.reset();
}

void AFeedIsCutOffWhenItIsTooFarBehind(Subject& subject) {
  Trial trial(subject);
  Follower slow(trial, kSequenceNone, {.lag_bytes_max = 100'000});
  Follower patient(trial);
  for (int i = 0; i < 300; ++i) trial.Put(NumberedKey(i % 30), std::string(1'000, 'v'));
  trial.Flush();
  EXPECT_FALSE(slow.Take(kForAsLongAsItTakes));
  EXPECT_EQ(slow.status().code(), StatusCode::kResourceExhausted) << slow.status().ToString();
  EXPECT_NE(slow.status().message().find("begin anew at sequence"), std::string::npos)
      << slow.status().ToString();
  EXPECT_FALSE(slow.Take());
  patient.TakeAll();
  EXPECT_EQ(patient.contents(), trial.Scan());
  // With it went the past.
  trial.Put("b", "2");
  patient.TakeAll();
  trial.Flush();
  Follower anew(trial, trial.NewestSequence());
  const auto refused = trial.updates().UpdatesSince(kSequenceNone, {});
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted) << refused.status().ToString();
  trial.Put("a", "1");
  anew.TakeAll();
  EXPECT_EQ(anew.contents(), (Pairs{{"a", "1"}}));
}

void AFeedThatHasAllBeforeItTakesABatchAboveItsLag(Subject& subject) {
  Trial trial(subject);
  Follower follower(trial, kSequenceNone, {.lag_bytes_max = 1});
  for (int i = 0; i < 5; ++i) {
    trial.Put(NumberedKey(i), std::string(1'000, 'v'));
    EXPECT_TRUE(follower.Take()) << follower.status().ToString();
  }
  EXPECT_EQ(follower.contents(), trial.Scan());
}

void AFeedKeepsTheLogThroughFlushes(Subject& subject) {
  Trial trial(subject);
  Follower follower(trial);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 40; ++i) {
      trial.Put(NumberedKey(i), std::string(static_cast<size_t>(200 * round), 'v'));
    }
    trial.Flush();
    if (round == 2) {
      EXPECT_TRUE(follower.Take());
    }
  }
  follower.TakeAll();
  EXPECT_EQ(follower.contents(), trial.Scan());
  EXPECT_EQ(follower.batches(), 200);
}

void UpdatesOfAnEarlierLifeAreGivenUntilTheyAreFlushed(Subject& subject) {
  Trial trial(subject);
  trial.Put("a", "1");
  trial.Put("b", "2");
  trial.Reopen();
  trial.Put("c", "3");
  trial.KillAndReopen();
  Follower follower(trial);
  follower.TakeAll();
  EXPECT_EQ(follower.contents(), trial.Scan());
  EXPECT_EQ(follower.last(), Sequence{3});
}

void ADurableFeedGivesNothingThatIsNotOnTheDisk(Subject& subject) {
  Trial trial(subject);
  Follower durable(trial, kSequenceNone, {.level = UpdateLevel::kDurable});
  Follower visible(trial);
  for (int i = 0; i < 20; ++i) {
    trial.Put(NumberedKey(i), "v");
    durable.TakeAll();
    EXPECT_LE(durable.last(), trial.store().Stats().durable_sequence);
  }
  visible.TakeAll();
  EXPECT_EQ(visible.last(), Sequence{20});
  ASSERT_TRUE(trial.store().Sync().ok());
  durable.TakeAll();
  EXPECT_EQ(durable.last(), Sequence{20});
  WriteBatch batch;
  batch.Put("synced", "v");
  ASSERT_TRUE(trial.store().Write(std::move(batch), {.sync = true}).ok());
  EXPECT_TRUE(durable.Take());
}

void ACheckpointAndItsFeedMakeAReplica(Subject& subject) {
  Trial trial(subject);
  for (int i = 0; i < 50; ++i) trial.Put(NumberedKey(i), "before");
  trial.Flush();
  for (int i = 0; i < 25; ++i) trial.Put(NumberedKey(i), "log");
  auto updates = trial.updates().UpdatesSince(trial.NewestSequence(), {});
  ASSERT_TRUE(updates.ok()) << updates.status().ToString();
  for (int i = 10; i < 60; ++i) trial.Put(NumberedKey(i), "between");
  ASSERT_TRUE(trial.checkpointer().Checkpoint(subject.PathOf("copy")).ok());
  for (int i = 20; i < 80; i += 2) trial.Delete(NumberedKey(i));
  Trial copy(subject, subject.options(), "copy");
  const Sequence has = copy.NewestSequence();
  for (auto update = updates->Next(); update.ok() && *update; update = updates->Next()) {
    if ((*update)->last() <= has) continue;
    WriteBatch batch;
    WriteBatch::Reader reader = (*update)->reader();
    for (auto next = reader.Next(); next.ok() && *next; next = reader.Next()) batch.Add(**next);
    EXPECT_EQ(copy.Write(std::move(batch)), (*update)->last());
  }
  EXPECT_TRUE(copy.Scan() == trial.Scan());
}

void AStoreOpenedReadOnlyHasNoFeed(Subject& subject) {
  {
    Trial trial(subject);
    trial.Put("a", "1");
    trial.Reopen();
    ASSERT_TRUE(trial.store().Close().ok());
  }
  Options options = subject.options();
  options.mode = StoreMode::kReadOnly;
  Trial trial(subject, options);
  const auto refused = trial.updates().UpdatesSince(kSequenceNone, {});
  EXPECT_EQ(refused.status().code(), StatusCode::kUnavailable) << refused.status().ToString();
}

}  // namespace

ConformanceTests UpdateTests() {
  return {
      AIDB_CONFORMANCE_IF(kUpdates, UpdatesAreWhatIsWrittenInItsOrder),
      AIDB_CONFORMANCE_IF(kUpdates, AnUpdateIsAWholeBatch),
      AIDB_CONFORMANCE_IF(kUpdates, AMergeIsToldAsItselfOrAsWhatItMade),
      AIDB_CONFORMANCE_IF(kUpdates, AStoreThatTakesOverAFeedHoldsTheSame),
      AIDB_CONFORMANCE_IF(kUpdates, AnInstantOfExpiryIsToldAsItWasWritten),
      AIDB_CONFORMANCE_IF(kUpdates, AFeedBeginsBehindTheSequenceItIsGiven),
      AIDB_CONFORMANCE_IF(kUpdates, AFeedFromTheFutureIsRefused),
      AIDB_CONFORMANCE_IF(kUpdates, AFeedRefusesALagAboveTheLimit),
      AIDB_CONFORMANCE_IF(kUpdates, AFeedThatWaitsGetsWhatIsWritten),
      AIDB_CONFORMANCE_IF(kUpdates, TwoFeedsFollowTwoWriters),
      AIDB_CONFORMANCE_IF(kUpdates, AFeedGivesWhatWasWrittenBeforeCloseAndThenEnds),
      AIDB_CONFORMANCE_IF(kUpdates, CloseWakesAFeedThatWaits),
      AIDB_CONFORMANCE_IF(kUpdates, AFeedMayOutliveItsStore),
      AIDB_CONFORMANCE_IF(kUpdates, AFeedIsCutOffWhenItIsTooFarBehind),
      AIDB_CONFORMANCE_IF(kUpdates, AFeedThatHasAllBeforeItTakesABatchAboveItsLag),
      AIDB_CONFORMANCE_IF(kUpdates, AFeedKeepsTheLogThroughFlushes),
      AIDB_CONFORMANCE_IF(kDurableUpdates, UpdatesOfAnEarlierLifeAreGivenUntilTheyAreFlushed),
      AIDB_CONFORMANCE_IF(kDurableUpdates, ADurableFeedGivesNothingThatIsNotOnTheDisk),
      AIDB_CONFORMANCE_IF(kDurableUpdates, ACheckpointAndItsFeedMakeAReplica),
      AIDB_CONFORMANCE_IF(kDurableUpdates, AStoreOpenedReadOnlyHasNoFeed),
  };
}

}  // namespace aidb::kv
