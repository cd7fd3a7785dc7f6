// Operands of merges in flushes and merges of tables.

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/lsm/operands.h"
#include "aidb/lsm/table_cache.h"
#include "aidb/lsm/table_for_test.h"
#include "aidb/lsm/table_writer.h"
#include "aidb/lsm/test_files.h"
#include "aidb/lsm/vector_cursor_for_test.h"
#include "aidb/testing/status_matchers.h"

namespace aidb::lsm {
namespace {

using kv::MergeOperator;

constexpr auto kUsers = static_cast<MergeOperator>(200);

class Wraps final : public kv::MergeFunction {
 public:
  std::string Merge(MergeOperator /*op*/, std::string_view /*key*/,
                    std::optional<std::string_view> value,
                    std::string_view operand) const override {
    return "(" + std::string(value.value_or("nothing")) + std::string(operand) + ")";
  }
};

class Salts final : public Random {
 public:
  uint64_t Next() override { return rng_.Next(); }

 private:
  Rng rng_{1};
};

OwnedEntry Put(std::string key, uint64_t sequence, std::string value) {
  return {std::move(key), Sequence{sequence}, OpKind::kPut, std::move(value)};
}
OwnedEntry Delete(std::string key, uint64_t sequence) {
  return {std::move(key), Sequence{sequence}, OpKind::kDelete, ""};
}
OwnedEntry Merge(std::string key, uint64_t sequence, MergeOperator op, std::string_view operand) {
  return {std::move(key), Sequence{sequence}, OpKind::kMerge, EncodeOperand(op, operand)};
}
OwnedEntry Add(std::string key, uint64_t sequence, std::string_view number) {
  return Merge(std::move(key), sequence, MergeOperator::kAddI64, number);
}

// "k@3+1" for an addition, "k@3?200:x" for a user's operand, "k@3=v", "k@3-".
std::string Show(const std::vector<OwnedEntry>& entries) {
  std::string text;
  for (const OwnedEntry& entry : entries) {
    if (!text.empty()) text += ' ';
    text += entry.key + "@" + std::to_string(ToNumber(entry.sequence));
    if (entry.kind == OpKind::kDelete) text += '-';
    if (entry.kind == OpKind::kPut) text += "=" + entry.value;
    if (entry.kind == OpKind::kPutExpiring) {
      text += "=" + entry.value + " until " + std::to_string(entry.expires_at_ms);
    }
    if (entry.kind != OpKind::kMerge) continue;
    const Operand operand = OperandIn(entry.value);
    if (operand.op == MergeOperator::kAddI64) {
      text += "+" + std::string(operand.bytes);
    } else {
      text += "?" + std::to_string(static_cast<int>(operand.op)) + ":" + std::string(operand.bytes);
    }
  }
  return text;
}

struct Written {
  Status status;
  std::vector<OwnedEntry> entries;
  uint64_t folded = 0;
  uint64_t operands = 0;  // As the facts have it.
};

Written Through(const std::vector<OwnedEntry>& entries, KeepRule rule,
                kv::Merger merger = kv::Merger(), uint64_t table_bytes = 1000) {
  TestFiles files;
  FileNumbers numbers(1);
  Salts salts;
  BlockCache blocks(1 << 20);
  TableCache tables(files, "d", blocks, 100);
  VectorCursor cursor(entries);
  const auto written =
      WriteTables(cursor, rule,
                  {.files = files,
                   .directory = "d",
                   .numbers = numbers,
                   .random = salts,
                   .table = {.block_bytes = 200, .compression = kv::Compression::kNone},
                   .table_bytes = table_bytes,
                   .grandparents = {},
                   .stop = nullptr,
                   .merger = merger});
  if (!written.ok()) return {.status = written.status(), .entries = {}};
  Written result{.status = {}, .entries = {}, .folded = written->folded};
  for (const TableFacts& facts : written->tables) {
    result.operands += facts.operands;
    const auto reader = tables.Get(facts);
    if (!reader.ok()) return {.status = reader.status(), .entries = {}};
    if (Status sound = (*reader)->Check(); !sound.ok()) return {.status = sound, .entries = {}};
    const auto walk = (*reader)->NewCursor(CacheFill::kPassBy);
    for (walk->SeekToFirst(); walk->valid(); walk->Next()) {
      result.entries.push_back(Own(walk->entry()));
    }
  }
  return result;
}

Readers At(std::vector<uint64_t> snapshots, uint64_t clock_ms = 0) {
  Readers readers{.clock_ms = clock_ms};
  for (const uint64_t snapshot : snapshots) readers.snapshots.push_back(Sequence{snapshot});
  return readers;
}
std::string Flushed(const std::vector<OwnedEntry>& entries, std::vector<uint64_t> snapshots = {}) {
  const Written written = Through(entries, KeepRule::ForFlush(At(std::move(snapshots))));
  return written.status.ok() ? Show(written.entries) : written.status.ToString();
}
KeepRule BottomRule(Readers readers, std::span<const RangeDelete> ranges = {}) {
  return KeepRule::ForCompaction(std::move(readers), OlderTables(), KeepRule::Zeroing::kAtTheBottom,
                                 ranges);
}
std::string AtTheBottom(const std::vector<OwnedEntry>& entries,
                        std::vector<uint64_t> snapshots = {}) {
  const Written written = Through(entries, BottomRule(At(std::move(snapshots))));
  return written.status.ok() ? Show(written.entries) : written.status.ToString();
}

TEST(CompactionOperands, FoldOntoWhatTheyLieOn) {
  EXPECT_EQ(Flushed({Add("k", 4, "1"), Add("k", 3, "2"), Put("k", 2, "5"), Put("k", 1, "9")}),
            "k@4=8");
  EXPECT_EQ(Flushed({Add("k", 3, "1"), Delete("k", 2), Put("k", 1, "9")}), "k@3=1");
  EXPECT_EQ(AtTheBottom({Add("k", 4, "1"), Put("k", 2, "5")}), "k@0=6");
}

TEST(CompactionOperands, WaitWhereWhatTheyLieOnMayBeElsewhere) {
  EXPECT_EQ(Flushed({Add("j", 2, "7"), Add("k", 4, "1"), Add("k", 3, "2"), Put("l", 1, "v")}),
            "j@2+7 k@4+3 l@1=v");
  EXPECT_EQ(AtTheBottom({Add("j", 2, "7"), Add("k", 4, "1"), Add("k", 3, "2")}), "j@0=7 k@0=3");
}

TEST(CompactionOperands, OfSeveralOperatorsApplyInTheirOrder) {
  const std::vector<OwnedEntry> entries{Add("k", 6, "1"), Merge("k", 5, MergeOperator::kMax, "3"),
                                        Merge("k", 4, MergeOperator::kMax, "2"), Add("k", 3, "-5"),
                                        Add("k", 2, "-6")};
  EXPECT_EQ(Flushed(entries), "k@6+1 k@5?3:3 k@3+-11");
  EXPECT_EQ(AtTheBottom(entries), "k@0=4");
}

TEST(CompactionOperands, FoldOnOneSideOfASnapshotOnly) {
  const std::vector<OwnedEntry> entries{Add("k", 5, "1"), Add("k", 4, "2"), Add("k", 3, "3"),
                                        Add("k", 2, "4"), Put("k", 1, "10")};
  EXPECT_EQ(Flushed(entries, {3}), "k@5+3 k@3=17");
  EXPECT_EQ(AtTheBottom(entries, {3}), "k@5+3 k@0=17");
  EXPECT_EQ(AtTheBottom(entries, {1, 3}), "k@5+3 k@3+7 k@0=10");
  EXPECT_EQ(AtTheBottom({Add("k", 5, "1"), Add("k", 4, "2")}, {4}), "k@5+1 k@0=2");
}

TEST(CompactionOperands, EndAtARangeDelete) {
  const std::vector<OwnedEntry> entries{Add("k", 9, "1"), Add("k", 7, "2"), Add("k", 4, "3"),
                                        Put("k", 2, "10")};
  const std::vector<RangeDelete> ranges{{"a", "z", Sequence{5}}};
  const Written flushed = Through(entries, KeepRule::ForFlush(At({}), ranges));
  ASSERT_OK(flushed.status);
  EXPECT_EQ(Show(flushed.entries), "k@9=3");
  const Written between = Through(entries, KeepRule::ForFlush(At({4}), ranges));
  ASSERT_OK(between.status);
  EXPECT_EQ(Show(between.entries), "k@9+3 k@4=13") << "the range delete keeps them apart";
  const Written above = Through(entries, KeepRule::ForFlush(At({6}), ranges));
  ASSERT_OK(above.status);
  EXPECT_EQ(Show(above.entries), "k@9+3");
}

TEST(CompactionOperands, ExpireWithWhatTheyLieOn) {
  const std::vector<OwnedEntry> entries{Add("k", 2, "1"),
                                        {"k", Sequence{1}, OpKind::kPutExpiring, "5", 1500}};
  const Written before = Through(entries, KeepRule::ForFlush(At({}, 1499)));
  EXPECT_EQ(Show(before.entries), "k@2=6 until 1500");
  const Written after = Through(entries, KeepRule::ForFlush(At({}, 1500)));
  EXPECT_EQ(Show(after.entries), "k@2-");
  EXPECT_EQ(Show(Through(entries, BottomRule(At({}, 1500))).entries), "");
}

TEST(CompactionOperands, OfAFunctionThatIsNotHereStayAndSoDoesWhatTheyLieOn) {
  const std::vector<OwnedEntry> entries{Merge("k", 5, kUsers, "a"), Add("k", 4, "1"),
                                        Merge("k", 3, kUsers, "b"), Merge("k", 2, kUsers, "c"),
                                        Put("k", 1, "v")};
  const Written kept = Through(entries, BottomRule(At({})));
  ASSERT_OK(kept.status);
  EXPECT_EQ(Show(kept.entries), "k@5?200:a k@4+1 k@3?200:b k@2?200:c k@0=v");
  EXPECT_EQ(kept.operands, 4u);
  const Wraps wraps;
  const Written folded = Through(kept.entries, BottomRule(At({})), kv::Merger(&wraps));
  ASSERT_OK(folded.status);
  EXPECT_EQ(Show(folded.entries), "k@0=(1a)");
  EXPECT_EQ(folded.folded, 4u);
}

TEST(CompactionOperands, OfALongChainAreWrittenInParts) {
  std::vector<OwnedEntry> entries;
  const std::string large(300'000, 'v');
  for (uint64_t i = 40; i > 1; --i) {
    entries.push_back(Merge("k", i, i % 2 == 0 ? MergeOperator::kMax : MergeOperator::kMin, large));
  }
  entries.push_back(Put("k", 1, "v"));
  const Written written = Through(entries, BottomRule(At({})));
  ASSERT_OK(written.status);
  EXPECT_GT(written.operands, 10u);
  EXPECT_LT(written.operands, 39u);
  EXPECT_EQ(written.entries.back().value, large) << "the last part is folded";
}

// What `key` holds at `at`, by the book.
std::optional<std::string> Held(const std::vector<OwnedEntry>& entries, std::string_view key,
                                Sequence at) {
  OperandChain operands;
  const Wraps wraps;
  std::optional<std::string_view> base;
  bool found = false;
  for (const OwnedEntry& entry : entries) {
    if (entry.key != key || entry.sequence > at) continue;
    found = found || entry.kind != OpKind::kDelete;
    if (entry.kind == OpKind::kMerge) {
      operands.Add(entry.value);
      continue;
    }
    if (entry.kind == OpKind::kPut) base = entry.value;
    break;
  }
  if (!found) return std::nullopt;
  if (operands.empty()) return std::string(*base);
  return *operands.FoldOnto(kv::Merger(&wraps), key, base);
}

std::vector<OwnedEntry> RandomChains(Rng& rng) {
  std::vector<OwnedEntry> entries;
  uint64_t sequence = 0;
  for (uint64_t count = rng.Between(1, 60); count > 0; --count) {
    const std::string key(1, static_cast<char>('a' + rng.Below(4)));
    ++sequence;
    const auto number = std::to_string(static_cast<int64_t>(rng.Below(40)) - 20);
    switch (rng.Below(8)) {
      case 0:
        entries.push_back(Delete(key, sequence));
        break;
      case 1:
        entries.push_back(Put(key, sequence, number));
        break;
      case 2:
        entries.push_back(Merge(key, sequence, kUsers, "u"));
        break;
      default:
        entries.push_back(
            Merge(key, sequence, static_cast<MergeOperator>(rng.Between(1, 4)), number));
    }
  }
  std::ranges::sort(entries, InOrder);
  return entries;
}

TEST(CompactionOperands, ChangeNothingThatAReaderSees) {
  const Wraps wraps;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const std::vector<OwnedEntry> entries = RandomChains(rng);
    std::vector<uint64_t> snapshots;
    for (uint64_t at = 1; at <= 60; ++at) {
      if (rng.OneIn(15)) snapshots.push_back(at);
    }
    const kv::Merger merger(rng.OneIn(2) ? &wraps : nullptr);
    const Written flushed = Through(entries, KeepRule::ForFlush(At(snapshots)), merger);
    ASSERT_OK(flushed.status);
    const Written settled = Through(flushed.entries, BottomRule(At(snapshots)), merger);
    ASSERT_OK(settled.status);
    snapshots.push_back(ToNumber(kv::kSequenceMax));
    for (const uint64_t at : snapshots) {
      for (const std::string key : {"a", "b", "c", "d"}) {
        const auto expected = Held(entries, key, Sequence{at});
        ASSERT_EQ(Held(flushed.entries, key, Sequence{at}), expected) << key << " at " << at;
        ASSERT_EQ(Held(settled.entries, key, Sequence{at}), expected) << key << " at " << at;
      }
    }
  }
}

}  // namespace
}  // namespace aidb::lsm
