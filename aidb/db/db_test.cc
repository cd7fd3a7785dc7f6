// Opening, destroying, and what the front door adds to the contract.

#include "aidb/db/db.h"

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/db/all_backends_for_test.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/testing/status_matchers.h"
#include "aidb/testing/temp_directory.h"

namespace aidb {
namespace {

using testing::TempDirectory;

std::vector<std::string> NamesIn(const std::string& directory) {
  io::PosixEnv world;
  Result<std::vector<std::string>> names = world.env().files.List(directory);
  return names.ok() ? *std::move(names) : std::vector<std::string>{};
}

void WriteFile(const std::string& path) { std::ofstream(path) << "not ours\n"; }

std::string Join(Iterator iterator) {
  std::string joined;
  for (; iterator.Valid(); iterator.Next()) {
    joined += std::string(iterator.key()) + "=" + std::string(iterator.value()) + " ";
  }
  return joined + iterator.status().ToString();
}

class EachBackend : public BackendTest {};
AIDB_INSTANTIATE_FOR_ALL_BACKENDS(EachBackend);

class DurableBackend : public BackendTest {};
INSTANTIATE_TEST_SUITE_P(All, DurableBackend, ::testing::Values(AIDB_DURABLE_BACKENDS),
                         NameOfParameter);

TEST_P(EachBackend, DeletesARange) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  for (const char* key : {"a", "b", "c", "d"}) ASSERT_OK(db->Put(key, "v"));
  Transaction transaction = db->Begin();
  ASSERT_OK(transaction.GetForUpdate("b"));
  ASSERT_OK(transaction.Put("x", "v"));
  ASSERT_OK(db->DeleteRange("b", "c"));
  EXPECT_EQ(Join(db->Scan()), "a=v c=v d=v ok");
  EXPECT_EQ(transaction.Commit().status().code(), StatusCode::kConflict);
  EXPECT_EQ(db->DeleteRange("c", "b").code(), StatusCode::kInvalidArgument);
  ASSERT_OK(db->DeleteRange("c", std::nullopt));
  EXPECT_EQ(Join(db->Scan()), "a=v ok");
  Transaction scanned = db->Begin();
  EXPECT_EQ(Join(scanned.ScanForUpdate()), "a=v ok");
  ASSERT_OK(scanned.Put("x", "v"));
  ASSERT_OK(db->DeleteRange("", std::nullopt));
  EXPECT_EQ(scanned.Commit().status().code(), StatusCode::kConflict);
  EXPECT_EQ(Join(db->Scan()), "ok");
}

TEST_P(EachBackend, DoesWhatTheFrontDoorShows) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  ASSERT_OK(db->Put("city:beijing", "21.5M"));
  EXPECT_EQ(*db->Get("city:beijing"), "21.5M");
  EXPECT_EQ(*db->Get("city:atlantis"), std::nullopt);
  ASSERT_OK_AND_ASSIGN(const auto pinned, db->GetPinned("city:beijing"));
  ASSERT_TRUE(pinned.has_value());
  EXPECT_EQ(pinned->view(), "21.5M");

  const auto before = db->Snapshot();
  WriteBatch batch;
  batch.Put("city:paris", "2.1M");
  batch.Delete("city:beijing");
  ASSERT_OK_AND_ASSIGN(const Sequence last, db->Write(std::move(batch), {.sync = true}));
  EXPECT_EQ(last, db->Stats().sequence);
  ASSERT_OK(db->Put("river:seine", "777 km"));

  EXPECT_EQ(Join(db->Scan({.prefix = "city:"})), "city:paris=2.1M ok");
  EXPECT_EQ(Join(db->Scan({.order = ScanOrder::kReverse})),
            "river:seine=777 km city:paris=2.1M ok");
  EXPECT_EQ(Join(db->Scan({.snapshot = &before})), "city:beijing=21.5M ok");
  EXPECT_EQ(*db->Get("city:beijing", {.snapshot = &before}), "21.5M");
  const std::string_view keys[] = {"river:seine", "city:beijing"};
  const auto values = db->MultiGet(keys);
  ASSERT_EQ(values.size(), 2u);
  EXPECT_EQ((*values[0])->view(), "777 km");
  EXPECT_FALSE((*values[1]).has_value());
  ASSERT_OK(db->Delete("river:seine"));
  EXPECT_EQ(*db->Get("river:seine"), std::nullopt);
  EXPECT_OK(db->Sync());
  EXPECT_OK(db->Flush());
  EXPECT_OK(db->Close());
  EXPECT_OK(db->Close());
  EXPECT_FAILS(db->Get("a"), StatusCode::kUnavailable, "");
}

TEST_P(EachBackend, LetsHandlesOutliveIt) {
  ASSERT_OK_AND_ASSIGN(auto db, DB::Open(path(), options()));  // In a world of its own.
  ASSERT_OK(db->Put("a", std::string(100'000, '1')));
  ASSERT_OK(db->Flush());
  ASSERT_OK(db->Put("b", "2"));
  const auto snapshot = db->Snapshot();
  Iterator iterator = db->Scan();
  ASSERT_OK_AND_ASSIGN(const auto pinned, db->GetPinned("a"));
  ASSERT_TRUE(pinned.has_value());
  db.reset();
  EXPECT_EQ(pinned->size(), 100'000u);
  EXPECT_EQ(snapshot.sequence(), Sequence{2});
  ASSERT_TRUE(iterator.Valid());
  EXPECT_EQ(iterator.key(), "a");
  iterator.Next();
  EXPECT_FALSE(iterator.Valid());
  EXPECT_FAILS(iterator.status(), StatusCode::kUnavailable, "");
}

TEST(NativeBackend, LetsAFeedOutliveIt) {
  TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(auto db, DB::Open(directory.Join("s")));  // In a world of its own.
  ASSERT_OK_AND_ASSIGN(Updates updates, db->UpdatesSince(Sequence{0}));
  ASSERT_OK(db->Put("a", std::string(20 << 20, '1')));  // Past the ring: read from the file.
  ASSERT_OK(db->Put("b", "2"));
  ASSERT_OK_AND_ASSIGN(const auto update, updates.Next());
  ASSERT_TRUE(update.has_value());
  EXPECT_EQ(update->count, 1u);
  db.reset();
  EXPECT_FAILS(updates.Next(), StatusCode::kUnavailable, "closed");
}

#if AIDB_HAS_ROCKS
TEST(RocksBackend, HasNoUpdates) {
  TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(const auto db,
                       DB::Open(directory.Join("s"), {.backend = Backend::kRocksDb}));
  EXPECT_FAILS(db->UpdatesSince(Sequence{0}), StatusCode::kInvalidArgument,
               "a store of the rocksdb backend cannot be followed");
}
#endif

TEST_P(DurableBackend, ClosesInOrderWhenItIsDestroyed) {
  {
    ASSERT_OK_AND_ASSIGN(const auto db, Open());
    ASSERT_OK(db->Put("a", "1"));
  }
  // Read-only mode refuses a native store that was left as a kill leaves it.
  Options read_only = options();
  read_only.mode = StoreMode::kReadOnly;
  ASSERT_OK_AND_ASSIGN(const auto db, DB::Open(path(), read_only));
  EXPECT_EQ(*db->Get("a"), "1");
  EXPECT_FAILS(db->Put("a", "2"), StatusCode::kUnavailable, "");
}

TEST_P(DurableBackend, RefusesASecondOpening) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  EXPECT_FAILS(DB::Open(path(), options()), StatusCode::kUnavailable, "already open");
}

TEST_P(DurableBackend, RemovesWhatItMadeAndNothingElse) {
  {
    ASSERT_OK_AND_ASSIGN(const auto db, Open());
    for (int i = 0; i < 1000; ++i) ASSERT_OK(db->Put(std::to_string(i), std::string(500, 'v')));
    ASSERT_OK(db->Flush());
    ASSERT_OK(db->Put("in the log", "v"));
  }
  WriteFile(path() + "/notes.txt");
  WriteFile(path() + "/1.sst.keep");
  ASSERT_OK(DB::Destroy(path()));
  EXPECT_EQ(NamesIn(path()), (std::vector<std::string>{"1.sst.keep", "notes.txt"}));
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  EXPECT_EQ(Join(db->Scan()), "ok");
}

TEST_P(DurableBackend, RemovesTheDirectoryWhenNothingIsLeft) {
  {
    ASSERT_OK_AND_ASSIGN(const auto db, Open());
    ASSERT_OK(db->Put("a", "1"));
  }
  ASSERT_OK(DB::Destroy(path()));
  io::PosixEnv world;
  EXPECT_EQ(*world.env().files.Exists(path()), false);
  EXPECT_OK(DB::Destroy(path()));
}

TEST_P(DurableBackend, IsNotDestroyedWhileItIsOpen) {
  ASSERT_OK_AND_ASSIGN(auto db, Open());
  ASSERT_OK(db->Put("a", "1"));
  EXPECT_FAILS(DB::Destroy(path()), StatusCode::kUnavailable, "already open");
  ASSERT_OK(db->Put("b", "2"));
  db.reset();
  ASSERT_OK_AND_ASSIGN(db, Open());
  EXPECT_EQ(Join(db->Scan()), "a=1 b=2 ok");
}

TEST(Destroy, LeavesADirectoryThatHoldsNoStoreOfOurs) {
  TempDirectory directory;
  const std::vector<std::string> names = {"000007.log", "CURRENT", "LOCK", "MANIFEST-000001"};
  for (const std::string& name : names) WriteFile(directory.Join(name));  // As LevelDB's.
  EXPECT_OK(DB::Destroy(directory.path()));
  EXPECT_EQ(NamesIn(directory.path()), names);
}

TEST(Open, NamesTheMissingStore) {
  TempDirectory directory;
  EXPECT_FAILS(DB::Open(directory.Join("none"), {.mode = StoreMode::kMustExist}),
               StatusCode::kInvalidArgument, "there is no store here");
}

TEST(Open, RefusesABackendThatDoesNotExist) {
  TempDirectory directory;
  EXPECT_FAILS(DB::Open(directory.Join("s"), {.backend = static_cast<Backend>(7)}),
               StatusCode::kInvalidArgument, "option backend is 7");
}

#if AIDB_HAS_ROCKS
TEST(Open, RefusesTheDirectoryOfAnotherBackend) {
  TempDirectory directory;
  const std::string native = directory.Join("native");
  const std::string rocks = directory.Join("rocks");
  EXPECT_OK(DB::Open(native));
  EXPECT_OK(DB::Open(rocks, {.backend = Backend::kRocksDb}));
  EXPECT_FAILS(DB::Open(rocks), StatusCode::kInvalidArgument, "of the rocksdb backend");
  EXPECT_FAILS(DB::Open(native, {.backend = Backend::kRocksDb}), StatusCode::kInvalidArgument,
               "of the native backend");
}
#else
TEST(Open, SaysHowToBuildTheBackendThatIsMissing) {
  TempDirectory directory;
  EXPECT_FAILS(DB::Open(directory.Join("s"), {.backend = Backend::kRocksDb}),
               StatusCode::kInvalidArgument, "-DAIDB_ROCKS=ON");
}
#endif

}  // namespace
}  // namespace aidb
