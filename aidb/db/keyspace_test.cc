// Keyspaces through the front door, on every backend.

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/db/all_backends_for_test.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/lsm/open.h"
#include "aidb/testing/status_matchers.h"

namespace aidb {
namespace {

std::string Show(Iterator iterator) {
  std::string shown;
  for (; iterator.Valid(); iterator.Next()) {
    shown += std::string(iterator.key()) + "=" + std::string(iterator.value()) + " ";
  }
  return shown + iterator.status().ToString();
}

std::string Names(const DB& db) {
  const auto keyspaces = db.Keyspaces();
  if (!keyspaces.ok()) return keyspaces.status().ToString();
  std::string names;
  for (const Keyspace& keyspace : *keyspaces) {
    names += std::string(keyspace.name()) + ":" + std::to_string(ToNumber(keyspace.id())) + " ";
  }
  return names;
}

class Keyspaces : public BackendTest {};
AIDB_INSTANTIATE_FOR_ALL_BACKENDS(Keyspaces);

class DurableKeyspaces : public BackendTest {};
INSTANTIATE_TEST_SUITE_P(All, DurableKeyspaces, ::testing::Values(AIDB_DURABLE_BACKENDS),
                         NameOfParameter);

class FollowedKeyspaces : public BackendTest {};
INSTANTIATE_TEST_SUITE_P(All, FollowedKeyspaces,
                         ::testing::Values(Backend::kNative, Backend::kMemory), NameOfParameter);

TEST_P(Keyspaces, AreMapsOfTheirOwnUnderEveryVerb) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
  ASSERT_OK_AND_ASSIGN(const Keyspace orders, db->OpenKeyspace("orders"));
  const uint64_t later = db->Snapshot().now_ms() + 1'000'000'000;
  ASSERT_OK(db->Put("k", "default"));
  ASSERT_OK(db->Put("k", "user", {.keyspace = &users}));
  ASSERT_OK(db->PutUntil("e", "expires", later, {.keyspace = &users}));
  ASSERT_OK(db->Merge("n", MergeOperator::kAddI64, "5", {.keyspace = &users}));
  ASSERT_OK(db->Merge("n", MergeOperator::kAddI64, "2", {.keyspace = &users}));
  ASSERT_OK(db->Put("k", "order", {.keyspace = &orders}));
  ASSERT_OK(db->Put("x", "order", {.keyspace = &orders}));

  EXPECT_EQ(*db->Get("k"), "default");
  EXPECT_EQ(*db->Get("k", {.keyspace = &users}), "user");
  EXPECT_EQ(*db->Get("n", {.keyspace = &users}), "7");
  EXPECT_EQ(*db->Get("n"), std::nullopt);
  EXPECT_EQ(*db->Get("x", {.keyspace = &users}), std::nullopt);
  ASSERT_OK_AND_ASSIGN(const auto pinned, db->GetPinned("e", {.keyspace = &users}));
  ASSERT_TRUE(pinned.has_value());
  EXPECT_EQ(pinned->expires_at_ms(), later);
  const std::string_view keys[] = {"k", "x", "n"};
  const auto values = db->MultiGet(keys, {.keyspace = &orders});
  ASSERT_EQ(values.size(), 3u);
  EXPECT_EQ((*values[0])->view(), "order");
  EXPECT_EQ((*values[1])->view(), "order");
  EXPECT_FALSE((*values[2]).has_value());

  EXPECT_EQ(Show(db->Scan()), "k=default ok");
  EXPECT_EQ(Show(db->Scan({.keyspace = &users})), "e=expires k=user n=7 ok");
  EXPECT_EQ(Show(db->Scan({.order = ScanOrder::kReverse, .keyspace = &users})),
            "n=7 k=user e=expires ok");
  EXPECT_EQ(Show(db->Scan({.lower = "f", .upper = "n", .keyspace = &users})), "k=user ok");
  EXPECT_EQ(Show(db->Scan({.prefix = "x", .keyspace = &orders})), "x=order ok");

  ASSERT_OK(db->Delete("k", {.keyspace = &users}));
  ASSERT_OK(db->DeleteRange("l", std::nullopt, {.keyspace = &users}));
  EXPECT_EQ(Show(db->Scan({.keyspace = &users})), "e=expires ok");
  ASSERT_OK(db->DeleteRange("", "l", {.keyspace = &orders}));
  EXPECT_EQ(Show(db->Scan({.keyspace = &orders})), "x=order ok");
  EXPECT_EQ(db->DeleteRange("b", "a", {.keyspace = &users}).code(), StatusCode::kInvalidArgument);
  ASSERT_OK(db->DeleteRange("", std::nullopt));
  EXPECT_EQ(Show(db->Scan()), "ok");
  EXPECT_EQ(Show(db->Scan({.keyspace = &orders})), "x=order ok");
  EXPECT_EQ(Names(*db), "orders:2 users:1 ");
}

TEST_P(Keyspaces, ShareBatchesSnapshotsAndTransactions) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
  ASSERT_OK_AND_ASSIGN(const Keyspace orders, db->OpenKeyspace("orders"));
  WriteBatch batch;
  batch.Put("a", "1");
  batch.Put("a", "2", &users);
  batch.Put("\xFF", "3");
  batch.Put("\xFF", "4", &orders);
  batch.Delete("a", &orders);
  ASSERT_OK_AND_ASSIGN(const Sequence last, db->Write(std::move(batch)));
  EXPECT_EQ(last, db->Stats().sequence);
  const auto snapshot = db->Snapshot();
  ASSERT_OK(db->Put("a", "5", {.keyspace = &users}));
  EXPECT_EQ(Show(db->Scan({.snapshot = &snapshot})), "a=1 \xFF=3 ok");
  EXPECT_EQ(Show(db->Scan({.snapshot = &snapshot, .keyspace = &users})), "a=2 ok");
  EXPECT_EQ(*db->Get("a", {.snapshot = &snapshot, .keyspace = &users}), "2");

  Transaction moves = db->Begin();
  EXPECT_EQ(*moves.GetForUpdate("a", &users), "5");
  ASSERT_OK(moves.Delete("a", &users));
  ASSERT_OK(moves.Put("moved", "5", &orders));
  ASSERT_OK(moves.Merge("n", MergeOperator::kAddI64, "1", &orders));
  ASSERT_OK(moves.Put("moved", "6"));
  EXPECT_EQ(*moves.Get("moved", &orders), "5");
  EXPECT_EQ(Show(moves.Scan({.keyspace = &orders})), "moved=5 n=1 \xFF=4 ok");
  EXPECT_EQ(Show(moves.Scan({.keyspace = &users})), "ok");
  EXPECT_EQ(Show(moves.Scan()), "a=1 moved=6 \xFF=3 ok");
  ASSERT_OK(moves.Commit());
  EXPECT_EQ(Show(db->Scan({.keyspace = &orders})), "moved=5 n=1 \xFF=4 ok");
  EXPECT_EQ(Show(db->Scan({.keyspace = &users})), "ok");

  Transaction loses = db->Begin();
  EXPECT_EQ(Show(loses.ScanForUpdate({.keyspace = &users})), "ok");
  ASSERT_OK(loses.Put("a", "7"));
  ASSERT_OK(db->Put("new", "8", {.keyspace = &users}));
  EXPECT_EQ(loses.Commit().status().code(), StatusCode::kConflict);
  Transaction wins = db->Begin();  // The same key of another keyspace is another key.
  ASSERT_OK(wins.Put("a", "9"));
  ASSERT_OK(db->Put("a", "10", {.keyspace = &users}));
  EXPECT_OK(wins.Commit());
}

TEST_P(Keyspaces, KeepTheDefaultKeysThatBeginWithFF) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  ASSERT_OK(db->Put("\xFF", "1"));
  ASSERT_OK(db->Put("\xFF\x01", "2"));
  ASSERT_OK(db->Put(std::string("\xFF\0", 2), "3"));
  EXPECT_EQ(db->Stats().sequence, Sequence{3});
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
  ASSERT_OK(db->Put("", "4", {.keyspace = &users}));
  const std::string all = "\xFF=1 \xFF" + std::string(1, '\0') + "=3 \xFF\x01=2 ok";
  EXPECT_EQ(Show(db->Scan()), all);
  EXPECT_EQ(Show(db->Scan({.lower = "\xFF"})), all);
  EXPECT_EQ(Show(db->Scan({.prefix = "\xFF\x01"})), "\xFF\x01=2 ok");
  EXPECT_EQ(*db->Get("\xFF\x01"), "2");
  const std::string_view keys[] = {"\xFF\x01", "a"};
  EXPECT_EQ((*db->MultiGet(keys)[0])->view(), "2");
  Iterator iterator = db->Scan();
  iterator.Seek("\xFF\x01");
  ASSERT_TRUE(iterator.Valid());
  EXPECT_EQ(iterator.key(), "\xFF\x01");
  iterator.SeekForPrev("\xFF\xFF");
  ASSERT_TRUE(iterator.Valid());
  EXPECT_EQ(iterator.key(), "\xFF\x01");
  ASSERT_OK(db->DeleteRange("\xFF", "\xFF\x01"));
  EXPECT_EQ(Show(db->Scan()), "\xFF\x01=2 ok");
  ASSERT_OK(db->Delete("\xFF\x01"));
  EXPECT_EQ(Show(db->Scan()), "ok");
  EXPECT_EQ(Show(db->Scan({.keyspace = &users})), "=4 ok");
}

// What a sorted file holds comes in as it is: no key in it may be taken for one of a keyspace.
TEST_P(Keyspaces, TakeNothingOfSortedFilesAndGiveThemselvesToThem) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
  ASSERT_OK(db->Put("k", "default"));
  ASSERT_OK(db->Put("k", "user", {.keyspace = &users}));
  const std::string of_users = path() + ".users.sst";
  ASSERT_OK(db->Export(of_users, {.keyspace = &users}));
  ASSERT_OK(db->Ingest(std::vector<std::string>{of_users}));
  EXPECT_EQ(*db->Get("k"), "user");
  EXPECT_EQ(*db->Get("k", {.keyspace = &users}), "user");

  io::PosixEnv posix;
  ASSERT_OK_AND_ASSIGN(const auto writer,
                       SortedFileWriter::Create(posix.env(), path() + ".ff.sst"));
  ASSERT_OK(writer->Put("\xFF\x01k", "forged"));
  ASSERT_OK(writer->Finish());
  const Status refused = db->Ingest(std::vector<std::string>{path() + ".ff.sst"}).status();
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << refused.ToString();
  EXPECT_NE(refused.message().find("ff.sst"), std::string::npos) << refused.ToString();
  EXPECT_EQ(*db->Get("k", {.keyspace = &users}), "user");

  ASSERT_OK(db->Put("\xFF", "default"));
  EXPECT_EQ(db->Export(path() + ".all.sst").status().code(), StatusCode::kInvalidArgument);
  ASSERT_OK(db->Export(path() + ".most.sst", {.upper = "\xFF"}));
}

TEST_P(Keyspaces, AreOpenedAsTheModeSays) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  EXPECT_FAILS(db->OpenKeyspace("users", StoreMode::kMustExist), StatusCode::kInvalidArgument,
               "there is no keyspace \"users\"");
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users", StoreMode::kMustBeNew));
  EXPECT_FAILS(db->OpenKeyspace("users", StoreMode::kMustBeNew), StatusCode::kInvalidArgument,
               "there is a keyspace \"users\" already");
  EXPECT_FAILS(db->OpenKeyspace("users", StoreMode::kReadOnly), StatusCode::kInvalidArgument, "");
  ASSERT_OK_AND_ASSIGN(const Keyspace again, db->OpenKeyspace("users", StoreMode::kMustExist));
  EXPECT_EQ(users, again);
  EXPECT_EQ(users.name(), "users");
  const std::string any("\0\xFF/", 3);
  EXPECT_OK(db->OpenKeyspace(any));
  EXPECT_OK(db->OpenKeyspace(std::string(255, 'n')));
  EXPECT_FAILS(db->OpenKeyspace(""), StatusCode::kInvalidArgument, "0 bytes; allowed are 1 to 255");
  EXPECT_FAILS(db->OpenKeyspace(std::string(256, 'n')), StatusCode::kInvalidArgument, "256 bytes");
  EXPECT_FAILS(db->DropKeyspace(""), StatusCode::kInvalidArgument, "0 bytes");
  EXPECT_EQ(Names(*db), any + ":2 " + std::string(255, 'n') + ":3 users:1 ");
  EXPECT_EQ(Show(db->Scan()), "ok");
}

TEST_P(Keyspaces, RefuseWhoeverHasADroppedOne) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
  ASSERT_OK(db->Put("k", "v", {.keyspace = &users}));
  const auto before = db->Snapshot();
  Iterator walk = db->Scan({.keyspace = &users});
  Transaction transaction = db->Begin();
  ASSERT_OK(transaction.Put("k", "w", &users));
  WriteBatch batch;
  batch.Put("a", "1");
  batch.Put("k", "w", &users);
  ASSERT_OK(db->DropKeyspace("users"));
  EXPECT_OK(db->DropKeyspace("users"));  // Nothing to drop any more.

  constexpr StatusCode kGone = StatusCode::kInvalidArgument;
  EXPECT_FAILS(db->Put("k", "v", {.keyspace = &users}), kGone, "\"users\" was dropped");
  EXPECT_FAILS(db->Get("k", {.keyspace = &users}), kGone, "was dropped");
  EXPECT_FAILS(db->Get("k", {.snapshot = &before, .keyspace = &users}), kGone, "was dropped");
  const std::string_view keys[] = {"k"};
  EXPECT_FAILS(db->MultiGet(keys, {.keyspace = &users})[0], kGone, "was dropped");
  EXPECT_FAILS(db->Scan({.keyspace = &users}).status(), kGone, "was dropped");
  EXPECT_FAILS(db->Compact({}, &users), kGone, "was dropped");
  EXPECT_FAILS(db->Write(std::move(batch)), kGone, "was dropped");
  WriteBatch usual(&users);
  usual.Put("k", "w");
  EXPECT_FAILS(db->Write(std::move(usual)), kGone, "was dropped");
  EXPECT_FAILS(transaction.Get("k", &users), kGone, "was dropped");
  EXPECT_FAILS(transaction.Commit(), kGone, "was dropped");
  EXPECT_EQ(Show(db->Scan()), "ok");
  EXPECT_EQ(Show(std::move(walk)), "k=v ok");
  EXPECT_EQ(Names(*db), "");

  ASSERT_OK_AND_ASSIGN(const Keyspace anew, db->OpenKeyspace("users"));
  EXPECT_EQ(ToNumber(anew.id()), 2u);
  EXPECT_EQ(Show(db->Scan({.keyspace = &anew})), "ok");
  EXPECT_EQ(Show(db->Scan({.snapshot = &before, .keyspace = &anew})), "ok");
  EXPECT_FAILS(db->Put("k", "v", {.keyspace = &users}), kGone, "was dropped");
}

TEST_P(Keyspaces, RefuseAHandleOfAnotherDb) {
  ASSERT_OK_AND_ASSIGN(auto db, Open());
  ASSERT_OK_AND_ASSIGN(const auto other, DB::Open(path() + "2", options()));
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
  ASSERT_OK(other->OpenKeyspace("users"));
  EXPECT_FAILS(other->Put("k", "v", {.keyspace = &users}), StatusCode::kInvalidArgument,
               "is of another DB");
  EXPECT_FAILS(other->Get("k", {.keyspace = &users}), StatusCode::kInvalidArgument, "another DB");
  WriteBatch batch;
  batch.Put("k", "v", &users);
  EXPECT_FAILS(other->Write(std::move(batch)), StatusCode::kInvalidArgument, "another DB");
  EXPECT_FAILS(other->Begin().Put("k", "v", &users), StatusCode::kInvalidArgument, "another DB");
  db.reset();
  ASSERT_OK_AND_ASSIGN(db, Open());
  EXPECT_FAILS(db->Put("k", "v", {.keyspace = &users}), StatusCode::kInvalidArgument,
               "opened again");
}

TEST_P(Keyspaces, TakeAKeyspaceWhereItMeansSomethingAlone) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
  WriteBatch batch;
  batch.Put("a", "1");
  EXPECT_FAILS(db->Write(std::move(batch), {.keyspace = &users}), StatusCode::kInvalidArgument,
               "name their keyspaces");
  Transaction transaction = db->Begin();
  EXPECT_FAILS(transaction.Commit({.keyspace = &users}), StatusCode::kInvalidArgument,
               "name their keyspaces");
}

// Follows a store: no write to a keyspace comes behind its drop.
class DropWatch {
 public:
  explicit DropWatch(Updates updates) : updates_(std::move(updates)) {}

  // How many are dropped; what is wrong is a failure of the test.
  size_t LookOn() {
    while (true) {
      const auto update = updates_.Next();
      EXPECT_OK(update);
      if (!update.ok() || !*update) return dropped_.size();
      LookAt(**update);
    }
  }

 private:
  void LookAt(const Update& update) {
    WriteBatch::Reader reader = update.reader();
    std::optional<uint32_t> dropped;
    while (true) {
      const auto operation = reader.Next();
      ASSERT_OK(operation);
      if (!*operation) break;
      const uint32_t id = ToNumber((*operation)->keyspace);
      EXPECT_FALSE(dropped_.contains(id)) << "a write behind the drop of " << id;
      if ((*operation)->kind == kv::OpKind::kDeleteRange) dropped = id;
    }
    if (dropped) dropped_.insert(*dropped);
  }

  Updates updates_;
  std::set<uint32_t> dropped_;
};

// What was acknowledged lies before the drop, and nothing comes behind it.
TEST_P(FollowedKeyspaces, DropBetweenTheWritesOfOthers) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  ASSERT_OK_AND_ASSIGN(Updates updates, db->UpdatesSince(Sequence{0}));
  DropWatch watch(std::move(updates));
  io::PosixEnv world;
  for (size_t round = 1; round <= 50; ++round) {
    ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
    std::atomic<int> put{0};
    std::atomic<int> ended{0};
    const auto write = [&](bool in_batch) {
      Status status;
      while (status.ok()) {
        WriteBatch batch;
        batch.Put("k", "v", &users);
        status = in_batch ? db->Write(std::move(batch)).status()
                          : db->Put("k", "v", {.keyspace = &users});
        ++put;
      }
      ++ended;
      return status;
    };
    Status first, second;
    auto one = world.env().executor.Start("one", [&] { first = write(/*in_batch=*/false); });
    auto two = world.env().executor.Start("two", [&] { second = write(/*in_batch=*/true); });
    while (put < 10 && ended < 2) {
    }
    ASSERT_OK(db->DropKeyspace("users"));
    one.reset();
    two.reset();
    for (const Status& status : {first, second}) {
      EXPECT_TRUE(status.message().find("dropped") != std::string::npos) << status.ToString();
    }
    EXPECT_EQ(Names(*db), "");
    EXPECT_EQ(watch.LookOn(), round);
  }
}

TEST_P(Keyspaces, TwoOpenersMakeOne) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  io::PosixEnv world;
  for (int round = 0; round < 20; ++round) {
    const std::string name = "n" + std::to_string(round);
    std::optional<Keyspace> first, second;
    const auto open = [&](std::optional<Keyspace>& keyspace) {
      auto opened = db->OpenKeyspace(name);
      if (opened.ok()) keyspace = *opened;
    };
    auto one = world.env().executor.Start("one", [&] { open(first); });
    auto two = world.env().executor.Start("two", [&] { open(second); });
    one.reset();
    two.reset();
    ASSERT_TRUE(first && second);
    EXPECT_EQ(*first, *second);
    EXPECT_EQ(ToNumber(first->id()), static_cast<uint32_t>(round) + 1);
  }
}

TEST_P(DurableKeyspaces, GiveBackTheSpaceOfADroppedOne) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
  ASSERT_OK_AND_ASSIGN(const Keyspace kept, db->OpenKeyspace("kept"));
  std::string value(1000, ' ');
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    for (char& byte : value) byte = static_cast<char>(rng.Below(256));
    ASSERT_OK(db->Put(std::to_string(i), value, {.keyspace = i % 100 == 0 ? &kept : &users}));
  }
  ASSERT_OK(db->Flush());
  EXPECT_GT(db->Stats().table_bytes, 1'500'000u);
  ASSERT_OK(db->DropKeyspace("users"));
  ASSERT_OK(db->Compact());
  EXPECT_LT(db->Stats().table_bytes, 100'000u);
  ASSERT_OK(db->Compact({}, &kept));
  EXPECT_NE(*db->Get("500", {.keyspace = &kept}), std::nullopt);
}

TEST_P(Keyspaces, TellTheUsersOperatorsTheKeysOfUsers) {
  class Shows final : public MergeFunction {
   public:
    std::string Merge(MergeOperator /*op*/, std::string_view key,
                      std::optional<std::string_view> /*value*/,
                      std::string_view /*operand*/) const override {
      return "[" + std::string(key) + "]";
    }
  };
  const Shows shows;
  ASSERT_OK_AND_ASSIGN(const auto db, DB::Open(path(), options(), &shows));
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
  constexpr MergeOperator kUsers{200};
  ASSERT_OK(db->Merge("a", kUsers, "", {.keyspace = &users}));
  ASSERT_OK(db->Merge("\xFF", kUsers, ""));
  ASSERT_OK(db->Merge("b", kUsers, ""));
  Transaction transaction = db->Begin();
  ASSERT_OK(transaction.Merge("c", kUsers, "", &users));
  ASSERT_OK(transaction.Commit());
  EXPECT_EQ(Show(db->Scan({.keyspace = &users})), "a=[a] c=[c] ok");
  EXPECT_EQ(Show(db->Scan()), "b=[b] \xFF=[\xFF] ok");
}

TEST_P(FollowedKeyspaces, AreToldOfInUpdatesAndTakenOverByAFollower) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  ASSERT_OK_AND_ASSIGN(const auto replica, DB::Open(path() + "-replica", options()));
  ASSERT_OK_AND_ASSIGN(Updates updates, db->UpdatesSince(Sequence{0}));
  const auto follow = [&] {
    std::string shown;
    while (true) {
      const auto update = updates.Next();
      if (!update.ok()) return shown + update.status().ToString();
      if (!*update) return shown;
      WriteBatch batch;
      WriteBatch::Reader reader = (*update)->reader();
      while (true) {
        const auto operation = *reader.Next();
        if (!operation) break;
        const bool catalogue = operation->keyspace == kv::kKeyspaceCatalogue;
        shown += (catalogue ? "names" : std::to_string(ToNumber(operation->keyspace))) + ":" +
                 std::string(operation->key) + "=" + std::string(operation->value) + " ";
        batch.Add(*operation);
      }
      if (const auto written = replica->Write(std::move(batch)); !written.ok()) {
        return shown + written.status().ToString();
      }
    }
  };
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
  ASSERT_OK(db->Put("a", "1", {.keyspace = &users}));
  ASSERT_OK(db->Put("\xFF", "2"));
  ASSERT_OK(db->Put("b", "3"));
  ASSERT_OK(db->DeleteRange("b", std::nullopt, {.keyspace = &users}));
  EXPECT_EQ(follow(), "names:=keyspaces/1 2 1 names:users=1 1:a=1 0:\xFF=2 0:b=3 1:b= ");
  ASSERT_OK_AND_ASSIGN(const Keyspace copied,
                       replica->OpenKeyspace("users", StoreMode::kMustExist));
  EXPECT_EQ(Show(replica->Scan({.keyspace = &copied})), "a=1 ok");
  EXPECT_EQ(Show(replica->Scan()), "b=3 \xFF=2 ok");
  EXPECT_EQ(replica->Stats().sequence, db->Stats().sequence);

  ASSERT_OK(db->DropKeyspace("users"));
  EXPECT_EQ(follow(), "names:users= 1:= names:=keyspaces/1 2 0 ");
  EXPECT_FAILS(replica->Get("a", {.keyspace = &copied}), StatusCode::kInvalidArgument,
               "was dropped");
  EXPECT_EQ(Names(*replica), "");
  ASSERT_OK_AND_ASSIGN(const Keyspace next, replica->OpenKeyspace("next"));
  EXPECT_EQ(ToNumber(next.id()), 2u);
}

TEST_P(DurableKeyspaces, AreThereWhenTheStoreIsOpenedAgain) {
  {
    ASSERT_OK_AND_ASSIGN(const auto db, Open());
    for (int i = 0; i < 300; ++i) {
      ASSERT_OK_AND_ASSIGN(const Keyspace one, db->OpenKeyspace(std::to_string(i)));
      ASSERT_OK(db->Put("n", std::to_string(i), {.keyspace = &one}));
    }
    ASSERT_OK(db->DropKeyspace("299"));
    ASSERT_OK(db->Put("n", "default"));
    EXPECT_EQ(Show(db->Scan()), "n=default ok");
  }
  ASSERT_OK_AND_ASSIGN(auto db, Open());
  for (int i = 0; i < 299; ++i) {
    ASSERT_OK_AND_ASSIGN(const Keyspace one,
                         db->OpenKeyspace(std::to_string(i), StoreMode::kMustExist));
    EXPECT_EQ(Show(db->Scan({.keyspace = &one})), "n=" + std::to_string(i) + " ok");
  }
  EXPECT_EQ(Show(db->Scan()), "n=default ok");
  ASSERT_OK_AND_ASSIGN(const Keyspace next, db->OpenKeyspace("299"));
  EXPECT_EQ(ToNumber(next.id()), 301u);  // Not 300 again.
  db.reset();
  Options read_only = options();
  read_only.mode = StoreMode::kReadOnly;
  ASSERT_OK_AND_ASSIGN(db, DB::Open(path(), read_only));
  ASSERT_OK_AND_ASSIGN(const Keyspace one, db->OpenKeyspace("7"));
  EXPECT_EQ(*db->Get("n", {.keyspace = &one}), "7");
  EXPECT_FAILS(db->OpenKeyspace("new"), StatusCode::kUnavailable, "");
  EXPECT_FAILS(db->DropKeyspace("7"), StatusCode::kUnavailable, "");
  EXPECT_EQ(*db->Get("n", {.keyspace = &one}), "7");
}

TEST_P(DurableKeyspaces, AreInACheckpoint) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
  ASSERT_OK(db->Put("k", "v", {.keyspace = &users}));
  ASSERT_OK(db->Checkpoint(path() + "-copy"));
  ASSERT_OK_AND_ASSIGN(const auto copy, DB::Open(path() + "-copy", options()));
  ASSERT_OK_AND_ASSIGN(const Keyspace copied, copy->OpenKeyspace("users", StoreMode::kMustExist));
  EXPECT_EQ(*copy->Get("k", {.keyspace = &copied}), "v");
}

// A store that no DB wrote, or that has lost a part of the catalogue.
class ForeignStore : public ::testing::Test {
 protected:
  void Write(const std::vector<std::string>& keys, std::string_view value) {
    ASSERT_OK_AND_ASSIGN(const auto opened,
                         lsm::OpenStore(world_.env(), path(), Options(), nullptr));
    WriteBatch batch;
    for (const std::string& key : keys) batch.Put(key, value);
    ASSERT_OK(opened.store->Write(std::move(batch), {}));
    ASSERT_OK(opened.store->Close());
  }
  void Delete(std::string_view key) {
    ASSERT_OK_AND_ASSIGN(const auto opened,
                         lsm::OpenStore(world_.env(), path(), Options(), nullptr));
    WriteBatch batch;
    batch.Delete(key);
    ASSERT_OK(opened.store->Write(std::move(batch), {}));
    ASSERT_OK(opened.store->Close());
  }
  std::string path() const { return directory_.Join("store"); }

 private:
  testing::TempDirectory directory_;
  io::PosixEnv world_;
};

TEST_F(ForeignStore, IsRefusedWhereItsKeysCouldBeTakenForKeyspaces) {
  for (const char* key : {"\xFF", "\xFF\x01", "\xFF\xFF", "\xFF\xF2"}) {
    ASSERT_OK(DB::Destroy(path()));
    Write({"a", key}, "v");
    EXPECT_FAILS(DB::Open(path()), StatusCode::kInvalidArgument,
                 "begin with 0xFF and were not written through a DB");
  }
  ASSERT_OK(DB::Destroy(path()));
  Write({"a", "\xFE\xFF"}, "v");
  ASSERT_OK_AND_ASSIGN(const auto db, DB::Open(path()));
  EXPECT_EQ(Show(db->Scan()), "a=v \xFE\xFF=v ok");
}

TEST_F(ForeignStore, IsRefusedWhenItsCatalogueIsOfANewerVersionOrDamaged) {
  Write({"\xFF\xFE"}, "keyspaces/2 something");
  EXPECT_FAILS(DB::Open(path()), StatusCode::kInvalidArgument, "a newer version");
  for (const char* head : {"keyspaces/1 ", "keyspaces/1 0 0", "keyspaces/1 1", "keyspaces/1 1 1 1",
                           "keyspaces/1 99999999999 1", "keyspaces/1 x 1"}) {
    Write({"\xFF\xFE"}, head);
    EXPECT_FAILS(DB::Open(path()), StatusCode::kCorruption, "catalogue of keyspaces") << head;
  }
  Write({"\xFF\xFE"}, "keyspaces/1 2 1");
  Write({"\xFF\xFEusers"}, "many");
  ASSERT_OK_AND_ASSIGN(const auto db, DB::Open(path()));
  EXPECT_FAILS(db->OpenKeyspace("users"), StatusCode::kCorruption, "\"many\" for the number of");
  EXPECT_FAILS(db->Keyspaces(), StatusCode::kCorruption, "\"many\"");
}

TEST_F(ForeignStore, IsOpenedWithoutTheHeadOfItsCatalogueAndGivesNoNumberTwice) {
  {
    ASSERT_OK_AND_ASSIGN(const auto db, DB::Open(path()));
    ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
    ASSERT_OK_AND_ASSIGN(const Keyspace orders, db->OpenKeyspace("orders"));
    ASSERT_OK(db->Put("k", "v", {.keyspace = &orders}));
  }
  Delete("\xFF\xFE");        // The head,
  Delete("\xFF\xFEorders");  // and the name of one that has keys.
  ASSERT_OK_AND_ASSIGN(const auto db, DB::Open(path()));
  EXPECT_EQ(Names(*db), "users:1 ");
  ASSERT_OK_AND_ASSIGN(const Keyspace orders, db->OpenKeyspace("orders"));
  EXPECT_EQ(ToNumber(orders.id()), 3u);
  EXPECT_EQ(Show(db->Scan({.keyspace = &orders})), "ok");
}

TEST(Repair, KeepsKeyspaces) {
  testing::TempDirectory directory;
  const std::string path = directory.Join("store");
  {
    ASSERT_OK_AND_ASSIGN(const auto db, DB::Open(path));
    ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users"));
    ASSERT_OK_AND_ASSIGN(const Keyspace dropped, db->OpenKeyspace("dropped"));
    ASSERT_OK(db->Put("in a table", "1", {.keyspace = &users}));
    ASSERT_OK(db->Put("k", "2", {.keyspace = &dropped}));
    ASSERT_OK(db->Flush());
    ASSERT_OK(db->DropKeyspace("dropped"));
    ASSERT_OK(db->Put("in the log", "3", {.keyspace = &users}));
    ASSERT_OK(db->Put("\xFF", "4"));
  }
  io::PosixEnv world;
  ASSERT_OK(world.env().files.Remove(io::JoinPath(path, "CURRENT")));
  const std::string saved = directory.Join("saved");
  ASSERT_OK(DB::Repair(path, saved));
  ASSERT_OK_AND_ASSIGN(const auto db, DB::Open(saved));
  EXPECT_EQ(Names(*db), "users:1 ");
  ASSERT_OK_AND_ASSIGN(const Keyspace users, db->OpenKeyspace("users", StoreMode::kMustExist));
  EXPECT_EQ(Show(db->Scan({.keyspace = &users})), "in a table=1 in the log=3 ok");
  EXPECT_EQ(Show(db->Scan()), "\xFF=4 ok");
}

}  // namespace
}  // namespace aidb
