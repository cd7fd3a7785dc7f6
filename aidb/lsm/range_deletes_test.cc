#include "aidb/lsm/range_deletes.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/lsm/block_builder.h"
#include "aidb/lsm/block_cache.h"
#include "aidb/testing/status_matchers.h"

namespace aidb::lsm {
namespace {

using std::string_literals::operator""s;

OwnedFragment Fragment(std::string begin, std::string end, std::vector<uint64_t> sequences) {
  OwnedFragment fragment{std::move(begin), std::move(end), {}};
  for (const uint64_t sequence : sequences) fragment.sequences.push_back(Sequence{sequence});
  return fragment;
}

TEST(Fragmented, CutsRangesWhereOthersBeginAndEnd) {
  const std::vector<RangeDelete> ranges{{"a", "m", Sequence{7}}, {"f", "k", Sequence{9}}};
  EXPECT_EQ(Fragmented(ranges, std::vector<Sequence>{Sequence{7}}),
            (std::vector<OwnedFragment>{Fragment("a", "f", {7}), Fragment("f", "k", {9, 7}),
                                        Fragment("k", "m", {7})}));
  EXPECT_EQ(Fragmented({}, {}), std::vector<OwnedFragment>());
}

TEST(Fragmented, JoinsNeighboursOfTheSameVersions) {
  const std::vector<RangeDelete> ranges{
      {"a", "c", Sequence{7}}, {"c", "e", Sequence{7}}, {"b", "d", Sequence{3}}};
  EXPECT_EQ(Fragmented(ranges, {}), (std::vector<OwnedFragment>{Fragment("a", "e", {7})}));
}

TEST(Fragmented, KeepsTheNewestVersionOfEachInterval) {
  std::vector<RangeDelete> ranges;
  for (uint64_t i = 1; i <= 9; ++i) ranges.push_back({"a", "b", Sequence{i}});
  const std::vector<Sequence> snapshots{Sequence{3}, Sequence{6}};
  EXPECT_EQ(Fragmented(ranges, snapshots),
            (std::vector<OwnedFragment>{Fragment("a", "b", {9, 6, 3})}));
}

// Keys are one letter, or two.
std::string RandomKey(Rng& rng) {
  std::string key(1, static_cast<char>('a' + rng.Below(12)));
  if (rng.OneIn(3)) key += static_cast<char>('a' + rng.Below(3));
  return key;
}

TEST(Fragmented, HidesWhatTheRangesHideFromEverySnapshot) {
  Rng rng(11);
  for (int round = 0; round < 300; ++round) {
    std::vector<OwnedFragment> owned;
    std::vector<Sequence> snapshots;
    for (uint64_t i = rng.Below(12); i > 0; --i) {
      std::string begin = RandomKey(rng);
      std::string end = RandomKey(rng);
      if (begin == end) continue;
      if (end < begin) std::swap(begin, end);
      owned.push_back({begin, end, {Sequence{rng.Between(1, 60)}}});
    }
    for (uint64_t at = 1; at < 60; ++at) {
      if (rng.OneIn(15)) snapshots.push_back(Sequence{at});
    }
    std::vector<RangeDelete> ranges;
    for (const OwnedFragment& range : owned) {
      ranges.push_back({range.begin, range.end, range.sequences.front()});
    }
    const RangeDeleteList list(Fragmented(ranges, snapshots));
    snapshots.push_back(kv::kSequenceMax);
    for (int probe = 0; probe < 60; ++probe) {
      const std::string key = RandomKey(rng);
      const Sequence at = snapshots[rng.Below(snapshots.size())];
      Sequence expected = kv::kSequenceNone;
      for (const RangeDelete& range : ranges) {
        if (range.begin <= key && key < range.end && range.sequence <= at) {
          expected = std::max(expected, range.sequence);
        }
      }
      EXPECT_EQ(list.deletes().Covering(key, at), expected) << key;
    }
  }
}

TEST(RangeDeletes, FindsTheFirstKeyThatWasDeletedSince) {
  const RangeDeleteList list(
      {Fragment("b", "d", {5}), Fragment("d", "f", {9, 5}), Fragment("k", "m", {12})});
  const RangeDeletes deletes = list.deletes();
  EXPECT_EQ(deletes.FirstAbove(Sequence{4}, "", std::nullopt), "b");
  EXPECT_EQ(deletes.FirstAbove(Sequence{4}, "c", std::nullopt), "c");
  EXPECT_EQ(deletes.FirstAbove(Sequence{5}, "", std::nullopt), "d");
  EXPECT_EQ(deletes.FirstAbove(Sequence{5}, "", "d"), std::nullopt);
  EXPECT_EQ(deletes.FirstAbove(Sequence{5}, "f", "k"), std::nullopt);
  EXPECT_EQ(deletes.FirstAbove(Sequence{5}, "f", "l"), "k");
  EXPECT_EQ(deletes.FirstAbove(Sequence{12}, "", std::nullopt), std::nullopt);
}

TEST(RangeDeletes, GiveAllVersionsUpToASequence) {
  const RangeDeleteList list({Fragment("b", "d", {9, 5}), Fragment("k", "m", {12})});
  std::vector<RangeDelete> ranges;
  list.deletes().AppendTo(ranges, Sequence{9});
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(ranges[0].sequence, Sequence{9});
  EXPECT_EQ(ranges[1].sequence, Sequence{5});
  EXPECT_EQ(ranges[1].begin, "b");
  EXPECT_EQ(list.versions(), 3u);
  EXPECT_EQ(list.lowest(), Sequence{5});
  EXPECT_EQ(list.highest(), Sequence{12});
}

struct Stored {
  std::string begin;
  std::string end;
  uint64_t sequence;
};

Status Decoded(const std::vector<Stored>& ranges) {
  BlockBuilder builder(BlockTags::kAbsent);
  for (const Stored& range : ranges) {
    builder.Add({.key = range.begin,
                 .value = range.end,
                 .sequence = Sequence{range.sequence},
                 .kind = OpKind::kDeleteRange},
                0);
  }
  const auto block = Block::Parse(BlockKind::kRangeDeletes, BlockBuffer::CopyOf(builder.Finish()));
  if (!block.ok()) return block.status();
  return RangeDeleteList::Decode(block->entries()).status();
}

TEST(RangeDeleteList, RefusesABlockThatIsNoListOfFragments) {
  EXPECT_OK(Decoded({{"a", "c", 9}, {"a", "c", 3}, {"c", "d", 1}}));
  EXPECT_EQ(Decoded({{"a", "a", 9}}).code(), StatusCode::kCorruption);
  EXPECT_EQ(Decoded({{"b", "a", 9}}).code(), StatusCode::kCorruption);
  EXPECT_EQ(Decoded({{"a", "c", 9}, {"b", "d", 9}}).code(), StatusCode::kCorruption);
  EXPECT_EQ(Decoded({{"a", "c", 9}, {"a", "d", 3}}).code(), StatusCode::kCorruption);
  EXPECT_EQ(Decoded({{"a", "c", 3}, {"a", "c", 3}}).code(), StatusCode::kCorruption);
  EXPECT_EQ(Decoded({{"a", "c", 3}, {"a", "c", 9}}).code(), StatusCode::kCorruption);
  EXPECT_EQ(Decoded({{"a", std::string(kv::kKeyBytesMax + 1, 'k'), 3}}).code(),
            StatusCode::kCorruption);
}

TEST(RangeDeleteList, HasNoPlaceInAnotherBlockAndNothingElseInItsOwn) {
  for (const OpKind kind : {OpKind::kPut, OpKind::kDelete, OpKind::kDeleteRange}) {
    BlockBuilder builder(BlockTags::kAbsent);
    builder.Add({.key = "a",
                 .value = kind == OpKind::kDelete ? "" : "b",
                 .sequence = Sequence{1},
                 .kind = kind},
                0);
    const BlockBuffer bytes = BlockBuffer::CopyOf(builder.Finish());
    const bool range = kind == OpKind::kDeleteRange;
    EXPECT_EQ(EntryBlock::Parse(BlockKind::kRangeDeletes, bytes).ok(), range);
    EXPECT_EQ(EntryBlock::Parse(BlockKind::kProperties, bytes).ok(), !range);
  }
}

TEST(LastKeyOf, IsTheKeyInFrontOfACutAndElseTheEnd) {
  EXPECT_EQ(LastKeyOf("abc\0"s), "abc");
  EXPECT_EQ(LastKeyOf("abc"), "abc");
  EXPECT_FALSE(LiesBehind("abc\0"s, "abc"));
  EXPECT_FALSE(LiesBehind("abc", "abc"));
  EXPECT_TRUE(LiesBehind("abd", "abc"));
  EXPECT_TRUE(LiesBehind("abc\0\0"s, "abc"));
  const std::string longest(kv::kKeyBytesMax, 'k');
  EXPECT_FALSE(LiesBehind(longest.substr(0, longest.size() - 1) + 'l', longest));
  EXPECT_TRUE(LiesBehind("l\0"s, longest));
}

}  // namespace
}  // namespace aidb::lsm
