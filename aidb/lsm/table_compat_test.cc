// Tables as releases wrote them, in tests/compat. Version 1 is reproduced bit for bit; with
// AIDB_REWRITE=1 the files are written anew, which only a new format version may ask for.

#include <gtest/gtest.h>

#include "aidb/base/crc32c.h"
#include "aidb/lsm/golden_file.h"
#include "aidb/lsm/table_for_test.h"

namespace aidb::lsm {
namespace {

// A bit of everything: short keys with many versions, long keys whose rests are delta coded and
// whose index keys are shortened, deletes, an empty key, a value that needs wide offsets.
std::vector<OwnedEntry> GoldenEntries() {
  Rng rng(20260101);
  auto entries =
      RandomEntries(rng, {.entries = 300, .key_bytes_max = 12, .alphabet = 3, .versions_max = 5});
  const auto longer = RandomEntries(rng, {.entries = 150,
                                          .stem = "z" + std::string(100, 'y'),
                                          .key_bytes_max = 120,
                                          .alphabet = 1,
                                          .value_bytes_max = 20,
                                          .versions_max = 3});
  entries.insert(entries.end(), longer.begin(), longer.end());
  entries.push_back({"", Sequence{(uint64_t{1} << 56) - 1}, OpKind::kPut, ""});
  entries.push_back(
      {std::string("\0\xFF", 2), Sequence{0}, OpKind::kPut, std::string(70'000, 'L')});
  std::ranges::sort(entries, InOrder);
  return entries;
}

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    text += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4];
    text += "0123456789abcdef"[static_cast<uint8_t>(c) & 15];
  }
  return text.empty() ? "-" : text;
}

// Long values by size and checksum, so that the listing stays small.
std::string ValueText(std::string_view value) {
  if (value.size() <= 64) return Hex(value);
  return std::to_string(value.size()) + ":" + std::to_string(Crc32c(value));
}

std::string Listing(const std::vector<OwnedEntry>& entries) {
  std::string text;
  for (const OwnedEntry& entry : entries) {
    text += Hex(entry.key) + " " + std::to_string(kv::ToNumber(entry.sequence)) +
            (entry.kind == OpKind::kDelete  ? " delete "
             : entry.kind == OpKind::kMerge ? " merge "
                                            : " put ") +
            ValueText(entry.value);
    if (kv::Expires(entry.kind)) text += " until " + std::to_string(entry.expires_at_ms);
    text += "\n";
  }
  return text;
}

constexpr TableOptions kGoldenOptions{.block_bytes = 1000,
                                      .filter_bits_per_key = 10,
                                      .compression = kv::Compression::kNone,
                                      .level = 2,
                                      .run = 5};

void ExpectChecksClean(const std::string& bytes) {
  const auto facts = TableReader::ReadFacts(MemoryFile(bytes));
  ASSERT_TRUE(facts.ok()) << facts.status().ToString();
  BlockCache cache(0);
  const auto table = OpenTable({bytes, *facts}, cache);
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  const Status checked = (*table)->Check();
  EXPECT_TRUE(checked.ok()) << checked.ToString();
}

TEST(TableCompat, ReproducesVersionOneBitForBit) {
  const auto entries = GoldenEntries();
  const std::string listing = Listing(entries);
  EXPECT_TRUE(Golden("table_v1.txt", listing) == listing);
  const std::string bytes = BuildTable(entries, kGoldenOptions).bytes;
  EXPECT_TRUE(Golden("table_v1.sst", bytes) == bytes);
}

// Values that expire, among others: a kind that joined version 1 later.
TEST(TableCompat, ReproducesATableWithExpiryBitForBit) {
  Rng rng(20261121);
  auto entries = RandomEntries(rng, {.entries = 200,
                                     .key_bytes_max = 14,
                                     .alphabet = 3,
                                     .value_bytes_max = 30,
                                     .versions_max = 4,
                                     .expiring_in_ten = 4});
  entries.push_back({"zz", Sequence{7}, OpKind::kPutExpiring, "", ~uint64_t{0}});
  entries.push_back({"zzz", Sequence{7}, OpKind::kPutExpiring, std::string(3000, 'v'), 0});
  std::ranges::sort(entries, InOrder);
  const std::string listing = Listing(entries);
  EXPECT_TRUE(Golden("table_v1_expiry.txt", listing) == listing);
  const std::string bytes = BuildTable(entries, kGoldenOptions).bytes;
  EXPECT_TRUE(Golden("table_v1_expiry.sst", bytes) == bytes);
  ExpectChecksClean(bytes);
}

// Range deletes, some of one key range, some alone: format 2.
TEST(TableCompat, ReproducesATableWithRangeDeletesBitForBit) {
  Rng rng(20261122);
  const auto entries = RandomEntries(rng, {.entries = 120,
                                           .key_bytes_max = 10,
                                           .alphabet = 3,
                                           .value_bytes_max = 30,
                                           .versions_max = 3});
  MemoryFile file{std::string()};
  TableBuilder builder(file, kTestNumber, kTestSalt, kGoldenOptions);
  for (const OwnedEntry& entry : entries) ASSERT_TRUE(builder.Add(entry.view()).ok());
  std::string listing = Listing(entries);
  const std::vector<OwnedFragment> ranges = {
      {"", std::string("\0", 1), {Sequence{9000}}},
      {"a", "ab", {Sequence{70'000}, Sequence{500}, Sequence{1}}},
      {"ab", "b", {Sequence{500}}},
      {"zz", std::string(100, 'z') + "y", {Sequence{(uint64_t{1} << 56) - 1}, Sequence{40}}}};
  for (const OwnedFragment& range : ranges) {
    for (const Sequence sequence : range.sequences) {
      ASSERT_TRUE(builder.AddRangeDelete({range.begin, range.end, sequence}).ok());
      listing += Hex(range.begin) + " " + std::to_string(kv::ToNumber(sequence)) +
                 " delete-range " + Hex(range.end) + "\n";
    }
  }
  ASSERT_TRUE(builder.Finish().ok());
  const std::string bytes = file.bytes();
  EXPECT_TRUE(Golden("table_v2_range_deletes.txt", listing) == listing);
  EXPECT_TRUE(Golden("table_v2_range_deletes.sst", bytes) == bytes);
  ExpectChecksClean(bytes);
}

// Operands of merges beside all else that a table may hold: format 3.
TEST(TableCompat, ReproducesATableWithOperandsBitForBit) {
  Rng rng(20261123);
  const auto entries = RandomEntries(rng, {.entries = 150,
                                           .key_bytes_max = 10,
                                           .alphabet = 3,
                                           .value_bytes_max = 30,
                                           .versions_max = 4,
                                           .expiring_in_ten = 1,
                                           .operands_in_ten = 5});
  MemoryFile file{std::string()};
  TableBuilder builder(file, kTestNumber, kTestSalt, kGoldenOptions);
  for (const OwnedEntry& entry : entries) ASSERT_TRUE(builder.Add(entry.view()).ok());
  ASSERT_TRUE(builder.AddRangeDelete({"zz", "zzz", Sequence{70'000}}).ok());
  const std::string listing =
      Listing(entries) + Hex("zz") + " 70000 delete-range " + Hex("zzz") + "\n";
  ASSERT_TRUE(builder.Finish().ok());
  const std::string bytes = file.bytes();
  EXPECT_TRUE(Golden("table_v3_operands.txt", listing) == listing);
  EXPECT_TRUE(Golden("table_v3_operands.sst", bytes) == bytes);
  ExpectChecksClean(bytes);
}

// A codec's output may change with its library's version, so packed tables are only read.
TEST(TableCompat, ReadsVersionOneOfEveryCodec) {
  const auto entries = GoldenEntries();
  for (const auto& [name, codec] : {std::pair("table_v1.sst", kv::Compression::kNone),
                                    {"table_v1_snappy.sst", kv::Compression::kSnappy},
                                    {"table_v1_lz4.sst", kv::Compression::kLz4},
                                    {"table_v1_zstd.sst", kv::Compression::kZstd}}) {
    TableOptions options = kGoldenOptions;
    options.compression = codec;
    const std::string bytes = Golden(name, BuildTable(entries, options).bytes);
    auto facts = TableReader::ReadFacts(MemoryFile(bytes));
    ASSERT_TRUE(facts.ok()) << name << ": " << facts.status().ToString();
    BlockCache cache(0);
    const auto table = OpenTable({bytes, *facts}, cache);
    ASSERT_TRUE(table.ok()) << name << ": " << table.status().ToString();
    const Status checked = (*table)->Check();
    EXPECT_TRUE(checked.ok()) << name << ": " << checked.ToString();
    const auto cursor = (*table)->NewCursor(CacheFill::kPassBy);
    std::vector<OwnedEntry> found;
    for (cursor->SeekToFirst(); cursor->valid(); cursor->Next()) {
      found.push_back(Own(cursor->entry()));
    }
    EXPECT_EQ(found, entries) << name;
  }
}

}  // namespace
}  // namespace aidb::lsm
