// Random operations over several keyspaces, each answer compared with maps of their own.

#include <array>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/db/all_backends_for_test.h"
#include "aidb/testing/seed.h"
#include "aidb/testing/status_matchers.h"

namespace aidb {
namespace {

using Map = std::map<std::string, std::string>;
// By name; the default one has the empty name.
using Maps = std::map<std::string, Map>;

const std::array<std::string, 4> kNames = {"", "users", "orders", std::string("\0\xFF", 2)};

class RandomRun {
 public:
  RandomRun(std::string path, const Options& options, uint64_t seed)
      : path_(std::move(path)), options_(options), rng_(seed) {
    Open();
  }

  void Run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      Step();
    }
    for (const std::string& name : kNames) CompareWalk(name, nullptr);
    for (const Taken& taken : taken_) {
      for (const std::string& name : kNames) CompareWalk(name, &taken);
    }
    ASSERT_OK_AND_ASSIGN(const auto all, db_->Keyspaces());
    EXPECT_EQ(all.size() + 1, maps_.size());
  }

 private:
  struct Taken {
    kv::Snapshot snapshot;
    Maps maps;
    std::map<std::string, kv::KeyspaceId> ids;
  };

  void Open() {
    ASSERT_OK_AND_ASSIGN(db_, DB::Open(path_, options_));
    maps_[""];
  }

  void Reopen() {
    taken_.clear();
    opened_.clear();
    db_.reset();
    Open();
  }

  std::string Key() {
    constexpr std::string_view kLetters(
        "\0\x01"
        "ab\xFE\xFF",
        6);
    std::string key;
    for (uint64_t size = rng_.Below(4); size > 0; --size) {
      key += kLetters[rng_.Below(kLetters.size())];
    }
    return key;
  }
  std::string Value() { return std::string(rng_.Below(40), 'v') + std::to_string(rng_.Below(999)); }
  const std::string& Name() { return kNames[rng_.Below(kNames.size())]; }

  // Makes it if it is not there.
  const Keyspace* Of(const std::string& name) {
    if (name.empty()) return nullptr;
    const auto found = opened_.find(name);
    if (found != opened_.end()) return &found->second;
    auto keyspace = db_->OpenKeyspace(name);
    EXPECT_OK(keyspace);
    maps_[name];
    return &opened_.emplace(name, *keyspace).first->second;
  }

  void Step() {
    switch (rng_.Below(16)) {
      case 0:
      case 1:
      case 2:
        return Put();
      case 3:
        return Delete();
      case 4:
        return rng_.OneIn(3) ? DeleteRange() : Put();
      case 5:
      case 6:
        return Batch();
      case 7:
        return Commit();
      case 8:
      case 9:
        return CompareGet();
      case 10:
        return CompareScan();
      case 11:
        return CompareWalk(Name(), SomeMoment());
      case 12:
        return CompareMultiGet();
      case 13:
        return TakeOrRelease();
      case 14:
        return rng_.OneIn(6) ? Drop() : CompareGet();
      default:
        return Shake();
    }
  }

  void Put() {
    const std::string &name = Name(), key = Key(), value = Value();
    EXPECT_OK(db_->Put(key, value, {.keyspace = Of(name)}));
    maps_[name][key] = value;
  }
  void Delete() {
    const std::string &name = Name(), key = Key();
    EXPECT_OK(db_->Delete(key, {.keyspace = Of(name)}));
    maps_[name].erase(key);
  }

  static void Erase(Map& map, const std::string& begin, const std::optional<std::string>& end) {
    if (end && *end <= begin) return;
    map.erase(map.lower_bound(begin), end ? map.lower_bound(*end) : map.end());
  }
  void DeleteRange() {
    const std::string &name = Name(), begin = Key();
    std::optional<std::string> end;
    if (!rng_.OneIn(8)) end = begin + Key();
    EXPECT_OK(db_->DeleteRange(begin, end, {.keyspace = Of(name)}));
    Erase(maps_[name], begin, end);
  }

  void Batch() {
    WriteBatch batch(Of(usual_));
    for (uint64_t n = rng_.Below(8); n > 0; --n) {
      const std::string &named = Name(), key = Key(), value = Value();
      // What names none goes to the usual one.
      const std::string& name = named.empty() ? usual_ : named;
      const Keyspace* const keyspace = Of(named);
      Map& map = maps_[name];
      if (rng_.OneIn(4)) {
        batch.Delete(key, keyspace);
        map.erase(key);
      } else if (rng_.OneIn(8)) {
        batch.DeleteRange(key, std::nullopt, keyspace);
        Erase(map, key, std::nullopt);
      } else if (rng_.OneIn(8)) {
        batch.Merge(key, MergeOperator::kAppend, value, keyspace);
        map[key] += value;
      } else {
        batch.Put(key, value, keyspace);
        map[key] = value;
      }
    }
    const auto written = db_->Write(std::move(batch));
    ASSERT_OK(written);
    EXPECT_EQ(*written, db_->Stats().sequence);
    if (rng_.OneIn(10)) usual_ = Name();
  }

  void Commit() {
    Transaction transaction = db_->Begin();
    Maps maps = maps_;
    for (uint64_t n = rng_.Below(6); n > 0; --n) {
      const std::string &name = Name(), key = Key(), value = Value();
      const Keyspace* const keyspace = Of(name);
      maps[name];
      if (rng_.OneIn(3)) {
        ASSERT_OK(transaction.Delete(key, keyspace));
        maps[name].erase(key);
      } else {
        ASSERT_OK(transaction.Put(key, value, keyspace));
        maps[name][key] = value;
      }
      const std::string &read = Name(), read_key = Key();
      ASSERT_OK_AND_ASSIGN(const auto got, transaction.GetForUpdate(read_key, Of(read)));
      const auto expected = maps[read].find(read_key);
      EXPECT_EQ(got, expected == maps[read].end() ? std::nullopt : std::optional(expected->second));
      ExpectPairs(transaction.Scan({.keyspace = Of(read)}), maps[read]);
    }
    ASSERT_OK(transaction.Commit());
    maps_ = std::move(maps);
  }

  // A moment that `name` was there at, and still is; null for now.
  const Taken* SomeMoment() {
    return taken_.empty() || rng_.OneIn(2) ? nullptr : &taken_[rng_.Below(taken_.size())];
  }
  static const kv::Snapshot* SnapshotOf(const Taken* taken) {
    return taken == nullptr ? nullptr : &taken->snapshot;
  }
  // What is in `keyspace` at the moment: nothing if it came later.
  const Map& At(const std::string& name, const Keyspace* keyspace, const Taken* taken) {
    static const Map kNothing;
    if (taken == nullptr) return maps_[name];
    if (keyspace != nullptr) {
      const auto id = taken->ids.find(name);
      if (id == taken->ids.end() || id->second != keyspace->id()) return kNothing;
    }
    const auto found = taken->maps.find(name);
    return found == taken->maps.end() ? kNothing : found->second;
  }

  void CompareGet() {
    const std::string &name = Name(), key = Key();
    const Keyspace* const keyspace = Of(name);
    const Taken* const taken = SomeMoment();
    ASSERT_OK_AND_ASSIGN(const auto got,
                         db_->Get(key, {.snapshot = SnapshotOf(taken), .keyspace = keyspace}));
    const Map& map = At(name, keyspace, taken);
    const auto expected = map.find(key);
    EXPECT_EQ(got, expected == map.end() ? std::nullopt : std::optional(expected->second));
  }

  void CompareMultiGet() {
    const std::string& name = Name();
    const Keyspace* const keyspace = Of(name);
    const std::vector<std::string> keys = {Key(), Key(), Key()};
    const std::vector<std::string_view> views(keys.begin(), keys.end());
    const auto values = db_->MultiGet(views, {.keyspace = keyspace});
    ASSERT_EQ(values.size(), keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
      ASSERT_OK(values[i]);
      const auto expected = maps_[name].find(keys[i]);
      ASSERT_EQ((*values[i]).has_value(), expected != maps_[name].end());
      if (*values[i]) {
        EXPECT_EQ((*values[i])->view(), expected->second);
      }
    }
  }

  static void ExpectPairs(Iterator iterator, const Map& expected) {
    Map got;
    for (; iterator.Valid(); iterator.Next()) {
      got.emplace(std::string(iterator.key()), std::string(iterator.value()));
    }
    EXPECT_OK(iterator.status());
    EXPECT_EQ(got, expected);
  }

  void CompareScan() {
    const std::string &name = Name(), lower = Key(), upper = Key(), prefix = Key();
    const Keyspace* const keyspace = Of(name);
    const Taken* const taken = SomeMoment();
    ScanOptions options{.snapshot = SnapshotOf(taken), .keyspace = keyspace};
    if (rng_.OneIn(2)) options.lower = lower;
    if (rng_.OneIn(2)) options.upper = upper;
    if (rng_.OneIn(2)) options.prefix = prefix;
    if (rng_.OneIn(2)) options.order = ScanOrder::kReverse;
    Map expected;
    for (const auto& [key, value] : At(name, keyspace, taken)) {
      const bool in = (!options.lower || key >= lower) && (!options.upper || key < upper) &&
                      key.starts_with(options.prefix);
      if (in) expected.emplace(key, value);
    }
    ExpectPairs(db_->Scan(options), expected);
  }

  // Seeks and turns round beside a walk over the map.
  void CompareWalk(const std::string& name, const Taken* taken) {
    const Keyspace* const keyspace = Of(name);
    const Map& map = At(name, keyspace, taken);
    Iterator iterator = db_->Scan({.snapshot = SnapshotOf(taken), .keyspace = keyspace});
    auto at = map.begin();
    for (int move = 0; move < 15; ++move) {
      ASSERT_EQ(iterator.Valid(), at != map.end());
      if (iterator.Valid()) {
        EXPECT_EQ(iterator.key(), at->first);
        EXPECT_EQ(iterator.value(), at->second);
      }
      const std::string key = Key();
      const uint64_t choice = rng_.Below(4);
      if (choice == 0 || at == map.end()) {
        iterator.Seek(key);
        at = map.lower_bound(key);
      } else if (choice == 1) {
        iterator.SeekForPrev(key);
        at = map.upper_bound(key);
        at = at == map.begin() ? map.end() : std::prev(at);
      } else if (choice == 2) {
        iterator.Next();
        ++at;
      } else {
        iterator.Prev();
        at = at == map.begin() ? map.end() : std::prev(at);
      }
    }
    ExpectPairs(db_->Scan({.snapshot = SnapshotOf(taken), .keyspace = keyspace}), map);
  }

  void TakeOrRelease() {
    if (taken_.size() >= 4) {
      taken_.erase(taken_.begin() + static_cast<ptrdiff_t>(rng_.Below(taken_.size())));
      return;
    }
    Taken taken{.snapshot = db_->Snapshot(), .maps = maps_, .ids = {}};
    ASSERT_OK_AND_ASSIGN(const auto all, db_->Keyspaces());
    for (const Keyspace& one : all) taken.ids.emplace(std::string(one.name()), one.id());
    taken_.push_back(std::move(taken));
  }

  void Drop() {
    const std::string& name = Name();
    if (name.empty()) return;
    ASSERT_OK(db_->DropKeyspace(name));
    if (const auto opened = opened_.find(name); opened != opened_.end()) {
      EXPECT_FAILS(db_->Get("a", {.keyspace = &opened->second}), StatusCode::kInvalidArgument,
                   "was dropped");
      opened_.erase(opened);
    }
    maps_.erase(name);
    if (name == usual_) usual_ = "";
  }

  void Shake() {
    switch (rng_.Below(12)) {
      case 0: {
        EXPECT_OK(db_->Flush());
        return;
      }
      case 1: {
        EXPECT_OK(db_->Compact());
        return;
      }
      case 2: {
        EXPECT_OK(db_->Compact({.lower = Key()}, Of(Name())));
        return;
      }
      case 3:
        return options_.backend != Backend::kMemory ? Reopen() : Put();
      default:
        return Put();
    }
  }

  const std::string path_;
  const Options options_;
  Rng rng_;
  std::unique_ptr<DB> db_;
  std::map<std::string, Keyspace> opened_;
  Maps maps_;
  std::string usual_;
  std::vector<Taken> taken_;
};

class KeyspaceModel : public BackendTest {};
AIDB_INSTANTIATE_FOR_ALL_BACKENDS(KeyspaceModel);

TEST_P(KeyspaceModel, DoesWhatMapsOfTheirOwnDo) {
  const uint64_t seed = testing::SeedFromEnvironmentOr(1);
  SCOPED_TRACE("AIDB_SEED=" + std::to_string(seed));
  RandomRun(path(), options(), seed).Run(8'000);
}

}  // namespace
}  // namespace aidb
