#include <gtest/gtest.h>

#include "aidb/base/cpu.h"
#include "aidb/base/hash.h"
#include "aidb/lsm/block_builder.h"
#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/block_reader.h"
#include "aidb/lsm/codec.h"
#include "aidb/lsm/filter.h"
#include "aidb/lsm/table_for_test.h"
#include "aidb/lsm/tag_match.h"

namespace aidb::lsm {
namespace {

Block BuildBlock(const std::vector<OwnedEntry>& entries) {
  BlockBuilder builder(BlockTags::kPresent);
  for (const OwnedEntry& entry : entries) builder.Add(entry.view(), Hash64(entry.key));
  auto block = Block::Parse(BlockKind::kData, BlockBuffer::CopyOf(builder.Finish()));
  EXPECT_TRUE(block.ok()) << block.status().ToString();
  return *std::move(block);
}

std::vector<Mix> Mixes() {
  return {
      {.entries = 1},
      {.entries = 3, .key_bytes_max = 0, .versions_max = 3},
      {.entries = 40},
      {.entries = 200, .key_bytes_max = 3, .alphabet = 2, .versions_max = 4},
      {.entries = 100, .stem = "user:", .key_bytes_max = 30, .versions_max = 9},
      {.entries = 100, .stem = std::string(300, 's'), .key_bytes_max = 40, .alphabet = 2},
      {.entries = 150, .key_bytes_max = 200, .alphabet = 1, .value_bytes_max = 3},
      {.entries = 150, .stem = "a", .key_bytes_max = 25, .alphabet = 1, .versions_max = 40},
      {.entries = 60, .key_bytes_max = 12, .alphabet = 3, .value_bytes_max = 5000},
      {.entries = 4, .stem = std::string(70'000, 'z'), .key_bytes_max = 70'000, .alphabet = 2},
      {.entries = 200, .key_bytes_max = 12, .alphabet = 3, .versions_max = 3, .expiring_in_ten = 4},
      {.entries = 80, .key_bytes_max = 60, .alphabet = 1, .expiring_in_ten = 10},
  };
}

TEST(Block, GivesBackWhatWasPutIntoItInBothDirections) {
  Rng rng(1);
  for (const Mix& mix : Mixes()) {
    const auto entries = RandomEntries(rng, mix);
    const Block block = BuildBlock(entries);
    Entry entry;
    BlockCursor cursor(entry);
    cursor.Attach(block.entries());
    std::vector<OwnedEntry> forward;
    for (bool more = cursor.SeekToFirst(); more; more = cursor.Next())
      forward.push_back(Own(entry));
    EXPECT_EQ(forward, entries);
    std::vector<OwnedEntry> backward;
    for (bool more = cursor.SeekToLast(); more; more = cursor.Prev())
      backward.push_back(Own(entry));
    std::ranges::reverse(backward);
    EXPECT_EQ(backward, entries);
    for (size_t i = 0; i < entries.size(); ++i) EXPECT_EQ(block.entries().KeyAt(i), entries[i].key);
  }
}

TEST(Block, SearchesAsAWalkOverAllEntriesDoes) {
  Rng rng(2);
  for (const Mix& mix : Mixes()) {
    const auto entries = RandomEntries(rng, mix);
    const Block block = BuildBlock(entries);
    Entry entry;
    BlockCursor cursor(entry);
    cursor.Attach(block.entries());
    for (int i = 0; i < 400; ++i) {
      const std::string key = ProbeKey(rng, entries);
      const Sequence at{rng.Below(1000 + entries.size() * 310)};
      const size_t expected = SlowLowerBound(entries, key, at);
      ASSERT_EQ(block.entries().LowerBound(key, at), expected);
      ASSERT_EQ(cursor.Seek(key, at), expected < entries.size());
      if (cursor.valid()) {
        ASSERT_EQ(Own(entry), entries[expected]);
      }
      const auto slow = SlowGet(entries, key, at);
      const auto lookup = block.entries().Find(key, Hash64(key), at);
      ASSERT_EQ(lookup.found.has_value(), slow.has_value());
      if (slow) {
        ASSERT_EQ(lookup.found->sequence, slow->sequence);
        ASSERT_EQ(lookup.found->kind, slow->kind);
        ASSERT_EQ(lookup.found->value, slow->value);
        ASSERT_EQ(lookup.found->expires_at_ms, slow->expires_at_ms);
      }
      ASSERT_EQ(lookup.goes_on, !slow && entries.back().key == key);
    }
  }
}

TEST(Block, TurnsRoundAnywhere) {
  Rng rng(3);
  const auto entries = RandomEntries(rng, {.entries = 80, .key_bytes_max = 60, .alphabet = 1});
  const Block block = BuildBlock(entries);
  ASSERT_EQ(block.entries().interval(), kRestartInterval);
  Entry entry;
  BlockCursor cursor(entry);
  cursor.Attach(block.entries());
  cursor.Seek(entries[40].key, kv::kSequenceMax);
  size_t at = cursor.index();
  for (int i = 0; i < 2000; ++i) {
    if (rng.OneIn(2) && at + 1 < entries.size()) {
      cursor.Next();
      ++at;
    } else if (at > 0) {
      cursor.Prev();
      --at;
    }
    ASSERT_EQ(Own(entry), entries[at]);
  }
}

TEST(Block, CodesRestsAgainstEachOtherOnlyWhereThatSavesAnEighth) {
  Rng rng(4);
  const auto interval = [&](const Mix& mix) {
    return BuildBlock(RandomEntries(rng, mix)).entries().interval();
  };
  EXPECT_EQ(interval({.entries = 50, .key_bytes_max = 16}), 1u);
  EXPECT_EQ(interval({.entries = 50, .key_bytes_max = 200, .alphabet = 256}), 1u);
  EXPECT_EQ(interval({.entries = 50, .key_bytes_max = 200, .alphabet = 1, .value_bytes_max = 10}),
            kRestartInterval);
}

TEST(Block, SaysWhatIsInside) {
  const auto flags = [](std::vector<OwnedEntry> entries) {
    return BuildBlock(entries).entries().flags();
  };
  const OwnedEntry a{"a", Sequence{5}, OpKind::kPut, "x"};
  EXPECT_EQ(flags({a}), kTags | kOneSequence);
  EXPECT_EQ(flags({a, {"b", Sequence{6}, OpKind::kPut, ""}}), kTags);
  EXPECT_EQ(flags({a, {"b", Sequence{6}, OpKind::kPutExpiring, "", 7}}), kTags | kHasDeletes);
  EXPECT_EQ(flags({a, {"b", Sequence{6}, OpKind::kMerge, "\x01"}}), kTags | kHasDeletes);
  EXPECT_EQ(flags({a, {"a", Sequence{4}, OpKind::kDelete, ""}}),
            kTags | kHasDeletes | kSeveralVersions);
  EXPECT_EQ(flags({a,
                   {"b", Sequence{5}, OpKind::kPut, std::string(70'000, 'v')},
                   {"c", Sequence{5}, OpKind::kPut, ""}}),
            kTags | kOneSequence | kWideOffsets);
}

TEST(Block, EstimatesItsSizeWithinAFewBytesAnEntry) {
  Rng rng(5);
  for (const Mix& mix : Mixes()) {
    const auto entries = RandomEntries(rng, mix);
    BlockBuilder builder(BlockTags::kPresent);
    for (const OwnedEntry& entry : entries) builder.Add(entry.view(), 0);
    const size_t estimate = builder.EstimatedBytes();
    EXPECT_LE(builder.Finish().size(), estimate + 12 * entries.size());
  }
}

TEST(Block, RefusesWhatItDoesNotKnow) {
  BlockBuilder builder(BlockTags::kPresent);
  builder.Add({.key = "key", .value = "v", .sequence = Sequence{1}, .kind = OpKind::kPut}, 0);
  const std::string good(builder.Finish());
  const auto message = [&](size_t at, char byte) {
    std::string bad = good;
    bad[at] = byte;
    const auto block = Block::Parse(BlockKind::kData, BlockBuffer::CopyOf(bad));
    EXPECT_FALSE(block.ok());
    EXPECT_EQ(block.status().code(), StatusCode::kCorruption);
    return std::string(block.status().message());
  };
  EXPECT_NE(message(2, static_cast<char>(good[2] | 32)).find("newer version"), std::string::npos);
  EXPECT_NE(message(3, 17).find("interval 17"), std::string::npos);
  EXPECT_NE(message(0, 0).find("without entries"), std::string::npos);
  // The only entry: suffix length 0, kind, value length 1, "v".
  const size_t kind_at = good.size() - 3;
  EXPECT_NE(message(kind_at, 0).find("never written"), std::string::npos);
  for (char kind = 3; kind < 16; ++kind) {
    if (kind == 3 || kind == 5) continue;
    EXPECT_NE(message(kind_at, kind).find("newer version"), std::string::npos);
  }
  EXPECT_NE(message(kind_at, 3).find("wrong about deletes"), std::string::npos);
  const auto as_index = Block::Parse(BlockKind::kIndex, BlockBuffer::CopyOf(good));
  EXPECT_FALSE(as_index.ok());
}

TEST(Block, RefusesAnOperandWithoutOperatorOrSequence) {
  const auto wrong = [](std::string_view value, uint64_t sequence) {
    BlockBuilder builder(BlockTags::kPresent);
    builder.Add(
        {.key = "key", .value = value, .sequence = Sequence{sequence}, .kind = OpKind::kMerge}, 0);
    const auto block = Block::Parse(BlockKind::kData, BlockBuffer::CopyOf(builder.Finish()));
    return std::string(block.status().message());
  };
  EXPECT_EQ(wrong("\x01", 1), "");
  EXPECT_NE(wrong("", 1).find("without an operator"), std::string::npos);
  EXPECT_NE(wrong("\x01", 0).find("sequence 0"), std::string::npos);
}

TEST(Block, SurvivesEveryBitFlipAndTruncation) {
  Rng rng(6);
  const auto entries = RandomEntries(rng, {.entries = 40, .key_bytes_max = 24, .alphabet = 2});
  BlockBuilder builder(BlockTags::kPresent);
  for (const OwnedEntry& entry : entries) builder.Add(entry.view(), Hash64(entry.key));
  const std::string good(builder.Finish());
  const auto use = [&](const std::string& bytes) {
    const auto block = Block::Parse(BlockKind::kData, BlockBuffer::CopyOf(bytes));
    if (!block.ok()) return;
    Entry entry;
    BlockCursor cursor(entry);
    cursor.Attach(block->entries());
    size_t sum = 0;
    for (bool more = cursor.SeekToFirst(); more; more = cursor.Next()) {
      for (const char c : entry.key) sum += static_cast<size_t>(c);
    }
    for (bool more = cursor.SeekToLast(); more; more = cursor.Prev()) sum += entry.key.size();
    const std::string& key = entries[sum % entries.size()].key;
    cursor.Seek(key, kv::kSequenceMax);
    block->entries().Find(key, Hash64(key), kv::kSequenceMax);
  };
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ 1 << (bit % 8));
    use(bad);
  }
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(Block::Parse(BlockKind::kData, BlockBuffer::CopyOf(good.substr(0, size))).ok());
  }
}

TEST(TagMatch, IsTheSameInEveryWidth) {
  Rng rng(7);
  uint8_t tags[kTagsPerStep];
  for (int round = 0; round < 2000; ++round) {
    for (uint8_t& tag : tags) tag = static_cast<uint8_t>(rng.Below(round % 2 == 0 ? 4 : 256));
    const auto wanted = static_cast<uint8_t>(rng.Below(round % 2 == 0 ? 4 : 256));
    const uint64_t expected = MatchTagsPlain(tags, wanted);
    ASSERT_EQ(MatchTags(tags, wanted), expected);
#if defined(__x86_64__)
    ASSERT_EQ(MatchTagsSse2(tags, wanted), expected);
    if (DetectCpuLevel() >= CpuLevel::kAvx2) {
      ASSERT_EQ(MatchTagsAvx2(tags, wanted), expected);
    }
    if (DetectCpuLevel() >= CpuLevel::kAvx512) {
      ASSERT_EQ(MatchTagsAvx512(tags, wanted), expected);
    }
#endif
  }
}

TEST(Hash, IsTheOneThatTheFormatFixes) {
  // docs/formats/table.md prints these.
  EXPECT_EQ(Hash64(""), 0x2D06800538D394C2u);
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  const auto hash = [&](size_t size) { return Hash64(std::string_view(bytes).substr(0, size)); };
  EXPECT_EQ(hash(1), 0xC44BDFF4074EECDBu);
  EXPECT_EQ(hash(3), 0x5F4299FC161C9CBBu);
  EXPECT_EQ(hash(8), 0x3A1C2D7C85AF88F8u);
  EXPECT_EQ(hash(16), 0x8355E3A6F61770DBu);
  EXPECT_EQ(hash(64), 0x6187EB9089B0ED55u);
  EXPECT_EQ(hash(200), 0xF42A8864FEAF0703u);
  EXPECT_EQ(hash(256), 0x9408A4433B952D71u);
}

TEST(Filter, HoldsEveryKeyAndAtMostOneInAHundredOthers) {
  FilterBuilder builder(10);
  constexpr uint64_t kKeys = 500'000;
  for (uint64_t i = 0; i < kKeys; ++i) builder.Add(Hash64("key" + std::to_string(i)));
  const std::string bytes = builder.Finish();
  const auto filter = FilterReader::Parse(bytes);
  ASSERT_TRUE(filter.ok());
  for (uint64_t i = 0; i < kKeys; ++i) {
    ASSERT_TRUE(filter->MayContain(Hash64("key" + std::to_string(i))));
  }
  constexpr uint64_t kAbsent = 1'000'000;
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < kAbsent; ++i) {
    wrong += filter->MayContain(Hash64("other" + std::to_string(i)));
  }
  RecordProperty("false_positives_in_a_million", static_cast<int>(wrong));
  EXPECT_LE(wrong, kAbsent / 100);
  EXPECT_GT(wrong, 0u);
}

TEST(Filter, RefusesWhatIsNoFilter) {
  FilterBuilder builder(10);
  for (uint64_t i = 0; i < 100; ++i) builder.Add(Hash64(std::to_string(i)));
  const std::string good = builder.Finish();
  EXPECT_TRUE(FilterReader::Parse(good).ok());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(FilterReader::Parse(std::string_view(good).substr(0, size)).ok());
  }
  const size_t tail = good.size() - kFilterTailBytes;
  for (const auto& [at, byte] : {std::pair(tail, 2),
                                 {tail + 2, 0},
                                 {tail + 2, 8},
                                 {tail + 3, 1},
                                 {tail + 4, 1},
                                 {tail + 7, 1}}) {
    std::string bad = good;
    bad[at] = static_cast<char>(byte);
    EXPECT_FALSE(FilterReader::Parse(bad).ok()) << at;
  }
}

TEST(Codec, GivesBackWhatItPackedAndRefusesEverythingElse) {
  Rng rng(8);
  Unpacker unpacker;
  for (const auto codec :
       {kv::Compression::kSnappy, kv::Compression::kLz4, kv::Compression::kZstd}) {
    Packer packer(codec);
    const std::string raw = RandomBytes(rng, 5000, 3);
    const auto packed = packer.Pack(raw);
    ASSERT_TRUE(packed.has_value());
    const std::string stored(*packed);
    EXPECT_TRUE(CheckRawSize(codec, stored.size(), raw.size()).ok());
    std::string back(raw.size(), '\0');
    EXPECT_TRUE(unpacker.Unpack(codec, stored, back).ok());
    EXPECT_EQ(back, raw);
    for (const size_t size : {raw.size() - 1, raw.size() + 1, size_t{0}}) {
      std::string wrong(size, '\0');
      EXPECT_EQ(unpacker.Unpack(codec, stored, wrong).code(), StatusCode::kCorruption);
    }
    for (size_t size = 0; size < stored.size(); size += 97) {
      EXPECT_FALSE(unpacker.Unpack(codec, std::string_view(stored).substr(0, size), back).ok());
    }
    EXPECT_FALSE(packer.Pack(RandomBytes(rng, 5000, 256)).has_value());
    EXPECT_EQ(CheckRawSize(codec, 1 << 20, kBlockRawBytesMax + 1).code(), StatusCode::kCorruption);
  }
  EXPECT_FALSE(Packer(kv::Compression::kNone).Pack(std::string(1000, 'a')).has_value());
  EXPECT_FALSE(CheckRawSize(kv::Compression::kNone, 10, 11).ok());
  EXPECT_FALSE(CheckRawSize(kv::Compression::kLz4, 10, 2551).ok());
}

}  // namespace
}  // namespace aidb::lsm
