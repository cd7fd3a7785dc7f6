// Values that expire.

#include <string>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

// The expiry that Get tells of a key that is there.
std::optional<uint64_t> ExpiryOf(Trial& trial, std::string_view key,
                                 const Snapshot* snapshot = nullptr) {
  const auto value = trial.store().Get(key, {.snapshot = snapshot});
  EXPECT_TRUE(value.ok() && value->has_value());
  return value.ok() && *value ? (*value)->expires_at_ms() : std::nullopt;
}

void AValueIsAbsentFromItsExpiryOn(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  trial.PutUntil("k", "v", now + 100);
  EXPECT_EQ(trial.Get("k"), "v");
  trial.SetClock(now + 99);
  EXPECT_EQ(trial.Get("k"), "v");
  trial.SetClock(now + 100);
  EXPECT_EQ(trial.Get("k"), std::nullopt);
  trial.SetClock(now + 1'000'000);
  EXPECT_EQ(trial.Get("k"), std::nullopt);
  trial.Flush();
  EXPECT_EQ(trial.Get("k"), std::nullopt);
}

void AnExpiryInThePastHidesWhatTheKeyHeld(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "old");
  trial.Put("zero", "old");
  trial.PutUntil("k", "new", trial.now_ms());
  trial.PutUntil("zero", "new", 0);
  EXPECT_EQ(trial.Scan(), Pairs{});
  trial.Flush();
  EXPECT_EQ(trial.Get("k"), std::nullopt);
  EXPECT_EQ(trial.Get("zero"), std::nullopt);
}

void ExpiryDoesNotBringBackAnOlderValue(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  trial.Put("in tables", "old");
  trial.Flush();
  trial.Put("beside", "old");
  trial.PutUntil("in tables", "new", now + 10);
  trial.PutUntil("beside", "new", now + 10);
  trial.SetClock(now + 10);
  EXPECT_EQ(trial.Scan(), Pairs{});
  trial.Flush();
  EXPECT_EQ(trial.Scan(), Pairs{});
  EXPECT_EQ(trial.Get("in tables"), std::nullopt);
  EXPECT_EQ(trial.Get("beside"), std::nullopt);
}

void APutWithoutExpiryClearsIt(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  trial.PutUntil("k", "first", now + 10);
  trial.PutUntil("flushed", "first", now + 10);
  trial.Flush();
  trial.Put("k", "second");
  trial.Put("flushed", "second");
  EXPECT_EQ(ExpiryOf(trial, "k"), std::nullopt);
  trial.SetClock(now + 100);
  EXPECT_EQ(trial.Get("k"), "second");
  trial.Flush();
  EXPECT_EQ(trial.Scan(), (Pairs{{"flushed", "second"}, {"k", "second"}}));
}

void ALaterPutSetsAnotherExpiry(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  trial.PutUntil("k", "first", now + 10);
  trial.PutUntil("k", "second", now + 20);
  trial.SetClock(now + 10);
  EXPECT_EQ(trial.Get("k"), "second");
  EXPECT_EQ(ExpiryOf(trial, "k"), now + 20);
  trial.SetClock(now + 20);
  EXPECT_EQ(trial.Get("k"), std::nullopt);
  trial.Put("k", "third");
  EXPECT_EQ(trial.Get("k"), "third");
}

void GetTellsTheExpiry(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  trial.Put("for ever", "v");
  trial.PutUntil("k", std::string(10'000, 'v'), now + 77);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(ExpiryOf(trial, "for ever"), std::nullopt);
    EXPECT_EQ(ExpiryOf(trial, "k"), now + 77);
    const std::string_view keys[] = {"for ever", "k"};
    const auto values = trial.store().MultiGet(keys, {});
    ASSERT_TRUE(values[0].ok() && *values[0] && values[1].ok() && *values[1]);
    EXPECT_EQ((*values[0])->expires_at_ms(), std::nullopt);
    EXPECT_EQ((*values[1])->expires_at_ms(), now + 77);
    trial.Flush();
  }
}

void AllReadsAgreeOnWhatHasExpired(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  Pairs expected;
  for (int i = 0; i < 400; ++i) {
    const std::string key = NumberedKey(i);
    if (i % 3 == 0) {
      trial.Put(key, "stays");
    } else {
      trial.PutUntil(key, "goes", now + static_cast<uint64_t>(i));
    }
    if (i % 3 == 0 || i > 200) expected.emplace_back(key, i % 3 == 0 ? "stays" : "goes");
    if (i == 150) trial.Flush();
  }
  trial.SetClock(now + 200);
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(trial.Scan() == expected);
    EXPECT_TRUE(trial.Scan({.order = ScanOrder::kReverse}) ==
                Pairs(expected.rbegin(), expected.rend()));
    for (int i = 0; i < 400; ++i) {
      EXPECT_EQ(trial.Get(NumberedKey(i)).has_value(), i % 3 == 0 || i > 200) << i;
    }
    Iterator iterator = trial.store().Scan({});
    iterator.Seek(NumberedKey(100));
    ASSERT_TRUE(iterator.Valid());
    EXPECT_EQ(iterator.key(), NumberedKey(102));
    iterator.Prev();
    ASSERT_TRUE(iterator.Valid());
    EXPECT_EQ(iterator.key(), NumberedKey(99));
    iterator.Next();
    ASSERT_TRUE(iterator.Valid());
    EXPECT_EQ(iterator.key(), NumberedKey(102));
    iterator.SeekForPrev(NumberedKey(200));
    ASSERT_TRUE(iterator.Valid());
    EXPECT_EQ(iterator.key(), NumberedKey(198));
    trial.Flush();
  }
}

void ASnapshotJudgesExpiryByTheClockAtItsCreation(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  trial.Put("a", "v");
  const Snapshot before_any = trial.store().TakeSnapshot();
  trial.PutUntil("k", "v", now + 10);
  const Snapshot before = trial.store().TakeSnapshot();
  trial.SetClock(now + 10);
  const Snapshot after = trial.store().TakeSnapshot();
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(trial.Get("k"), std::nullopt);
    EXPECT_EQ(before.now_ms(), now);
    EXPECT_EQ(after.now_ms(), now + 10);
    EXPECT_EQ(trial.Get("k", &before), "v");
    EXPECT_EQ(ExpiryOf(trial, "k", &before), now + 10);
    EXPECT_EQ(trial.Get("k", &after), std::nullopt);
    EXPECT_EQ(trial.Scan({.snapshot = &before_any}), (Pairs{{"a", "v"}}));
    EXPECT_EQ(trial.Scan({.snapshot = &before}), (Pairs{{"a", "v"}, {"k", "v"}}));
    EXPECT_EQ(trial.Scan({.snapshot = &after}), (Pairs{{"a", "v"}}));
    if (round == 0) trial.Put("k", "other"), trial.Delete("k");
    trial.Flush();
  }
}

void AnIteratorJudgesExpiryByTheClockAtTheScan(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  trial.PutUntil("a", "1", now + 10);
  trial.PutUntil("b", "2", now + 10);
  Iterator iterator = trial.store().Scan({});
  trial.SetClock(now + 10);
  EXPECT_EQ(trial.Scan(), Pairs{});
  ASSERT_TRUE(iterator.Valid());
  EXPECT_EQ(Drain(iterator), (Pairs{{"a", "1"}, {"b", "2"}}));
  iterator.SeekForPrev("a");
  ASSERT_TRUE(iterator.Valid());
  EXPECT_EQ(iterator.value(), "1");
}

void TheClockNeverRunsBackwards(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  trial.PutUntil("k", "v", now + 10);
  trial.SetClock(now + 10);
  EXPECT_EQ(trial.Get("k"), std::nullopt);
  trial.SetClock(now);
  EXPECT_EQ(trial.Get("k"), std::nullopt);
  EXPECT_EQ(trial.Scan(), Pairs{});
  trial.PutUntil("late", "v", now + 10);
  EXPECT_EQ(trial.Get("late"), std::nullopt);
  const Snapshot snapshot = trial.store().TakeSnapshot();
  EXPECT_EQ(trial.Get("k", &snapshot), std::nullopt);
  trial.PutUntil("later", "v", now + 11);
  EXPECT_EQ(trial.Get("later"), "v");
}

void ExpiringOperationsTakeOneSequenceEach(Subject& subject) {
  Trial trial(subject);
  const uint64_t later = trial.now_ms() + 1'000;
  EXPECT_EQ(trial.Put("plain", "v"), Sequence{1});
  EXPECT_EQ(trial.PutUntil("k", "v", later), Sequence{2});
  EXPECT_EQ(trial.NewestSequence(), Sequence{2});
  const Snapshot snapshot = trial.store().TakeSnapshot();
  EXPECT_EQ(snapshot.sequence(), Sequence{2});
  WriteBatch batch;
  batch.Put("k", "w", later);
  batch.Put("k", "x");
  batch.Delete("plain");
  batch.Put("k", "y", later + 1);
  EXPECT_EQ(trial.Write(std::move(batch)), Sequence{6});
  EXPECT_EQ(trial.NewestSequence(), Sequence{6});
  EXPECT_EQ(trial.Scan(), (Pairs{{"k", "y"}}));
  EXPECT_EQ(ExpiryOf(trial, "k"), later + 1);
  EXPECT_EQ(trial.Scan({.snapshot = &snapshot}), (Pairs{{"k", "v"}, {"plain", "v"}}));
}

void ExpirySurvivesACloseAndAKill(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  for (int i = 0; i < 200; ++i) {
    trial.PutUntil(NumberedKey(i), "v", now + static_cast<uint64_t>(i));
    if (i == 100) trial.Flush();
  }
  const Sequence newest = trial.NewestSequence();
  for (const uint64_t passed : {50u, 100u, 150u}) {
    passed % 100 == 0 ? trial.Reopen() : trial.KillAndReopen();
    EXPECT_EQ(trial.NewestSequence(), newest);
    trial.SetClock(now + passed);
    const Pairs left = trial.Scan();
    ASSERT_EQ(left.size(), 200 - passed - 1);
    EXPECT_EQ(left.front().first, NumberedKey(static_cast<int>(passed) + 1));
    EXPECT_EQ(ExpiryOf(trial, left.front().first), now + passed + 1);
  }
  EXPECT_EQ(trial.PutUntil("next", "v", now + 1'000), newest + 1);
}

void ExpiringIsNoChange(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  trial.PutUntil("k", "v", now + 10);
  const Snapshot snapshot = trial.store().TakeSnapshot();
  trial.SetClock(now + 10);
  ASSERT_EQ(trial.Get("k"), std::nullopt);
  const Precondition unchanged{
      .since = &snapshot, .keys = {"k"}, .ranges = {{.lower = "a", .upper = "z"}}};
  WriteBatch batch;
  batch.Put("k", "w", now + 20);
  ASSERT_TRUE(trial.conditional().WriteIf(unchanged, std::move(batch), {}).ok());
  EXPECT_EQ(trial.Get("k"), "w");
  EXPECT_EQ(trial.conditional().WriteIf(unchanged, PutBatch("x", "y"), {}).status().code(),
            StatusCode::kConflict);
}

}  // namespace

ConformanceTests ExpiryTests() {
  return {
      AIDB_CONFORMANCE(AValueIsAbsentFromItsExpiryOn),
      AIDB_CONFORMANCE(AnExpiryInThePastHidesWhatTheKeyHeld),
      AIDB_CONFORMANCE(ExpiryDoesNotBringBackAnOlderValue),
      AIDB_CONFORMANCE(APutWithoutExpiryClearsIt),
      AIDB_CONFORMANCE(ALaterPutSetsAnotherExpiry),
      AIDB_CONFORMANCE(GetTellsTheExpiry),
      AIDB_CONFORMANCE(AllReadsAgreeOnWhatHasExpired),
      AIDB_CONFORMANCE(ASnapshotJudgesExpiryByTheClockAtItsCreation),
      AIDB_CONFORMANCE(AnIteratorJudgesExpiryByTheClockAtTheScan),
      AIDB_CONFORMANCE(TheClockNeverRunsBackwards),
      AIDB_CONFORMANCE(ExpiringOperationsTakeOneSequenceEach),
      AIDB_CONFORMANCE_IF(kDurable, ExpirySurvivesACloseAndAKill),
      AIDB_CONFORMANCE_IF(kConditional, ExpiringIsNoChange),
  };
}

}  // namespace aidb::kv
