#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "aidb/base/bytes.h"
#include "aidb/base/crc32c.h"
#include "aidb/lsm/block_builder.h"
#include "aidb/lsm/file_names.h"
#include "aidb/lsm/table_cache.h"
#include "aidb/lsm/table_for_test.h"

namespace aidb::lsm {
namespace {

struct Setting {
  Mix mix;
  TableOptions options;
};

std::vector<Setting> Settings() {
  using kv::Compression;
  return {
      {{.entries = 1}, {}},
      {{.entries = 3000}, {}},
      {{.entries = 3000}, {.compression = Compression::kNone}},
      {{.entries = 3000}, {.compression = Compression::kSnappy}},
      {{.entries = 3000}, {.compression = Compression::kZstd}},
      {{.entries = 2000}, {.filter_bits_per_key = 0}},
      {{.entries = 600}, {.block_bytes = 1}},
      {{.entries = 2000, .key_bytes_max = 2, .alphabet = 2, .versions_max = 400}, {}},
      {{.entries = 400, .key_bytes_max = 2, .alphabet = 3, .versions_max = 30}, {.block_bytes = 1}},
      {{.entries = 2000, .stem = std::string(80, 'p'), .key_bytes_max = 90, .alphabet = 2}, {}},
      {{.entries = 300, .key_bytes_max = 200, .alphabet = 1}, {.block_bytes = 100}},
      {{.entries = 60, .value_bytes_max = 30'000}, {}},
      {{.entries = 1500, .stem = std::string(500, 'q'), .key_bytes_max = 900, .alphabet = 4},
       {.block_bytes = 2000}},
  };
}

TEST(Table, GivesBackWhatWasPutIntoItInBothDirections) {
  Rng rng(1);
  for (const Setting& setting : Settings()) {
    const auto entries = RandomEntries(rng, setting.mix);
    BlockCache cache(1 << 20);
    const auto table = OpenTable(BuildTable(entries, setting.options), cache);
    ASSERT_TRUE(table.ok()) << table.status().ToString();
    for (const CacheFill fill : {CacheFill::kFill, CacheFill::kPassBy}) {
      const auto cursor = (*table)->NewCursor(fill);
      std::vector<OwnedEntry> forward;
      for (cursor->SeekToFirst(); cursor->valid(); cursor->Next()) {
        forward.push_back(Own(cursor->entry()));
      }
      ASSERT_EQ(forward, entries);
      std::vector<OwnedEntry> backward;
      for (cursor->SeekToLast(); cursor->valid(); cursor->Prev()) {
        backward.push_back(Own(cursor->entry()));
      }
      std::ranges::reverse(backward);
      ASSERT_EQ(backward, entries);
      EXPECT_TRUE(cursor->status().ok());
    }
    uint64_t done = 0;
    const Status checked = (*table)->Check([&](uint64_t bytes) { done = bytes; });
    EXPECT_TRUE(checked.ok()) << checked.ToString();
    EXPECT_EQ(done, 2 * (*table)->facts().size_bytes - kFooterBytes);
  }
}

TEST(Table, AnswersGetAndSeekAsAWalkOverAllEntriesDoes) {
  Rng rng(2);
  for (const Setting& setting : Settings()) {
    const auto entries = RandomEntries(rng, setting.mix);
    BlockCache cache(rng.OneIn(3) ? 0 : 1 << 20);
    const auto table = OpenTable(BuildTable(entries, setting.options), cache);
    ASSERT_TRUE(table.ok()) << table.status().ToString();
    const auto cursor = (*table)->NewCursor(CacheFill::kFill);
    ReadCounters counters;
    for (int i = 0; i < 500; ++i) {
      const std::string key = ProbeKey(rng, entries);
      const Sequence at{rng.Below(1000 + entries.size() * 310)};
      const auto slow = SlowGet(entries, key, at);
      const auto found = (*table)->Get(key, at, &counters);
      ASSERT_TRUE(found.ok()) << found.status().ToString();
      ASSERT_EQ(found->has_value(), slow.has_value());
      if (slow) {
        ASSERT_EQ((*found)->sequence, slow->sequence);
        ASSERT_EQ((*found)->kind, slow->kind);
        ASSERT_EQ((*found)->value.view(), slow->value);
      }
      const size_t expected = SlowLowerBound(entries, key, at);
      cursor->Seek(key, at);
      ASSERT_EQ(cursor->valid(), expected < entries.size());
      if (cursor->valid()) {
        ASSERT_EQ(Own(cursor->entry()), entries[expected]);
      }
      // A walk from there, with turns.
      size_t here = expected;
      for (int step = 0; step < 5 && cursor->valid(); ++step) {
        if (rng.OneIn(2)) {
          cursor->Next();
          ++here;
        } else {
          cursor->Prev();
          --here;
        }
        ASSERT_EQ(cursor->valid(), here < entries.size());
        if (cursor->valid()) {
          ASSERT_EQ(Own(cursor->entry()), entries[here]);
        }
      }
    }
    if (setting.options.filter_bits_per_key > 0 && entries.size() >= 2000) {
      EXPECT_GT(counters.filter_useful, 0u);
    }
  }
}

TEST(Table, TakesTheLongestKeysAndValuesLargerThanABlock) {
  std::vector<OwnedEntry> entries;
  for (const char c : {'a', 'b', 'c'}) {
    entries.push_back(
        {std::string(kv::kKeyBytesMax, c), Sequence{1}, OpKind::kPut, std::string(3'000'000, c)});
  }
  entries.insert(entries.begin(), {"", Sequence{2}, OpKind::kPut, ""});
  const BuiltTable built = BuildTable(entries);
  BlockCache cache(1 << 20);
  const auto table = *OpenTable(built, cache);
  for (const OwnedEntry& entry : entries) {
    const auto found = table->Get(entry.key, kv::kSequenceMax);
    ASSERT_TRUE(found.ok() && found->has_value());
    EXPECT_EQ((*found)->value.view(), entry.value);
  }
  EXPECT_TRUE(table->Check().ok());
}

TEST(Table, KnowsItsFacts) {
  const std::vector<OwnedEntry> entries = {{"a", Sequence{9}, OpKind::kPut, "xy"},
                                           {"a", Sequence{3}, OpKind::kDelete, ""},
                                           {"bb", Sequence{12}, OpKind::kDelete, ""}};
  const BuiltTable built = BuildTable(entries, {.level = 3, .run = 17});
  const TableFacts& facts = built.facts;
  EXPECT_EQ(facts.number, kTestNumber);
  EXPECT_EQ(facts.salt, kTestSalt);
  EXPECT_EQ(facts.size_bytes, built.bytes.size());
  EXPECT_EQ(facts.first_key, "a");
  EXPECT_EQ(facts.last_key, "bb");
  EXPECT_EQ(facts.lowest, Sequence{3});
  EXPECT_EQ(facts.highest, Sequence{12});
  EXPECT_EQ(facts.entries, 3u);
  EXPECT_EQ(facts.deletes, 2u);
  EXPECT_EQ(facts.raw_bytes, 6u);
  const auto read = TableReader::ReadFacts(MemoryFile(built.bytes));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(*read, facts);
  BlockCache cache(0);
  const auto properties = (*OpenTable(built, cache))->ReadProperties();
  ASSERT_TRUE(properties.ok());
  EXPECT_EQ(properties->level, 3);
  EXPECT_EQ(properties->run, 17u);
  EXPECT_EQ(properties->codec, kv::Compression::kLz4);
}

TEST(Table, SizeIsKnownWhileItGrows) {
  Rng rng(3);
  const auto entries = RandomEntries(rng, {.entries = 20'000});
  MemoryFile file{std::string()};
  TableBuilder builder(file, 1, 2, {.compression = kv::Compression::kNone});
  for (const OwnedEntry& entry : entries) ASSERT_TRUE(builder.Add(entry.view()).ok());
  const double estimate = static_cast<double>(builder.size_bytes());
  const auto facts = builder.Finish();
  ASSERT_TRUE(facts.ok());
  EXPECT_NEAR(estimate / static_cast<double>(facts->size_bytes), 1.0, 0.05);
}

// Everything that can be asked of a table either fails or gives what was put in.
void ExpectNoWrongAnswer(const BuiltTable& damaged, const std::vector<OwnedEntry>& entries) {
  BlockCache cache(1 << 20);
  const auto table = OpenTable(damaged, cache);
  if (!table.ok()) {
    EXPECT_EQ(table.status().code(), StatusCode::kCorruption);
    EXPECT_NE(table.status().message().find("000007.sst"), std::string::npos);
    return;
  }
  const Status checked = (*table)->Check();
  EXPECT_EQ(checked.code(), StatusCode::kCorruption);
  EXPECT_NE(checked.message().find("000007.sst"), std::string::npos);
  const auto cursor = (*table)->NewCursor(CacheFill::kPassBy);
  size_t i = 0;
  for (cursor->SeekToFirst(); cursor->valid(); cursor->Next(), ++i) {
    ASSERT_LT(i, entries.size());
    ASSERT_EQ(Own(cursor->entry()), entries[i]);
  }
  if (cursor->status().ok()) {
    ASSERT_EQ(i, entries.size());
  }
  for (const OwnedEntry& entry : entries) {
    const auto found = (*table)->Get(entry.key, entry.sequence);
    if (!found.ok()) continue;
    ASSERT_TRUE(found->has_value());
    ASSERT_EQ((*found)->value.view(), entry.value);
  }
}

TEST(Table, DetectsEverySingleBitFlip) {
  Rng rng(4);
  const auto entries = RandomEntries(rng, {.entries = 40,
                                           .key_bytes_max = 12,
                                           .alphabet = 3,
                                           .value_bytes_max = 20,
                                           .versions_max = 3});
  for (const auto codec : {kv::Compression::kNone, kv::Compression::kLz4}) {
    const BuiltTable good = BuildTable(entries, {.block_bytes = 400, .compression = codec});
    ASSERT_TRUE(OpenTable(good, *std::make_unique<BlockCache>(0)).ok());
    for (size_t bit = 0; bit < good.bytes.size() * 8; ++bit) {
      BuiltTable bad = good;
      bad.bytes[bit / 8] = static_cast<char>(bad.bytes[bit / 8] ^ 1 << (bit % 8));
      ExpectNoWrongAnswer(bad, entries);
      if (HasFatalFailure()) FAIL() << "bit " << bit;
    }
  }
}

TEST(Table, DetectsTruncationAndForeignTables) {
  Rng rng(5);
  const auto entries = RandomEntries(rng, {.entries = 50});
  const BuiltTable good = BuildTable(entries);
  BlockCache cache(0);
  for (size_t size = 0; size < good.bytes.size(); ++size) {
    BuiltTable bad{good.bytes.substr(0, size), good.facts};
    const auto table = OpenTable(bad, cache);
    ASSERT_FALSE(table.ok());
    ASSERT_EQ(table.status().code(), StatusCode::kCorruption);
    // Even if the manifest were wrong in the same way.
    bad.facts.size_bytes = size;
    ASSERT_FALSE(OpenTable(bad, cache).ok());
  }
  MemoryFile file{std::string()};
  TableBuilder builder(file, kTestNumber, kTestSalt + 1, {});
  for (const OwnedEntry& entry : entries) ASSERT_TRUE(builder.Add(entry.view()).ok());
  ASSERT_TRUE(builder.Finish().ok());
  const auto foreign = OpenTable({file.bytes(), good.facts}, cache);
  ASSERT_FALSE(foreign.ok());
  EXPECT_NE(foreign.status().message().find("another table"), std::string::npos);
}

TEST(Table, DetectsTwoBlocksThatChangedPlaces) {
  // Entries of one size, so that blocks have one size and an exchange keeps all offsets.
  std::vector<OwnedEntry> entries;
  for (int i = 1000; i < 1100; ++i) {
    entries.push_back({std::to_string(i), Sequence{1}, OpKind::kPut, std::string(100, 'v')});
  }
  const TableOptions options{.block_bytes = 500, .compression = kv::Compression::kNone};
  const BuiltTable good = BuildTable(entries, options);
  // Two blocks of five entries: the first trailer is where the second block's header repeats.
  const size_t block = good.bytes.find(good.bytes.substr(0, 4), 4);
  ASSERT_NE(block, std::string::npos);
  BuiltTable bad = good;
  bad.bytes =
      good.bytes.substr(block, block) + good.bytes.substr(0, block) + good.bytes.substr(2 * block);
  ASSERT_NE(bad.bytes, good.bytes);
  ExpectNoWrongAnswer(bad, entries);
  BlockCache cache(0);
  const auto found = (*OpenTable(bad, cache))->Get("1000", kv::kSequenceMax);
  EXPECT_EQ(found.status().code(), StatusCode::kCorruption);
}

TEST(Table, NamesFileOffsetAndLostKeysOfADamagedBlockAndServesTheRest) {
  std::vector<OwnedEntry> entries;
  for (int i = 1000; i < 1100; ++i) {
    entries.push_back({std::to_string(i), Sequence{1}, OpKind::kPut, std::string(100, 'v')});
  }
  BuiltTable table =
      BuildTable(entries, {.block_bytes = 500, .compression = kv::Compression::kNone});
  table.bytes[20] = static_cast<char>(table.bytes[20] ^ 1);
  BlockCache cache(1 << 20);
  const auto reader = *OpenTable(table, cache);
  const auto lost = reader->Get("1000", kv::kSequenceMax);
  ASSERT_EQ(lost.status().code(), StatusCode::kCorruption);
  const std::string message(lost.status().message());
  EXPECT_NE(message.find("table 000007.sst at offset 0: block checksum is 0x"), std::string::npos)
      << message;
  EXPECT_NE(message.find("keys from \"1000\" to \"10"), std::string::npos) << message;
  EXPECT_TRUE(reader->Get("1050", kv::kSequenceMax)->has_value());
  const auto cursor = reader->NewCursor(CacheFill::kFill);
  cursor->SeekToFirst();
  EXPECT_FALSE(cursor->valid());
  EXPECT_EQ(cursor->status().code(), StatusCode::kCorruption);
  cursor->Seek("1050", kv::kSequenceMax);
  EXPECT_TRUE(cursor->valid());
  EXPECT_TRUE(cursor->status().ok());
}

// A table whose bytes are whole but say something else: the checksum of the file is kept right.
TEST(Table, CheckDetectsFactsThatTheManifestHasDifferently) {
  const std::vector<OwnedEntry> entries = {{"a", Sequence{9}, OpKind::kPut, "xy"},
                                           {"b", Sequence{3}, OpKind::kDelete, ""}};
  const BuiltTable good = BuildTable(entries);
  BlockCache cache(0);
  const auto check = [&](const std::function<void(TableFacts&)>& change) {
    BuiltTable table = good;
    change(table.facts);
    return (*OpenTable(table, cache))->Check().code();
  };
  EXPECT_EQ(check([](TableFacts&) {}), StatusCode::kOk);
  EXPECT_EQ(check([](TableFacts& f) { f.crc ^= 1; }), StatusCode::kCorruption);
  EXPECT_EQ(check([](TableFacts& f) { ++f.entries; }), StatusCode::kCorruption);
  EXPECT_EQ(check([](TableFacts& f) { --f.deletes; }), StatusCode::kCorruption);
  EXPECT_EQ(check([](TableFacts& f) { ++f.raw_bytes; }), StatusCode::kCorruption);
  EXPECT_EQ(check([](TableFacts& f) { f.first_key = "0"; }), StatusCode::kCorruption);
  EXPECT_EQ(check([](TableFacts& f) { f.last_key = "c"; }), StatusCode::kCorruption);
  EXPECT_EQ(check([](TableFacts& f) { f.lowest = Sequence{2}; }), StatusCode::kCorruption);
  EXPECT_EQ(check([](TableFacts& f) { f.highest = Sequence{10}; }), StatusCode::kCorruption);
}

TEST(TableFormat, FooterRefusesNewerVersionsAndReservedFields) {
  const std::string good =
      EncodeFooter({.index_root = {100, 50}, .meta_index = {200, 20}, .salt = 5}, 1000);
  ASSERT_EQ(good.size(), kFooterBytes);
  ASSERT_TRUE(DecodeFooter(good, 1000).ok());
  EXPECT_FALSE(DecodeFooter(good, 1001).ok());
  for (const size_t at : {32, 33, 34, 35}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] + (at == 32 ? 3 : 1));  // Formats 1 to 3 are known.
    // With the checksum put right, only the meaning is left to object to.
    char size[8];
    StoreLe<uint64_t>(size, 1000);
    StoreLe(bad.data() + 36, ExtendCrc32c(Crc32c(std::string_view(bad).substr(0, 36)), {size, 8}));
    const auto footer = DecodeFooter(bad, 1000);
    ASSERT_FALSE(footer.ok());
    EXPECT_NE(footer.status().message().find("newer version"), std::string::npos);
  }
  for (const BlockHandle handle : {BlockHandle{950, 1}, BlockHandle{900, 44}, BlockHandle{~0ull, 1},
                                   BlockHandle{100, 0xFFFFFFFF}}) {
    EXPECT_FALSE(
        DecodeFooter(EncodeFooter({.index_root = handle, .meta_index = {0, 1}}, 1000), 1000).ok());
  }
  EXPECT_TRUE(
      DecodeFooter(EncodeFooter({.index_root = {900, 43}, .meta_index = {0, 1}}, 1000), 1000).ok());
}

Block NamedBlock(BlockKind kind, const std::map<std::string, std::string>& items) {
  BlockBuilder builder(BlockTags::kAbsent);
  for (const auto& [name, value] : items) builder.Add(name, value);
  return *Block::Parse(kind, BlockBuffer::CopyOf(builder.Finish()));
}

TEST(TableFormat, RefusesUnknownNamesThatAreRequiredAndPassesOverOthers) {
  const std::string handle("\x05\x06", 2);
  const auto meta = [&](std::map<std::string, std::string> items) {
    return DecodeMetaIndex(NamedBlock(BlockKind::kMetaIndex, items).entries(), 1000);
  };
  EXPECT_EQ(meta({{"properties", handle}})->properties, (BlockHandle{5, 6}));
  EXPECT_EQ(meta({{"properties", handle}})->range_deletes, std::nullopt);
  EXPECT_EQ(meta({{"properties", handle}, {"!range_deletes", handle}})->range_deletes,
            (BlockHandle{5, 6}));
  EXPECT_FALSE(meta({{"properties", handle}, {"!range_deletes", handle + "x"}}).ok());
  EXPECT_TRUE(meta({{"properties", handle}, {"zebra", "?"}}).ok());
  EXPECT_FALSE(meta({{"properties", handle}, {"!zebra", "?"}}).ok());
  EXPECT_FALSE(meta({{"zebra", "?"}}).ok());
  EXPECT_FALSE(meta({{"properties", handle + "x"}}).ok());

  const Block encoded = *Block::Parse(BlockKind::kProperties,
                                      BlockBuffer::CopyOf(EncodeProperties(TableProperties())));
  std::map<std::string, std::string> items;
  for (size_t i = 0; i < encoded.entries().entries(); ++i) {
    items[encoded.entries().KeyAt(i)] = encoded.entries().At(i).value;
  }
  const auto properties = [&](const std::function<void()>& change) {
    const auto kept = items;
    change();
    const Block block = NamedBlock(BlockKind::kProperties, items);
    items = kept;
    return DecodeProperties(block.entries()).ok();
  };
  EXPECT_TRUE(properties([] {}));
  EXPECT_TRUE(properties([&] { items["zebra"] = "?"; }));
  EXPECT_FALSE(properties([&] { items["!zebra"] = "?"; }));
  EXPECT_FALSE(properties([&] { items["keyspace"] = std::string("\1", 1); }));
  EXPECT_FALSE(properties([&] { items["codec"] = std::string("\4", 1); }));
  EXPECT_FALSE(properties([&] { items["level"] = std::string("\7", 1); }));
  EXPECT_FALSE(properties([&] { items["entries"] = ""; }));
  for (const auto& [name, value] : std::map(items)) {
    EXPECT_FALSE(properties([&, n = name] { items.erase(n); })) << name;
  }
}

TEST(TableFormat, IndexEntriesRoundTripAndAreBounded) {
  const IndexEntry entry{
      .child = {700, 200}, .delete_share = 9, .exact = true, .continued = true, .filter = {10, 20}};
  const std::string root = EncodeIndexEntry(entry, BlockKind::kIndexRoot);
  const auto back = DecodeIndexEntry(root, BlockKind::kIndexRoot, 1000);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->child, entry.child);
  EXPECT_EQ(back->filter, entry.filter);
  EXPECT_TRUE(back->exact && back->continued);
  EXPECT_EQ(back->delete_share, 9);
  EXPECT_FALSE(DecodeIndexEntry(root, BlockKind::kIndex, 1000).has_value());
  EXPECT_FALSE(DecodeIndexEntry(root, BlockKind::kIndexRoot, 956).has_value());
  for (size_t size = 0; size < root.size(); ++size) {
    EXPECT_FALSE(
        DecodeIndexEntry(std::string_view(root).substr(0, size), BlockKind::kIndexRoot, 1000)
            .has_value());
  }
}

TEST(TableCache, KeepsABoundedNumberOfTablesAndReadersInUse) {
  Rng rng(6);
  MemoryFiles files;
  BlockCache blocks(1 << 20);
  std::vector<TableFacts> facts;
  for (uint64_t number = 1; number <= 5; ++number) {
    MemoryFile file{std::string()};
    TableBuilder builder(file, number, number * 11, {});
    for (const OwnedEntry& entry : RandomEntries(rng, {.entries = 20})) {
      ASSERT_TRUE(builder.Add(entry.view()).ok());
    }
    facts.push_back(*builder.Finish());
    files.contents["db/" + TableName(number)] = std::make_shared<std::string>(file.bytes());
  }
  TableCache cache(files, "db", blocks, 2);
  const auto first = *cache.Get(facts[0]);
  EXPECT_EQ(*cache.Get(facts[0]), first);
  EXPECT_EQ(files.opens, 1);
  for (const TableFacts& each : facts) ASSERT_TRUE(cache.Get(each).ok());
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(files.opens, 5);
  EXPECT_TRUE(first->Get(facts[0].first_key, kv::kSequenceMax).ok());
  EXPECT_TRUE((*first->Get(facts[0].first_key, kv::kSequenceMax)).has_value());

  cache.Evict(facts[4].number);
  cache.Evict(99);
  EXPECT_EQ(cache.size(), 1u);
  files.contents.clear();
  EXPECT_FALSE(cache.Get(facts[4]).ok());
  EXPECT_EQ(first->facts(), facts[0]);
  EXPECT_GT(cache.memory_bytes(), 0u);
}

// So many tables with one entry each, and their files.
std::vector<std::unique_ptr<const TableFile>> SmallTables(MemoryFiles& files, uint64_t count) {
  std::vector<std::unique_ptr<const TableFile>> tables;
  for (uint64_t number = 1; number <= count; ++number) {
    MemoryFile file{std::string()};
    TableBuilder builder(file, number, 1, {});
    AIDB_CHECK(
        builder.Add({.key = "k", .value = "v", .sequence = Sequence{1}, .kind = OpKind::kPut})
            .ok());
    tables.push_back(std::make_unique<TableFile>(*builder.Finish(), TableUnused()));
    files.contents["db/" + TableName(number)] = std::make_shared<std::string>(file.bytes());
  }
  return tables;
}

TEST(TableCache, KeepsTheFirstTablesThatAreReadAgainOpenUntilTheirFilesGo) {
  MemoryFiles files;
  BlockCache blocks(0);
  const auto tables = SmallTables(files, 7);
  TableCache cache(files, "db", blocks, 4);
  // Of whoever comes once, none stays.
  ASSERT_TRUE(cache.Get(tables[6]->facts()).ok());
  ASSERT_TRUE(cache.Get(tables[6]->facts()).ok());
  EXPECT_EQ(tables[6]->resident(), nullptr);
  for (size_t i = 0; i < 6; ++i) {
    for (int time = 0; time < 2; ++time) {
      const auto open = cache.Open(*tables[i]);
      ASSERT_TRUE(open.ok());
      EXPECT_EQ((*open)->facts().number, tables[i]->number());
      EXPECT_EQ(tables[i]->resident() != nullptr, time == 1 && i < 3) << i;
    }
  }
  EXPECT_EQ(cache.size(), 4u);
  EXPECT_EQ(files.opens, 7);
  // The others take turns on one place.
  for (size_t i = 0; i < 6; ++i) ASSERT_TRUE(cache.Open(*tables[i]).ok());
  EXPECT_EQ(files.opens, 7 + 3);

  cache.Evict(tables[1]->number());  // Its file goes, and with it its TableFile.
  ASSERT_TRUE(cache.Open(*tables[5]).ok());
  EXPECT_NE(tables[5]->resident(), nullptr);
}

TEST(TableCache, GivesATableThatIsUsedASecondRound) {
  MemoryFiles files;
  BlockCache blocks(0);
  std::vector<TableFacts> facts;
  for (uint64_t number = 1; number <= 3; ++number) {
    MemoryFile file{std::string()};
    TableBuilder builder(file, number, 1, {});
    ASSERT_TRUE(
        builder.Add({.key = "k", .value = "v", .sequence = Sequence{1}, .kind = OpKind::kPut})
            .ok());
    facts.push_back(*builder.Finish());
    files.contents["db/" + TableName(number)] = std::make_shared<std::string>(file.bytes());
  }
  TableCache cache(files, "db", blocks, 2);
  ASSERT_TRUE(cache.Get(facts[0]).ok());
  ASSERT_TRUE(cache.Get(facts[1]).ok());
  ASSERT_TRUE(cache.Get(facts[0]).ok());  // Used again.
  ASSERT_TRUE(cache.Get(facts[2]).ok());  // Displaces the second.
  EXPECT_EQ(files.opens, 3);
  ASSERT_TRUE(cache.Get(facts[0]).ok());
  EXPECT_EQ(files.opens, 3);
}

}  // namespace
}  // namespace aidb::lsm
