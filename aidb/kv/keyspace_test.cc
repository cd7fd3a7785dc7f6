#include "aidb/kv/keyspace.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/kv/memory_store.h"
#include "aidb/kv/write_batch.h"
#include "aidb/testing/seed.h"
#include "aidb/testing/status_matchers.h"

namespace aidb::kv {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

Keyspace Numbered(uint32_t number, std::string name = "users") {
  return Keyspace(std::make_shared<KeyspaceState>(std::move(name), KeyspaceId{number},
                                                  std::make_shared<const int>()));
}

std::string Stored(KeyspaceId id, std::string_view key) {
  if (id == kDefaultKeyspace && !TakesPrefix(key)) return std::string(key);
  return std::string(StoredKey(id, key).view());
}

TEST(KeyspacePrefix, HasTheBytesOfTheFormat) {
  const auto of = [](uint32_t number) { return KeyspacePrefix(KeyspaceId{number}); };
  EXPECT_EQ(of(0).view(), "\xFF\x00"s);
  EXPECT_EQ(of(1).view(), "\xFF\x01");
  EXPECT_EQ(of(239).view(), "\xFF\xEF");
  EXPECT_EQ(of(240).view(), "\xFF\xF0\x00\xF0"s);
  EXPECT_EQ(of(65'535).view(), "\xFF\xF0\xFF\xFF");
  EXPECT_EQ(of(65'536).view(), "\xFF\xF1\x00\x01\x00\x00"s);
  EXPECT_EQ(KeyspacePrefix(kKeyspaceCatalogue).view(), "\xFF\xFE");
  EXPECT_EQ(of(0).End(), "\xFF\x01");
  EXPECT_EQ(of(239).End(), "\xFF\xF0");
  EXPECT_EQ(of(65'535).End(), "\xFF\xF1");
  EXPECT_EQ(of(65'536 + 255).End(), "\xFF\xF1\x00\x01\x01"s);
}

TEST(StoredKey, KeepsTheOrderOfKeysAndKeyspacesApart) {
  const std::vector<KeyspaceId> ids = {
      KeyspaceId{0},      KeyspaceId{1},      KeyspaceId{2},        KeyspaceId{239},
      KeyspaceId{240},    KeyspaceId{255},    KeyspaceId{256},      KeyspaceId{65'535},
      KeyspaceId{65'536}, KeyspaceId{70'000}, KeyspaceId{1u << 31}, kKeyspaceCatalogue};
  const std::vector<std::string> keys = {
      "",         "\0"s,      "\x01",     "a",        "a\xFF",
      "b",        "\xFE\xFF", "\xFF",     "\xFF\0"s,  "\xFF\0\xFF"s,
      "\xFF\x01", "\xFF\xF1", "\xFF\xFE", "\xFF\xFF", std::string(200, '\xFF')};
  std::vector<std::string> stored;
  for (const KeyspaceId id : ids) {
    const std::string end = KeyspacePrefix(id).End();
    for (const std::string& key : keys) {
      stored.push_back(Stored(id, key));
      EXPECT_LT(stored.back(), end);
      const auto located = Locate(stored.back());
      ASSERT_TRUE(located.has_value());
      EXPECT_EQ(located->keyspace, id);
      EXPECT_EQ(located->key, key);
      // By view.
      EXPECT_EQ(located->key.end(), std::string_view(stored.back()).end());
    }
    EXPECT_EQ(LocateEnd(id, end), "");
    EXPECT_EQ(LocateEnd(id, Stored(id, "b")), "b");
  }
  EXPECT_TRUE(std::ranges::is_sorted(stored));
  EXPECT_EQ(std::ranges::adjacent_find(stored), stored.end());
}

TEST(Locate, RefusesWhatNoDbStores) {
  for (const std::string& stored :
       {"\xFF"s, "\xFF\0"s, "\xFF\0a"s, "\xFF\xF0"s, "\xFF\xF0\0\xEF"s, "\xFF\xF0\1"s,
        "\xFF\xF1\0\0\xFF\xFF"s, "\xFF\xF1\xFF\xFF\xFF\xFF"s, "\xFF\xF2"s, "\xFF\xFD"s,
        "\xFF\xFF"s}) {
    EXPECT_FALSE(Locate(stored).has_value()) << ::testing::PrintToString(stored);
  }
  EXPECT_EQ(LocateEnd(KeyspaceId{1}, "\xFF\x02z"), std::nullopt);
  EXPECT_EQ(LocateEnd(kDefaultKeyspace, "\xFF\x02"), std::nullopt);
  EXPECT_EQ(LocateEnd(kDefaultKeyspace, "\xFF\0"s), "\xFF");
}

TEST(Keyspace, SaysWhyItServesNobody) {
  const auto owner = std::make_shared<const int>();
  KeyspaceState state("users", KeyspaceId{1}, owner);
  EXPECT_OK(state.Check(owner.get()));
  EXPECT_FAILS(state.Check(nullptr), StatusCode::kInvalidArgument, "\"users\" is of another DB");
  state.set_life(KeyspaceState::Life::kDropping);
  EXPECT_FAILS(state.Check(owner.get()), StatusCode::kUnavailable, "is being dropped");
  state.set_life(KeyspaceState::Life::kDropped);
  EXPECT_FAILS(state.Check(owner.get()), StatusCode::kInvalidArgument, "\"users\" was dropped");
}

std::string Show(std::string_view operations, WriteBatch::KeyForm form) {
  std::string shown;
  WriteBatch::Reader reader(operations, form);
  while (true) {
    const auto operation = reader.Next();
    if (!operation.ok()) return shown + operation.status().ToString();
    if (!*operation) return shown;
    shown += std::to_string(ToNumber((*operation)->keyspace)) + ":" +
             std::to_string(static_cast<int>((*operation)->kind)) + ":" +
             std::string((*operation)->key) + "=" + std::string((*operation)->value) + " ";
  }
}

TEST(WriteBatch, ShowsTheKeyspacesOfWhatItStores) {
  const Keyspace users = Numbered(1);
  const Keyspace orders = Numbered(300, "orders");
  WriteBatch batch;
  batch.Put("a", "1");
  batch.Put("a", "2", &users);
  batch.Put("\xFF", "3", uint64_t{77});
  batch.Delete("b", &orders);
  batch.DeleteRange("c", std::nullopt);
  batch.DeleteRange("c", std::nullopt, &users);
  batch.DeleteRange("", "d", &orders);
  batch.DeleteRange("\xFF\x01", "\xFF\x02");
  batch.DeleteRange("x", "\xFF");
  batch.Merge("n", MergeOperator::kAddI64, "5", &users);
  EXPECT_FALSE(batch.is_stored());
  ASSERT_EQ(batch.keyspaces().size(), 2u);
  ASSERT_OK(batch.Validate(1000));
  ASSERT_OK_AND_ASSIGN(WriteBatch stored, std::move(batch).AsStored());
  EXPECT_EQ(stored.count(), 10u);
  EXPECT_EQ(stored.range_deletes(), 5u);
  EXPECT_FALSE(stored.has_open_range());
  EXPECT_TRUE(stored.has_expiry());
  EXPECT_TRUE(stored.has_merge());
  const std::string shown = Show(stored.operations(), WriteBatch::KeyForm::kOfKeyspaces);
  EXPECT_EQ(shown,
            "0:1:a=1 1:1:a=2 0:5:\xFF=3 300:2:b= 0:4:c= 1:4:c= 300:4:=d "
            "0:4:\xFF\x01=\xFF\x02 0:4:x=\xFF 1:3:n=5 ");
  EXPECT_OK(stored.Validate(1000));

  // What was shown is written again to the same bytes.
  WriteBatch again;
  WriteBatch::Reader reader(stored.operations(), WriteBatch::KeyForm::kOfKeyspaces);
  for (int i = 0; i < 10; ++i) again.Add(**reader.Next());
  EXPECT_TRUE(again.has_added_keyspaces());
  ASSERT_OK_AND_ASSIGN(WriteBatch again_stored, std::move(again).AsStored());
  EXPECT_EQ(again_stored.operations(), stored.operations());
}

TEST(WriteBatch, OfOneKeyspacePutsThereWhatNamesNone) {
  const Keyspace users = Numbered(1);
  const Keyspace orders = Numbered(2, "orders");
  WriteBatch batch(&users);
  batch.Put("a", "1");
  batch.Put("\xFF", "2");
  batch.Delete("b", &orders);
  EXPECT_FALSE(batch.is_stored());
  EXPECT_EQ(Show(batch.operations(), WriteBatch::KeyForm::kOfKeyspaces),
            "1:1:a=1 1:1:\xFF=2 2:2:b= ");
  batch.Clear();
  batch.Put("c", "1");
  EXPECT_EQ(Show(batch.operations(), WriteBatch::KeyForm::kOfKeyspaces), "1:1:c=1 ");
}

TEST(WriteBatch, HoldsKeysOfKeyspacesToALowerLimit) {
  const Keyspace users = Numbered(1u << 31);
  WriteBatch batch;
  batch.Put(std::string(kPrefixedKeyBytesMax, 'k'), "v", &users);
  EXPECT_OK(batch.Validate(uint64_t{4} << 20));
  batch.Delete(std::string(kPrefixedKeyBytesMax + 1, 'k'), &users);
  EXPECT_FAILS(batch.Validate(uint64_t{4} << 20), StatusCode::kInvalidArgument,
               "a key of 1048569 bytes in the keyspace \"users\"; at most 1048568 are allowed");
  WriteBatch ranges;
  ranges.DeleteRange("a", std::string(kPrefixedKeyBytesMax + 1, 'k'), &users);
  EXPECT_FAILS(ranges.Validate(uint64_t{4} << 20), StatusCode::kInvalidArgument, "1048569");
  WriteBatch plain;
  plain.Put(std::string(kPrefixedKeyBytesMax + 1, '\xFF'), "v");
  ASSERT_OK(plain.Validate(uint64_t{4} << 20));  // As a Store takes it.
  EXPECT_FAILS(std::move(plain).AsStored(), StatusCode::kInvalidArgument,
               "a key of 1048569 bytes that begins with 0xFF; at most 1048568");
}

// A walk over one keyspace's stored keys among all, against a map of its own.
TEST(Iterator, ShowsTheKeysOfOneKeyspaceAndSeeksAmongThem) {
  const uint64_t seed = testing::SeedFromEnvironmentOr(1);
  SCOPED_TRACE("AIDB_SEED=" + std::to_string(seed));
  Rng rng(seed);
  const std::vector<KeyspaceId> ids = {kDefaultKeyspace, KeyspaceId{1}, KeyspaceId{240}};
  std::map<KeyspaceId, std::map<std::string, std::string>> expected;
  const std::string_view letters =
      "\0\x01"
      "ab\xFE\xFF"sv;
  const auto random_key = [&] {
    std::string key;
    for (uint64_t size = rng.Below(5); size > 0; --size) key += letters[rng.Below(letters.size())];
    return key;
  };
  class StillClock final : public Clock {
   public:
    Instant Now() const override { return {}; }
    int64_t WallMillis() const override { return 0; }
    void SleepFor(Duration /*duration*/) override {}
  };
  const StillClock clock;
  ASSERT_OK_AND_ASSIGN(const auto store, MemoryStore::Open({}, clock));
  WriteBatch batch;
  for (int i = 0; i < 300; ++i) {
    const KeyspaceId id = ids[rng.Below(ids.size())];
    const std::string key = random_key();
    expected[id][key] = std::to_string(i);
    batch.Put(Stored(id, key), std::to_string(i));
  }
  ASSERT_OK(store->Write(std::move(batch), {}));
  for (const KeyspaceId id : ids) {
    const std::string lower(id == kDefaultKeyspace ? "" : KeyspacePrefix(id).view());
    const std::string upper = KeyspacePrefix(id).End();
    Iterator iterator = store->Scan({.lower = lower, .upper = upper});
    iterator.ShowKeysOf(id);
    for (const auto& [key, value] : expected[id]) {
      ASSERT_TRUE(iterator.Valid());
      EXPECT_EQ(iterator.key(), key);
      EXPECT_EQ(iterator.value(), value);
      iterator.Next();
    }
    EXPECT_FALSE(iterator.Valid());
    for (int i = 0; i < 200; ++i) {
      const std::string key = random_key();
      iterator.Seek(key);
      const auto at = expected[id].lower_bound(key);
      ASSERT_EQ(iterator.Valid(), at != expected[id].end());
      if (iterator.Valid()) {
        EXPECT_EQ(iterator.key(), at->first);
      }
      iterator.SeekForPrev(key);
      const auto behind = expected[id].upper_bound(key);
      ASSERT_EQ(iterator.Valid(), behind != expected[id].begin());
      if (iterator.Valid()) {
        EXPECT_EQ(iterator.key(), std::prev(behind)->first);
      }
    }
  }
}

// As a feed of another store would give it, but for what no Reader lets pass.
TEST(KeyspaceBatch, RefusesAddedRangesAndKeysThatNoReaderGives) {
  const auto add = [](std::string_view begin, std::string_view end) {
    WriteBatch batch;
    batch.Add(
        {.kind = OpKind::kDeleteRange, .key = begin, .value = end, .keyspace = KeyspaceId{5}});
    return batch;
  };
  EXPECT_EQ(add("b", "a").Validate(1 << 20).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(add("a", "a").count(), 0u);
  EXPECT_EQ(add("a", "").count(), 1u);
  EXPECT_EQ(add("a", std::string(kKeyBytesMax, 'x')).Validate(1 << 24).code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(add("a", "b").Validate(1 << 20).ok());
}

}  // namespace
}  // namespace aidb::kv
