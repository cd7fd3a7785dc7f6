// ConditionalWriter: writes that only happen if nothing got in between.

#include <string>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

// Tries to put "written" under the condition; conflicts must name `changed`.
void ExpectConflict(Trial& trial, const Precondition& unchanged, std::string_view changed) {
  const Sequence before = trial.NewestSequence();
  const Status status =
      trial.conditional().WriteIf(unchanged, PutBatch("written", "v"), {}).status();
  EXPECT_EQ(status.code(), StatusCode::kConflict) << status.ToString();
  EXPECT_NE(status.message().find(changed), std::string_view::npos) << status.ToString();
  EXPECT_EQ(trial.NewestSequence(), before);
  EXPECT_EQ(trial.Get("written"), std::nullopt);
}

void ExpectWritten(Trial& trial, const Precondition& unchanged) {
  const Sequence before = trial.NewestSequence();
  const Result<Sequence> written =
      trial.conditional().WriteIf(unchanged, PutBatch("written", "v"), {});
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  EXPECT_EQ(*written, before + 1);
  EXPECT_EQ(trial.Get("written"), "v");
}

void WithoutConditionsItWritesLikeWrite(Subject& subject) {
  Trial trial(subject);
  const Snapshot snapshot = trial.store().TakeSnapshot();
  ExpectWritten(trial, {.since = &snapshot});
}

void ItWritesWhenKeysAndRangesAreUnchanged(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "v");
  trial.Put("m", "v");
  trial.Flush();
  const Snapshot snapshot = trial.store().TakeSnapshot();
  trial.Put("elsewhere", "v");
  trial.Delete("m");
  ExpectWritten(trial, {.since = &snapshot,
                        .keys = {"k", "absent", ""},
                        .ranges = {{.lower = "f", .upper = "m"}, {.lower = "m\x01"}}});
}

void AKeyThatWasPutDeletedOrCreatedIsAConflict(Subject& subject) {
  Trial trial(subject);
  for (const char* key : {"put", "deleted", "same"}) trial.Put(key, "v");
  const Snapshot snapshot = trial.store().TakeSnapshot();
  trial.Put("put", "other");
  trial.Delete("deleted");
  trial.Put("created", "v");
  trial.Put("same", "v");
  trial.Put("", "empty key");
  for (int round = 0; round < 2; ++round) {
    for (const char* key : {"put", "deleted", "created", "same"}) {
      ExpectConflict(trial, {.since = &snapshot, .keys = {"unchanged", key}}, key);
      ExpectConflict(
          trial,
          {.since = &snapshot, .ranges = {{.lower = key, .upper = key + std::string(1, '\0')}}},
          key);
    }
    ExpectConflict(trial, {.since = &snapshot, .keys = {""}}, "");
    trial.Flush();  // The same answers from tables.
  }
}

void AChangeInsideARangeIsAConflict(Subject& subject) {
  Trial trial(subject);
  for (const char* key : {"a", "b", "c", "d"}) trial.Put(key, "v");
  const Snapshot snapshot = trial.store().TakeSnapshot();
  trial.Put("bb", "created");
  ExpectConflict(trial, {.since = &snapshot, .ranges = {{}}}, "bb");
  ExpectConflict(trial, {.since = &snapshot, .ranges = {{.lower = "b", .upper = "c"}}}, "bb");
  ExpectConflict(trial, {.since = &snapshot, .ranges = {{.lower = "bb"}}}, "bb");
  ExpectConflict(trial, {.since = &snapshot, .ranges = {{.lower = "c"}, {.upper = "c"}}}, "bb");
  ExpectWritten(trial,
                {.since = &snapshot,
                 .ranges = {{.upper = "bb"}, {.lower = "bc"}, {.lower = "c", .upper = "b"}}});
}

void ALongHistoryInsideARangeHidesNoChange(Subject& subject) {
  Trial trial(subject);
  for (int i = 0; i < 3'000; ++i) trial.Put("a", std::to_string(i));
  for (int i = 0; i < 3'000; ++i) trial.Put(NumberedKey(i), "v");
  trial.Put("z", "v");
  const Snapshot snapshot = trial.store().TakeSnapshot();
  ExpectWritten(trial, {.since = &snapshot, .ranges = {{}}});
  trial.Delete("written");
  const Snapshot second = trial.store().TakeSnapshot();
  trial.Put("z", "other");
  ExpectConflict(trial, {.since = &second, .ranges = {{}}}, "z");
}

void ADeletionIsRememberedWhileTheSnapshotLives(Subject& subject) {
  Trial trial(subject);
  for (int i = 0; i < 50; ++i) trial.Put(NumberedKey(i), std::string(1'000, 'v'));
  const Snapshot snapshot = trial.store().TakeSnapshot();
  for (int i = 0; i < 50; ++i) trial.Delete(NumberedKey(i));
  for (int round = 0; round < 8; ++round) {
    for (int i = 100; i < 150; ++i) trial.Put(NumberedKey(i), std::string(1'000, 'w'));
    trial.Flush();
  }
  ExpectConflict(trial, {.since = &snapshot, .keys = {NumberedKey(7)}}, NumberedKey(7));
  ExpectConflict(trial, {.since = &snapshot, .ranges = {{.upper = NumberedKey(1)}}},
                 NumberedKey(0));
}

void TheSameKeyMayBeReadAndWritten(Subject& subject) {
  Trial trial(subject);
  trial.Put("counter", "1");
  const Snapshot first = trial.store().TakeSnapshot();
  const Precondition unchanged{.since = &first, .keys = {"counter"}};
  ASSERT_TRUE(trial.conditional().WriteIf(unchanged, PutBatch("counter", "2"), {}).ok());
  EXPECT_EQ(trial.conditional().WriteIf(unchanged, PutBatch("counter", "2"), {}).status().code(),
            StatusCode::kConflict);
  EXPECT_EQ(trial.Get("counter"), "2");
}

void AnEmptyBatchOnlyChecks(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "v");
  const Snapshot snapshot = trial.store().TakeSnapshot();
  const Precondition unchanged{.since = &snapshot, .keys = {"k"}};
  const Result<Sequence> checked = trial.conditional().WriteIf(unchanged, {}, {.sync = true});
  ASSERT_TRUE(checked.ok());
  EXPECT_EQ(*checked, Sequence{1});
  trial.Put("k", "other");
  EXPECT_EQ(trial.conditional().WriteIf(unchanged, {}, {}).status().code(), StatusCode::kConflict);
}

void AConditionalWriteObeysTheLimitsOfWrite(Subject& subject) {
  Trial trial(subject);
  const Snapshot snapshot = trial.store().TakeSnapshot();
  const Precondition unchanged{.since = &snapshot};
  EXPECT_EQ(trial.conditional()
                .WriteIf(unchanged, PutBatch(std::string(kKeyBytesMax + 1, 'k'), "v"), {})
                .status()
                .code(),
            StatusCode::kInvalidArgument);
  ASSERT_TRUE(trial.store().Close().ok());
  EXPECT_EQ(trial.conditional().WriteIf(unchanged, PutBatch("k", "v"), {}).status().code(),
            StatusCode::kUnavailable);
}

void APreconditionNeedsASnapshotOfThisStore(Subject& subject) {
  Trial trial(subject);
  class Foreign final : public SnapshotState {
   public:
    Sequence sequence() const override { return kSequenceNone; }
    uint64_t now_ms() const override { return 0; }
    const void* owner() const override { return this; }
  };
  const Snapshot foreign(std::make_unique<Foreign>());
  for (const Snapshot* since : {static_cast<const Snapshot*>(nullptr), &foreign}) {
    const Status status =
        trial.conditional().WriteIf({.since = since}, PutBatch("k", "v"), {}).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
  }
  EXPECT_EQ(trial.Scan(), Pairs{});
}

}  // namespace

ConformanceTests ConditionalTests() {
  return {
      AIDB_CONFORMANCE_IF(kConditional, WithoutConditionsItWritesLikeWrite),
      AIDB_CONFORMANCE_IF(kConditional, ItWritesWhenKeysAndRangesAreUnchanged),
      AIDB_CONFORMANCE_IF(kConditional, AKeyThatWasPutDeletedOrCreatedIsAConflict),
      AIDB_CONFORMANCE_IF(kConditional, AChangeInsideARangeIsAConflict),
      AIDB_CONFORMANCE_IF(kConditional, ALongHistoryInsideARangeHidesNoChange),
      AIDB_CONFORMANCE_IF(kConditional, ADeletionIsRememberedWhileTheSnapshotLives),
      AIDB_CONFORMANCE_IF(kConditional, TheSameKeyMayBeReadAndWritten),
      AIDB_CONFORMANCE_IF(kConditional, AnEmptyBatchOnlyChecks),
      AIDB_CONFORMANCE_IF(kConditional, AConditionalWriteObeysTheLimitsOfWrite),
      AIDB_CONFORMANCE_IF(kConditional, APreconditionNeedsASnapshotOfThisStore),
  };
}

}  // namespace aidb::kv
