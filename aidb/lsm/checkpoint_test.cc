// What a checkpoint promises when calls fail, when the power is cut, and about what others left.

#include "aidb/lsm/checkpoint.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "aidb/io/sim/world.h"
#include "aidb/lsm/check.h"
#include "aidb/lsm/engine_for_test.h"
#include "aidb/lsm/unfinished_directory.h"

namespace aidb::lsm {
namespace {

using Contents = std::map<std::string, std::string>;

Contents ReadAll(const kv::Store& store) {
  Contents contents;
  kv::Iterator it = store.Scan({});
  for (; it.Valid(); it.Next()) contents.emplace(it.key(), it.value());
  EXPECT_OK(it.status());
  return contents;
}

kv::Options SmallOptions() {
  kv::Options options = kv::Options::ForTests();
  options.sync_interval_ms = 0;
  return options;
}

// Writes keys of which some are in tables, some in memory, some deleted.
void WriteSome(kv::Store& store, int count) {
  for (int i = 0; i < count; ++i) {
    kv::WriteBatch batch;
    batch.Put(Key(static_cast<uint64_t>(i)), "value " + std::to_string(i));
    if (i % 3 == 0) batch.Delete(Key(static_cast<uint64_t>(i) / 2));
    ASSERT_OK(store.Write(std::move(batch), {}));
    if (i == count / 2) {
      ASSERT_OK(store.Flush());
    }
  }
}

// What a store at `path` holds; nullopt when there is none. Anything between fails the test.
std::optional<Contents> ContentsAt(const io::Env& env, const std::string& path) {
  const auto exists = env.files.Exists(path);
  EXPECT_OK(exists);
  if (!exists.ok() || !*exists) return std::nullopt;
  const auto check = CheckStore(env, path);
  EXPECT_OK(check);
  if (check.ok() && !check->ok()) ADD_FAILURE() << check->problems.front().what;
  kv::Options options = SmallOptions();
  options.mode = kv::StoreMode::kMustExist;
  auto opened = OpenStore(env, path, options);
  EXPECT_OK(opened);
  if (!opened.ok()) return std::nullopt;
  const Contents contents = ReadAll(*opened->store);
  EXPECT_OK(opened->store->Close());
  return contents;
}

TEST_F(EngineTest, ACheckpointSharesTheTablesAndHasNoLog) {
  ASSERT_OK(Open());
  WriteSome(*engine_, 300);
  const std::string target = directory_.Join("copy");
  ASSERT_OK(engine_->Checkpoint(target + "/"));
  const auto names = world_.env().files.List(target);
  ASSERT_OK(names);
  size_t tables = 0;
  for (const std::string& name : *names) {
    const auto file = ParseFileName(name);
    ASSERT_TRUE(file) << name;
    EXPECT_NE(file->kind, FileKind::kLog) << name;
    if (file->kind == FileKind::kTable) ++tables;
  }
  EXPECT_EQ(tables, CountFiles(FileKind::kTable) + 1) << "and one of what was in memory";
  EXPECT_FALSE(*world_.env().files.Exists(target + ".unfinished"));
  EXPECT_EQ(ContentsAt(world_.env(), target), ReadAll(*engine_));
}

// Makes a checkpoint in a place of its own while the n-th call from now on fails; whether it did.
bool FailOne(Engine& engine, io::FaultyFileSystem& faulty, const io::Env& env, uint64_t n,
             io::FaultEffect effect) {
  const Contents expected = ReadAll(engine);
  const std::string place =
      "place" + std::to_string(n) + "." + std::to_string(static_cast<int>(effect));
  EXPECT_OK(env.files.CreateDirectory(place));
  const std::string target = place + "/copy";
  const uint64_t faults = faulty.fault_count();
  faulty.FailAt(faulty.call_count() + n, {.effect = effect});
  const Status status = engine.Checkpoint(target);
  const bool hit = faulty.fault_count() != faults;
  faulty.Heal();
  const auto found = ContentsAt(env, target);
  if (status.ok()) {
    EXPECT_EQ(found, expected) << n;
  } else {
    EXPECT_TRUE(hit) << status.ToString();
    EXPECT_TRUE(status.message().starts_with("checkpoint: ")) << status.ToString();
    EXPECT_TRUE(!found || *found == expected) << n;
  }
  if (!found) {  // The same name again: what was left is in nobody's way.
    EXPECT_OK(engine.Checkpoint(target)) << n;
    EXPECT_EQ(ContentsAt(env, target), expected) << n;
  }
  EXPECT_FALSE(*env.files.Exists(target + std::string(kUnfinishedSuffix))) << n;
  return hit;
}

TEST(Checkpoint, ThatFailsLeavesNothingAndTheStoreGoesOn) {
  io::SimWorld world(3);
  io::FaultyFileSystem faulty(world.env().files);
  const io::RunReport run = world.Run([&] {
    const io::Env& real = world.env();
    OpenReport report;
    auto opened = Engine::Open({faulty, real.clock, real.executor, real.random, real.log}, "store",
                               SmallOptions(), report);
    ASSERT_OK(opened);
    Engine& engine = **opened;
    WriteSome(engine, 60);
    uint64_t n = 1;
    bool hit = true;
    for (; hit && n < 500; ++n) {
      hit = false;
      for (const auto effect : {io::FaultEffect::kErrorBefore, io::FaultEffect::kErrorAfter,
                                io::FaultEffect::kErrorPartly, io::FaultEffect::kSyncLost}) {
        hit = FailOne(engine, faulty, real, n, effect) || hit;
        kv::WriteBatch batch;
        batch.Put("in memory", std::to_string(n));
        ASSERT_OK(engine.Write(std::move(batch), {.sync = true}));
      }
    }
    EXPECT_GT(n, 20u);
    EXPECT_LT(n, 500u);
    EXPECT_EQ(faulty.syncs_after_failure(), 0u);
    ASSERT_OK(engine.Close());
  });
  EXPECT_EQ(run.end, io::RunEnd::kFinished);
}

TEST_F(EngineTest, ACheckpointRemovesWhatAnInterruptedOneLeftAndNothingElse) {
  ASSERT_OK(Open());
  WriteSome(*engine_, 60);
  io::FileSystem& files = world_.env().files;
  const std::string target = directory_.Join("copy");
  const std::string left = target + std::string(kUnfinishedSuffix);
  ASSERT_OK(files.CreateDirectory(left));
  for (const char* name : {"LOCK", "000007.sst", "MANIFEST-000009", "CURRENT.tmp", "JOURNAL"}) {
    ASSERT_OK(files.Open(left + "/" + name, io::OpenMode::kCreateNew));
  }
  ASSERT_OK(files.Open(left + "/notes.txt", io::OpenMode::kCreateNew));
  EXPECT_FAILS(engine_->Checkpoint(target), StatusCode::kInvalidArgument, "notes.txt");
  ASSERT_OK(files.Remove(left + "/notes.txt"));
  // With a log it is a store that somebody has opened.
  ASSERT_OK(files.Open(left + "/000010.log", io::OpenMode::kCreateNew));
  EXPECT_FAILS(engine_->Checkpoint(target), StatusCode::kInvalidArgument, "000010.log");
  EXPECT_TRUE(*files.Exists(left + "/000007.sst"));
  ASSERT_OK(files.Remove(left + "/000010.log"));
  ASSERT_OK(engine_->Checkpoint(target));
  EXPECT_FALSE(*files.Exists(left));
  EXPECT_EQ(ContentsAt(world_.env(), target), ReadAll(*engine_));
}

TEST_F(EngineTest, TwoCheckpointsOfOneNameAtOnceMakeOne) {
  ASSERT_OK(Open());
  WriteSome(*engine_, 60);
  const std::string target = directory_.Join("copy");
  files_.HoldMatching(io::CallKind::kLink, "");
  Status first;
  const auto task =
      world_.env().executor.Start("checkpoint", [&] { first = engine_->Checkpoint(target); });
  files_.WaitUntilHeld();
  EXPECT_FAILS(engine_->Checkpoint(target), StatusCode::kUnavailable, "already open");
  files_.Release();
  task->Join();
  EXPECT_OK(first);
  EXPECT_EQ(ContentsAt(world_.env(), target), ReadAll(*engine_));
}

TEST_F(EngineTest, CloseEndsACheckpointThatRuns) {
  ASSERT_OK(Open());
  for (int round = 0; round < 3; ++round) {
    ASSERT_OK(Put(Key(static_cast<uint64_t>(round)), "v"));
    ASSERT_OK(engine_->Flush());
  }
  const std::string target = directory_.Join("copy");
  files_.HoldMatching(io::CallKind::kLink, "");
  Status made;
  const auto task =
      world_.env().executor.Start("checkpoint", [&] { made = engine_->Checkpoint(target); });
  files_.WaitUntilHeld();
  Status closed;
  const auto closer = world_.env().executor.Start("closer", [&] { closed = engine_->Close(); });
  while (engine_->Sync().ok()) world_.env().clock.SleepFor(std::chrono::milliseconds(1));
  files_.Release();
  task->Join();
  closer->Join();
  EXPECT_OK(closed);
  EXPECT_FAILS(made, StatusCode::kUnavailable, "closed");
  EXPECT_FALSE(*world_.env().files.Exists(target));
  EXPECT_FALSE(*world_.env().files.Exists(target + std::string(kUnfinishedSuffix)));
}

// At every operation of a checkpoint the power is cut, in several ways: there is none, or it is
// whole; the store itself holds what it must; and the next checkpoint of that name succeeds.
TEST(Checkpoint, IsWholeOrNotThereWhereverThePowerIsCut) {
  io::SimWorld world(1);
  Rng rng(5);
  std::vector<io::SimDisk> disks;
  Contents expected;
  bool watching = false;
  world.files().set_on_operation([&](const io::SimOperation&, io::SimFileSystem::Phase) {
    if (!watching) return;
    for (int draw = 0; draw < 3; ++draw) {
      disks.push_back(world.files().Snapshot().PowerCut(rng, io::PowerCutModel::Draw(rng)));
    }
    disks.push_back(world.files().Snapshot().Kill());
  });
  const io::RunReport run = world.Run([&] {
    OpenReport report;
    auto opened = Engine::Open(world.env(), "store", SmallOptions(), report);
    ASSERT_OK(opened);
    Engine& engine = **opened;
    WriteSome(engine, 60);
    ASSERT_OK(engine.Sync());
    expected = ReadAll(engine);
    watching = true;
    ASSERT_OK(engine.Checkpoint("copy"));
    watching = false;
    ASSERT_OK(engine.Close());
  });
  ASSERT_EQ(run.end, io::RunEnd::kFinished);
  ASSERT_GT(disks.size(), 100u);
  size_t whole = 0;
  size_t left = 0;
  for (size_t i = 0; i < disks.size(); ++i) {
    io::SimWorld after(2 + i, disks[i]);
    const io::RunReport again = after.Run([&] {
      const auto copy = ContentsAt(after.env(), "copy");
      if (copy) {
        ++whole;
        EXPECT_EQ(*copy, expected) << "disk " << i;
      }
      OpenReport report;
      auto opened = Engine::Open(after.env(), "store", SmallOptions(), report);
      ASSERT_OK(opened);
      EXPECT_EQ(ReadAll(**opened), expected) << "disk " << i;
      if (*after.env().files.Exists("copy.unfinished")) ++left;
      if (!copy) {
        ASSERT_OK((*opened)->Checkpoint("copy")) << "disk " << i;
        EXPECT_FALSE(*after.env().files.Exists("copy.unfinished"));
        EXPECT_EQ(ContentsAt(after.env(), "copy"), expected) << "disk " << i;
      }
      ASSERT_OK((*opened)->Close());
    });
    ASSERT_EQ(again.end, io::RunEnd::kFinished) << "disk " << i;
  }
  EXPECT_GT(whole, 0u);
  EXPECT_GT(left, 0u);
}

}  // namespace
}  // namespace aidb::lsm
