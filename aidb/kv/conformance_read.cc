// Visibility, MultiGet, snapshots, values.

#include <string>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

// Answers as text: the value, "-" for absent, the name of the code for an error.
std::vector<std::string> Texts(const std::vector<Result<std::optional<PinnedValue>>>& answers) {
  std::vector<std::string> texts;
  for (const auto& answer : answers) {
    if (!answer.ok()) {
      texts.emplace_back(StatusCodeName(answer.status().code()));
    } else {
      texts.emplace_back(answer->has_value() ? (*answer)->view() : "-");
    }
  }
  return texts;
}

// Writes and deletes enough to make a store with small buffers flush and compact.
void Churn(Trial& trial, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 200; ++i) {
      if ((i + round) % 5 == 0) {
        trial.Delete(NumberedKey(i));
      } else {
        trial.Put(NumberedKey(i), std::string(300, static_cast<char>('a' + round % 26)));
      }
    }
    trial.Flush();
  }
}

void AWriteIsSeenByEveryLaterReadOnAnyThread(Subject& subject) {
  Trial trial(subject);
  for (int i = 0; i < 100; ++i) {
    trial.Put("k", std::to_string(i));
    std::optional<std::string> seen;
    trial.Start([&] { seen = trial.Get("k"); })->Join();
    EXPECT_EQ(seen, std::to_string(i));
  }
}

void MultiGetAnswersInTheOrderAskedDuplicatesIncluded(Subject& subject) {
  Trial trial(subject);
  trial.Put("a", "1");
  trial.Put("c", "3");
  trial.Flush();
  trial.Put("b", "2");
  trial.Put("", "0");
  trial.Delete("c");
  const std::string_view keys[] = {"c", "b", "", "a", "b", "absent", "b"};
  const std::vector<std::string> expected = {"-", "2", "0", "1", "2", "-", "2"};
  EXPECT_EQ(Texts(trial.store().MultiGet(keys, {})), expected);
}

void MultiGetOfNothingAnswersNothing(Subject& subject) {
  Trial trial(subject);
  EXPECT_TRUE(trial.store().MultiGet({}, {}).empty());
}

void MultiGetTakesItsLimitAndRefusesMoreWithAnErrorForEachKey(Subject& subject) {
  Trial trial(subject);
  trial.Put("a", "1");
  trial.Put("b", "2");
  std::vector<std::string_view> keys(kMultiGetKeysMax, "a");
  keys.back() = "b";
  std::vector<std::string> expected(kMultiGetKeysMax, "1");
  expected.back() = "2";
  EXPECT_TRUE(Texts(trial.store().MultiGet(keys, {})) == expected);

  keys.push_back("c");
  const auto refused = trial.store().MultiGet(keys, {});
  ASSERT_EQ(refused.size(), keys.size());
  for (const auto& answer : refused) {
    ASSERT_EQ(answer.status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_NE(refused[0].status().message().find("65537"), std::string_view::npos);
  EXPECT_NE(refused[0].status().message().find("65536"), std::string_view::npos);
}

void MultiGetReadsAtItsSnapshot(Subject& subject) {
  Trial trial(subject);
  trial.Put("a", "old");
  trial.Put("b", "old");
  const Snapshot snapshot = trial.store().TakeSnapshot();
  trial.Put("a", "new");
  trial.Delete("b");
  trial.Put("c", "new");
  const std::string_view keys[] = {"a", "b", "c"};
  EXPECT_EQ(Texts(trial.store().MultiGet(keys, {.snapshot = &snapshot})),
            (std::vector<std::string>{"old", "old", "-"}));
  EXPECT_EQ(Texts(trial.store().MultiGet(keys, {})), (std::vector<std::string>{"new", "-", "new"}));
}

void ASnapshotIsTheStateAfterOneSequence(Subject& subject) {
  Trial trial(subject);
  const Snapshot nothing = trial.store().TakeSnapshot();
  const Sequence first = trial.Put("k", "first");
  const Snapshot one = trial.store().TakeSnapshot();
  const Sequence second = trial.Put("k", "second");
  const Snapshot two = trial.store().TakeSnapshot();
  trial.Delete("k");
  EXPECT_EQ(nothing.sequence(), kSequenceNone);
  EXPECT_EQ(one.sequence(), first);
  EXPECT_EQ(two.sequence(), second);
  EXPECT_EQ(trial.Get("k", &nothing), std::nullopt);
  EXPECT_EQ(trial.Get("k", &one), "first");
  EXPECT_EQ(trial.Get("k", &two), "second");
  EXPECT_EQ(trial.Get("k"), std::nullopt);
  EXPECT_EQ(trial.Scan({.snapshot = &nothing}), Pairs{});
  EXPECT_EQ(trial.Scan({.snapshot = &one}), (Pairs{{"k", "first"}}));
}

void ReadsThroughASnapshotRepeatAcrossWritesFlushesAndCompactions(Subject& subject) {
  Trial trial(subject);
  Churn(trial, 1);
  const Snapshot snapshot = trial.store().TakeSnapshot();
  const Pairs expected = trial.Scan();
  ASSERT_EQ(expected.size(), 160u);
  Churn(trial, 12);
  EXPECT_TRUE(trial.Scan({.snapshot = &snapshot}) == expected);
  Pairs reversed = trial.Scan({.order = ScanOrder::kReverse, .snapshot = &snapshot});
  EXPECT_TRUE(Pairs(reversed.rbegin(), reversed.rend()) == expected);
  for (const auto& [key, value] : expected) EXPECT_EQ(trial.Get(key, &snapshot), value);
  for (int i = 0; i < 200; i += 5) EXPECT_EQ(trial.Get(NumberedKey(i), &snapshot), std::nullopt);
}

void ReadsThroughASnapshotRepeatWhenOtherHandlesGo(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "1");
  std::optional<Snapshot> older = trial.store().TakeSnapshot();
  trial.Put("k", "2");
  const Snapshot kept = trial.store().TakeSnapshot();
  std::optional<Snapshot> same = trial.store().TakeSnapshot();
  std::optional<Iterator> iterator = trial.store().Scan({});
  trial.Put("k", "3");
  std::optional<Snapshot> younger = trial.store().TakeSnapshot();
  trial.Put("k", "4");
  older.reset();
  same.reset();
  younger.reset();
  iterator.reset();
  Churn(trial, 4);
  EXPECT_EQ(trial.Get("k", &kept), "2");
  EXPECT_EQ(trial.Scan({.upper = "k0", .snapshot = &kept}), (Pairs{{"k", "2"}}));
}

void StatsCountLiveSnapshots(Subject& subject) {
  Trial trial(subject);
  EXPECT_EQ(trial.store().Stats().snapshots, 0u);
  {
    const Snapshot one = trial.store().TakeSnapshot();
    const Snapshot two = trial.store().TakeSnapshot();
    EXPECT_EQ(trial.store().Stats().snapshots, 2u);
  }
  EXPECT_EQ(trial.store().Stats().snapshots, 0u);
}

void ASnapshotOfAnotherStoreIsRefused(Subject& subject) {
  Options options = subject.options();
  Trial trial(subject, options);
  trial.Put("k", "v");
  // A snapshot of no store at all stands for that of another: both have a foreign owner.
  class Foreign final : public SnapshotState {
   public:
    Sequence sequence() const override { return Sequence{1}; }
    uint64_t now_ms() const override { return 0; }
    const void* owner() const override { return this; }
  };
  const Snapshot foreign(std::make_unique<Foreign>());
  EXPECT_EQ(trial.store().Get("k", {.snapshot = &foreign}).status().code(),
            StatusCode::kInvalidArgument);
  const std::string_view keys[] = {"k", "l"};
  EXPECT_EQ(
      Texts(trial.store().MultiGet(keys, {.snapshot = &foreign})),
      (std::vector<std::string>(2, std::string(StatusCodeName(StatusCode::kInvalidArgument)))));
  Iterator iterator = trial.store().Scan({.snapshot = &foreign});
  EXPECT_FALSE(iterator.Valid());
  EXPECT_EQ(iterator.status().code(), StatusCode::kInvalidArgument);
  iterator.Seek("k");
  EXPECT_FALSE(iterator.Valid());
  EXPECT_EQ(iterator.status().code(), StatusCode::kInvalidArgument);
}

void APinnedValueOutlivesOverwriteFlushCloseAndStore(Subject& subject) {
  Trial trial(subject);
  const std::string large(50'000, 'l');
  trial.Put("small", "s");
  trial.Put("large", large);
  auto small_buffered = trial.store().Get("small", {});
  auto large_buffered = trial.store().Get("large", {});
  trial.Flush();
  auto small_stored = trial.store().Get("small", {});
  auto large_stored = trial.store().Get("large", {});
  trial.Put("small", "other");
  trial.Delete("large");
  Churn(trial, 3);
  EXPECT_TRUE(trial.store().Close().ok());
  trial.Drop();
  EXPECT_EQ((*small_buffered)->view(), "s");
  EXPECT_EQ((*large_buffered)->view(), large);
  EXPECT_EQ((*small_stored)->view(), "s");
  EXPECT_EQ((*large_stored)->view(), large);
}

void ASnapshotOutlivesTheStore(Subject& subject) {
  Trial trial(subject);
  const Sequence written = trial.Put("k", "v");
  const Snapshot snapshot = trial.store().TakeSnapshot();
  EXPECT_TRUE(trial.store().Close().ok());
  EXPECT_EQ(trial.store().Get("k", {.snapshot = &snapshot}).status().code(),
            StatusCode::kUnavailable);
  trial.Drop();
  EXPECT_EQ(snapshot.sequence(), written);
}

}  // namespace

ConformanceTests ReadTests() {
  return {
      AIDB_CONFORMANCE(AWriteIsSeenByEveryLaterReadOnAnyThread),
      AIDB_CONFORMANCE(MultiGetAnswersInTheOrderAskedDuplicatesIncluded),
      AIDB_CONFORMANCE(MultiGetOfNothingAnswersNothing),
      AIDB_CONFORMANCE(MultiGetTakesItsLimitAndRefusesMoreWithAnErrorForEachKey),
      AIDB_CONFORMANCE(MultiGetReadsAtItsSnapshot),
      AIDB_CONFORMANCE(ASnapshotIsTheStateAfterOneSequence),
      AIDB_CONFORMANCE(ReadsThroughASnapshotRepeatAcrossWritesFlushesAndCompactions),
      AIDB_CONFORMANCE(ReadsThroughASnapshotRepeatWhenOtherHandlesGo),
      AIDB_CONFORMANCE(StatsCountLiveSnapshots),
      AIDB_CONFORMANCE(ASnapshotOfAnotherStoreIsRefused),
      AIDB_CONFORMANCE(APinnedValueOutlivesOverwriteFlushCloseAndStore),
      AIDB_CONFORMANCE(ASnapshotOutlivesTheStore),
  };
}

}  // namespace aidb::kv
