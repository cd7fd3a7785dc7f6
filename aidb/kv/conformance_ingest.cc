// Sorted files that become part of a store.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

// The file `name` of what `content` has, ingested; its sequence.
Sequence Ingest(Trial& trial, std::string_view name, const WriteBatch& content) {
  const Status made = trial.subject().MakeSortedFile(name, content);
  EXPECT_TRUE(made.ok()) << made.ToString();
  const std::vector<std::string> paths{trial.subject().PathOf(name)};
  const auto sequence = trial.ingester().Ingest(paths);
  EXPECT_TRUE(sequence.ok()) << sequence.status().ToString();
  return sequence.ok() ? *sequence : kSequenceNone;
}

Status IngestFails(Trial& trial, const std::vector<std::string>& names) {
  std::vector<std::string> paths;
  for (const std::string& name : names) paths.push_back(trial.subject().PathOf(name));
  return trial.ingester().Ingest(paths).status();
}

WriteBatch Puts(int first, int count, std::string_view value) {
  WriteBatch batch;
  for (int i = first; i < first + count; ++i) batch.Put(NumberedKey(i), value);
  return batch;
}

void WhatIsIngestedIsThereBeforeAndAfterAFlush(Subject& subject) {
  Trial trial(subject);
  trial.Put(NumberedKey(5), "old");
  trial.Put("other", "v");
  const Sequence sequence = Ingest(trial, "file", Puts(0, 1000, "ingested"));
  EXPECT_EQ(sequence, trial.NewestSequence());
  trial.Put(NumberedKey(7), "new");
  const Pairs now = trial.Scan();
  EXPECT_EQ(now.size(), 1001u);
  EXPECT_EQ(trial.Get(NumberedKey(5)), "ingested");
  EXPECT_EQ(trial.Get(NumberedKey(7)), "new");
  EXPECT_EQ(trial.Get("other"), "v");
  trial.Flush();
  EXPECT_TRUE(trial.Scan() == now);
}

void WhatIsIngestedIsDurable(Subject& subject) {
  Trial trial(subject);
  trial.Put(NumberedKey(5), "old");
  const Sequence sequence = Ingest(trial, "file", Puts(0, 100, "ingested"));
  const Pairs now = trial.Scan();
  trial.KillAndReopen();
  EXPECT_TRUE(trial.Scan() == now);
  EXPECT_EQ(trial.NewestSequence(), sequence);
  EXPECT_EQ(trial.Put("next", "v"), sequence + 1);
  trial.Reopen();
  EXPECT_EQ(trial.Get(NumberedKey(5)), "ingested");
  EXPECT_EQ(trial.Get("next"), "v");
}

void SnapshotsAndIteratorsSeeAnIngestAsAWrite(Subject& subject) {
  Trial trial(subject);
  trial.Put(NumberedKey(1), "old");
  trial.Put(NumberedKey(3), "old");
  const Snapshot before = trial.store().TakeSnapshot();
  Iterator walk = trial.store().Scan({});
  WriteBatch content;
  content.DeleteRange(NumberedKey(3), NumberedKey(9));
  content.Put(NumberedKey(1), "ingested");
  content.Put(NumberedKey(4), "ingested");
  Ingest(trial, "file", content);
  const Snapshot after = trial.store().TakeSnapshot();
  trial.Put(NumberedKey(4), "new");
  const Pairs old{{NumberedKey(1), "old"}, {NumberedKey(3), "old"}};
  const Pairs ingested{{NumberedKey(1), "ingested"}, {NumberedKey(4), "ingested"}};
  EXPECT_TRUE(Drain(walk) == old);
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(trial.Scan({.snapshot = &before}) == old);
    EXPECT_TRUE(trial.Scan({.snapshot = &after}) == ingested);
    EXPECT_TRUE(trial.Scan({.order = ScanOrder::kReverse, .snapshot = &after}) ==
                Pairs(ingested.rbegin(), ingested.rend()));
    EXPECT_EQ(trial.Get(NumberedKey(3), &before), "old");
    EXPECT_EQ(trial.Get(NumberedKey(3), &after), std::nullopt);
    EXPECT_EQ(trial.Get(NumberedKey(4)), "new");
    trial.Flush();
  }
}

void RangeDeletesOfAFileComeBeforeItsKeys(Subject& subject) {
  Trial trial(subject);
  for (int i = 0; i < 20; ++i) trial.Put(NumberedKey(i), "old");
  WriteBatch content;
  content.DeleteRange(NumberedKey(5), NumberedKey(10));
  content.DeleteRange(NumberedKey(12), NumberedKey(15));
  content.Put(NumberedKey(7), "kept");
  content.Delete(NumberedKey(18));
  Ingest(trial, "file", content);
  std::vector<std::string> expected;
  for (int i = 0; i < 20; ++i) {
    const bool gone = (i >= 5 && i < 10 && i != 7) || (i >= 12 && i < 15) || i == 18;
    if (!gone) expected.push_back(NumberedKey(i));
  }
  EXPECT_EQ(trial.Keys(), expected);
  EXPECT_EQ(trial.Get(NumberedKey(7)), "kept");
  EXPECT_EQ(trial.Get(NumberedKey(6)), std::nullopt);
  trial.Put(NumberedKey(6), "later");
  EXPECT_EQ(trial.Get(NumberedKey(6)), "later");
}

void IngestedValuesExpire(Subject& subject) {
  Trial trial(subject);
  const uint64_t then = trial.now_ms() + 1000;
  WriteBatch content;
  content.Put("a", "v", then);
  content.Put("b", "v");
  Ingest(trial, "file", content);
  EXPECT_EQ(trial.Get("a"), "v");
  const auto value = trial.store().Get("a", {});
  ASSERT_TRUE(value.ok() && *value);
  EXPECT_EQ((*value)->expires_at_ms(), then);
  trial.SetClock(then);
  EXPECT_EQ(trial.Get("a"), std::nullopt);
  EXPECT_EQ(trial.Keys(), std::vector<std::string>{"b"});
}

void SeveralFilesAreOneIngest(Subject& subject) {
  Trial trial(subject);
  trial.Put(NumberedKey(50), "between");
  ASSERT_TRUE(subject.MakeSortedFile("late", Puts(60, 30, "late")).ok());
  ASSERT_TRUE(subject.MakeSortedFile("early", Puts(10, 30, "early")).ok());
  const std::vector<std::string> paths{subject.PathOf("late"), subject.PathOf("early")};
  const auto sequence = trial.ingester().Ingest(paths);
  ASSERT_TRUE(sequence.ok()) << sequence.status().ToString();
  EXPECT_EQ(trial.Scan().size(), 61u);
  // The same once more replaces itself.
  const auto again = trial.ingester().Ingest(paths);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_GT(*again, *sequence);
  EXPECT_EQ(trial.Scan().size(), 61u);
}

void WhatCannotBeIngestedChangesNothing(Subject& subject) {
  Trial trial(subject);
  trial.Put(NumberedKey(0), "v");
  ASSERT_TRUE(subject.MakeSortedFile("one", Puts(0, 10, "v")).ok());
  ASSERT_TRUE(subject.MakeSortedFile("two", Puts(9, 10, "v")).ok());
  const Sequence newest = trial.NewestSequence();
  EXPECT_EQ(IngestFails(trial, {}).code(), StatusCode::kInvalidArgument);
  const Status missing = IngestFails(trial, {"one", "missing"});
  EXPECT_EQ(missing.code(), StatusCode::kInvalidArgument) << missing.ToString();
  EXPECT_NE(missing.message().find("missing"), std::string::npos);
  const Status shared = IngestFails(trial, {"one", "two"});
  EXPECT_EQ(shared.code(), StatusCode::kInvalidArgument) << shared.ToString();
  for (const std::string_view name : {"one", "two"}) {
    EXPECT_NE(shared.message().find(subject.PathOf(name)), std::string::npos) << shared.ToString();
  }
  EXPECT_EQ(trial.NewestSequence(), newest);
  EXPECT_EQ(trial.Keys(), std::vector<std::string>{NumberedKey(0)});
  ASSERT_TRUE(trial.store().Close().ok());
  EXPECT_EQ(IngestFails(trial, {"one"}).code(), StatusCode::kUnavailable);
}

void AReadOnlyStoreTakesNoFile(Subject& subject) {
  {
    Trial trial(subject);
    trial.Put("k", "v");
    ASSERT_TRUE(trial.store().Close().ok());
  }
  ASSERT_TRUE(subject.MakeSortedFile("one", Puts(0, 10, "v")).ok());
  Options options = subject.options();
  options.mode = StoreMode::kReadOnly;
  Trial trial(subject, options);
  EXPECT_EQ(IngestFails(trial, {"one"}).code(), StatusCode::kUnavailable);
  EXPECT_EQ(trial.Get("k"), "v");
}

}  // namespace

ConformanceTests IngestTests() {
  return {
      AIDB_CONFORMANCE_IF(kIngester, WhatIsIngestedIsThereBeforeAndAfterAFlush),
      AIDB_CONFORMANCE_IF(kDurableIngester, WhatIsIngestedIsDurable),
      AIDB_CONFORMANCE_IF(kIngester, SnapshotsAndIteratorsSeeAnIngestAsAWrite),
      AIDB_CONFORMANCE_IF(kIngester, RangeDeletesOfAFileComeBeforeItsKeys),
      AIDB_CONFORMANCE_IF(kIngester, IngestedValuesExpire),
      AIDB_CONFORMANCE_IF(kIngester, SeveralFilesAreOneIngest),
      AIDB_CONFORMANCE_IF(kIngester, WhatCannotBeIngestedChangesNothing),
      AIDB_CONFORMANCE_IF(kDurableIngester, AReadOnlyStoreTakesNoFile),
  };
}

}  // namespace aidb::kv
