// Order, sizes, batches, sequences.

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "aidb/base/bytes.h"
#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

using std::string_literals::operator""s;

void OrderIsUnsignedByteOrderAndAPrefixComesBeforeItsExtensions(Subject& subject) {
  Trial trial(subject);
  const std::vector<std::string> ordered = {
      "",     "\0"s,     "\0\0"s,    "\0\x01"s, "\x01"s,   "A",        "a", "a\0"s,
      "aa",   "ab",      "a\x7F",    "a\x80",   "a\xFF",   "a\xFF\0"s, "b", "\x7F",
      "\x80", "\x80\0"s, "\xFE\xFF", "\xFF",    "\xFF\0"s, "\xFF\xFF"};
  std::vector<std::string> shuffled = ordered;
  for (size_t i = 0; i < shuffled.size(); ++i) {
    std::swap(shuffled[i], shuffled[(i * 7 + 3) % shuffled.size()]);
  }
  for (const std::string& key : shuffled) trial.Put(key, "v" + key);
  EXPECT_EQ(trial.Keys(), ordered);
  trial.Flush();
  EXPECT_EQ(trial.Keys(), ordered);
  for (const std::string& key : ordered) EXPECT_EQ(trial.Get(key), "v" + key);
}

void TheEmptyKeyIsAKey(Subject& subject) {
  Trial trial(subject);
  EXPECT_EQ(trial.Get(""), std::nullopt);
  trial.Put("", "value of the empty key");
  trial.Put("a", "1");
  EXPECT_EQ(trial.Get(""), "value of the empty key");
  EXPECT_EQ(trial.Keys(), (std::vector<std::string>{"", "a"}));
  trial.Flush();
  EXPECT_EQ(trial.Get(""), "value of the empty key");
  trial.Delete("");
  EXPECT_EQ(trial.Get(""), std::nullopt);
  EXPECT_EQ(trial.Keys(), std::vector<std::string>{"a"});
}

void AnEmptyValueIsNotAbsence(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "");
  EXPECT_EQ(trial.Get("k"), "");
  EXPECT_EQ(trial.Get("other"), std::nullopt);
  EXPECT_EQ(trial.Scan(), (Pairs{{"k", ""}}));
  trial.Flush();
  EXPECT_EQ(trial.Get("k"), "");
}

void DeletingAnAbsentKeySucceeds(Subject& subject) {
  Trial trial(subject);
  trial.Delete("never there");
  EXPECT_EQ(trial.Get("never there"), std::nullopt);
  EXPECT_EQ(trial.Scan(), Pairs{});
}

void ADeletedKeyIsAbsentUntilItIsPutAgain(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "first");
  trial.Flush();
  trial.Delete("k");
  EXPECT_EQ(trial.Get("k"), std::nullopt);
  trial.Flush();
  EXPECT_EQ(trial.Get("k"), std::nullopt);
  trial.Put("k", "second");
  EXPECT_EQ(trial.Get("k"), "second");
}

void KeysReachTheLimitAndNotBeyond(Subject& subject) {
  Trial trial(subject);
  const std::string longest(kKeyBytesMax, 'k');
  trial.Put(longest, "v");
  EXPECT_EQ(trial.Get(longest), "v");
  trial.Flush();
  EXPECT_EQ(trial.Get(longest), "v");
  EXPECT_EQ(trial.Keys(), std::vector<std::string>{longest});
  trial.Delete(longest);
  EXPECT_EQ(trial.Get(longest), std::nullopt);

  const Sequence before = trial.NewestSequence();
  const std::string too_long(kKeyBytesMax + 1, 'k');
  WriteBatch deletes;
  deletes.Put("beside", "v");
  deletes.Delete(too_long);
  for (WriteBatch batch : {PutBatch(too_long, "v"), deletes}) {
    const Status status = trial.store().Write(std::move(batch), {}).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("1048577"), std::string_view::npos) << status.ToString();
    EXPECT_NE(status.message().find("1048576"), std::string_view::npos) << status.ToString();
  }
  EXPECT_EQ(trial.NewestSequence(), before);
  EXPECT_EQ(trial.Scan(), Pairs{});
}

void BatchesReachBatchBytesMaxAndNotBeyond(Subject& subject) {
  Options options = subject.options();
  options.batch_bytes_max = 100'000;
  Trial trial(subject, options);
  // Kind, key length, key "k", value length of three bytes.
  const size_t largest_value = options.batch_bytes_max - 1 - 1 - 1 - VarintSize(99'000);
  const std::string largest(largest_value, 'v');
  trial.Put("k", largest);
  EXPECT_EQ(trial.Get("k"), largest);

  const Sequence before = trial.NewestSequence();
  WriteBatch two;
  two.Put("other", "v");
  two.Put("k", largest);
  for (WriteBatch batch : {PutBatch("k", largest + "v"), two}) {
    const std::string size = std::to_string(batch.size_bytes());
    const Status status = trial.store().Write(std::move(batch), {}).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find(size), std::string_view::npos) << status.ToString();
    EXPECT_NE(status.message().find("100000"), std::string_view::npos) << status.ToString();
  }
  EXPECT_EQ(trial.NewestSequence(), before);
  EXPECT_EQ(trial.Scan(), (Pairs{{"k", largest}}));
}

void OperationsOfABatchApplyInOrderAndTheLastOnAKeyWins(Subject& subject) {
  Trial trial(subject);
  trial.Put("deleted", "before");
  WriteBatch batch;
  batch.Put("put", "first");
  batch.Delete("put");
  batch.Put("put", "last");
  batch.Put("deleted", "first");
  batch.Delete("deleted");
  trial.Write(std::move(batch));
  EXPECT_EQ(trial.Scan(), (Pairs{{"put", "last"}}));
  EXPECT_EQ(trial.Get("deleted"), std::nullopt);
  trial.Flush();
  EXPECT_EQ(trial.Scan(), (Pairs{{"put", "last"}}));
}

void OperationsGetConsecutiveSequencesFromOne(Subject& subject) {
  Trial trial(subject);
  EXPECT_EQ(trial.NewestSequence(), kSequenceNone);
  EXPECT_EQ(trial.Put("a", "1"), Sequence{1});
  WriteBatch batch;
  batch.Put("b", "1");
  batch.Delete("absent");
  batch.Put("b", "2");
  EXPECT_EQ(trial.Write(std::move(batch)), Sequence{4});
  EXPECT_EQ(trial.Delete("a"), Sequence{5});
  EXPECT_EQ(trial.NewestSequence(), Sequence{5});
}

void AnEmptyBatchSucceedsWithoutASequence(Subject& subject) {
  Trial trial(subject);
  EXPECT_EQ(trial.Write({}), kSequenceNone);
  trial.Put("a", "1");
  trial.Put("b", "2");
  EXPECT_EQ(trial.Write({}), Sequence{2});
  const Result<Sequence> synced = trial.store().Write({}, {.sync = true});
  ASSERT_TRUE(synced.ok()) << synced.status().ToString();
  EXPECT_EQ(*synced, Sequence{2});
  EXPECT_EQ(trial.Put("c", "3"), Sequence{3});
}

void ASyncedWriteIsVisibleLikeAnyOther(Subject& subject) {
  Trial trial(subject);
  const Result<Sequence> written = trial.store().Write(PutBatch("k", "v"), {.sync = true});
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  EXPECT_EQ(*written, Sequence{1});
  EXPECT_EQ(trial.Get("k"), "v");
}

void ABatchOfManyOperationsAppliesWhole(Subject& subject) {
  Trial trial(subject);
  WriteBatch batch;
  for (int i = 0; i < 10'000; ++i) batch.Put(NumberedKey(i), std::to_string(i));
  for (int i = 0; i < 10'000; i += 2) batch.Delete(NumberedKey(i));
  EXPECT_EQ(trial.Write(std::move(batch)), Sequence{15'000});
  const Pairs pairs = trial.Scan();
  ASSERT_EQ(pairs.size(), 5'000u);
  for (int i = 0; i < 5'000; ++i) {
    EXPECT_EQ(pairs[static_cast<size_t>(i)],
              std::make_pair(NumberedKey(2 * i + 1), std::to_string(2 * i + 1)));
  }
}

}  // namespace

ConformanceTests WriteTests() {
  return {
      AIDB_CONFORMANCE(OrderIsUnsignedByteOrderAndAPrefixComesBeforeItsExtensions),
      AIDB_CONFORMANCE(TheEmptyKeyIsAKey),
      AIDB_CONFORMANCE(AnEmptyValueIsNotAbsence),
      AIDB_CONFORMANCE(DeletingAnAbsentKeySucceeds),
      AIDB_CONFORMANCE(ADeletedKeyIsAbsentUntilItIsPutAgain),
      AIDB_CONFORMANCE(KeysReachTheLimitAndNotBeyond),
      AIDB_CONFORMANCE(BatchesReachBatchBytesMaxAndNotBeyond),
      AIDB_CONFORMANCE(OperationsOfABatchApplyInOrderAndTheLastOnAKeyWins),
      AIDB_CONFORMANCE(OperationsGetConsecutiveSequencesFromOne),
      AIDB_CONFORMANCE(AnEmptyBatchSucceedsWithoutASequence),
      AIDB_CONFORMANCE(ASyncedWriteIsVisibleLikeAnyOther),
      AIDB_CONFORMANCE(ABatchOfManyOperationsAppliesWhole),
  };
}

}  // namespace aidb::kv
