// What goes wrong while a process runs, a kind of fault each.

#include "aidb/io/sim/file_system.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "aidb/base/bytes.h"
#include "aidb/io/sim/world.h"
#include "aidb/io/transfer.h"

namespace aidb::io {
namespace {

SimOptions Exact() {
  SimOptions options;
  options.files.short_transfer_one_in = 0;
  return options;
}

template <typename T>
T Must(Result<T> result) {
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  return *std::move(result);
}

// Calls on the world from outside Run act at once: no fiber is needed to ask about one call.
class SimFaults : public ::testing::Test {
 protected:
  std::unique_ptr<File> Create(std::string_view path, std::string_view content = "") {
    auto file = Must(files_.Open(path, OpenMode::kCreateNew));
    EXPECT_TRUE(WriteFully(*file, 0, AsBytes(content)).ok());
    return file;
  }
  std::unique_ptr<File> Reopen(std::string_view path) {
    return Must(files_.Open(path, OpenMode::kReadWrite));
  }
  std::string ReadAll(const File& file) {
    std::string content(Must(file.Size()), '\0');
    EXPECT_TRUE(ReadExact(file, 0, std::as_writable_bytes(std::span(content))).ok());
    return content;
  }

  SimWorld world_{1, {}, Exact()};
  SimFileSystem& files_ = world_.files();
};

TEST_F(SimFaults, TransfersAreShort) {
  const auto file = Create("a", "0123456789");
  files_.faults().Add({.call = FileCall::kRead, .fault = Fault::kShort, .times = 20});
  files_.faults().Add({.call = FileCall::kWrite, .fault = Fault::kShort, .times = 20});
  for (int i = 0; i < 20; ++i) {
    std::byte out[10];
    const size_t read = Must(file->Read(0, out));
    EXPECT_GE(read, 1u);
    EXPECT_LT(read, 10u);
    const size_t wrote = Must(file->Write(0, AsBytes("abcde"), AsBytes("fghij")));
    EXPECT_GE(wrote, 1u);
    EXPECT_LT(wrote, 10u);
  }
  EXPECT_EQ(files_.faults().hits(), 40u);
}

TEST_F(SimFaults, AnErrorComesOnceOrForEverOnTheFilesItNames) {
  const auto a = Create("a.log");
  const auto b = Create("b.table");
  files_.faults().Add({.call = FileCall::kWrite, .path_contains = ".log", .skip = 1});
  EXPECT_TRUE(a->Write(0, AsBytes("1"), {}).ok());
  EXPECT_TRUE(b->Write(0, AsBytes("1"), {}).ok());
  EXPECT_EQ(a->Write(0, AsBytes("2"), {}).status().code(), StatusCode::kIoError);
  EXPECT_TRUE(a->Write(0, AsBytes("3"), {}).ok());
  files_.faults().Add({.call = FileCall::kRead, .times = FaultRule::kForEver});
  for (int i = 0; i < 10; ++i) {
    std::byte out[1];
    EXPECT_EQ(a->Read(0, out).status().code(), StatusCode::kIoError);
  }
  files_.faults().Clear();
  EXPECT_EQ(ReadAll(*a), "3");
}

TEST_F(SimFaults, AWriteMayFailAfterAPart) {
  std::set<size_t> parts;
  for (int i = 0; i < 50; ++i) {
    const auto file = Create("a" + std::to_string(i));
    files_.faults().Add({.call = FileCall::kWrite, .fault = Fault::kErrorAfterPart});
    EXPECT_FALSE(file->Write(0, AsBytes("0123"), {}).ok());
    parts.insert(ReadAll(*file).size());
    files_.faults().Clear();
  }
  EXPECT_EQ(parts, (std::set<size_t>{0, 1, 2, 3}));
}

TEST_F(SimFaults, AFullDiskStopsAtTheByteAndGoesOnWhenSpaceReturns) {
  const auto file = Create("a");
  const auto other = Create("b", std::string(50, 'b'));
  files_.set_capacity(150);
  EXPECT_EQ(Must(files_.FreeBytes("")), 100u);
  EXPECT_EQ(Must(file->Write(0, AsBytes(std::string(120, 'a')), {})), 100u);
  EXPECT_EQ(file->Write(100, AsBytes("x"), {}).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(file->Write(0, AsBytes("in place"), {}).ok());
  EXPECT_EQ(file->Allocate(101).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(file->Truncate(101).code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(files_.Remove("b").ok());
  EXPECT_EQ(file->Write(100, AsBytes("x"), {}).status().code(),
            StatusCode::kResourceExhausted);  // Still open.
  EXPECT_TRUE(other->Close().ok());
  EXPECT_TRUE(file->Write(100, AsBytes("x"), {}).ok());
  EXPECT_EQ(files_.OpenRegion("ring", 4096).status().code(), StatusCode::kResourceExhausted);
}

TEST_F(SimFaults, AllocatedSpaceMayStillBeMissingAtTheSync) {
  const auto file = Create("a");
  EXPECT_TRUE(file->Allocate(100).ok());
  EXPECT_TRUE(file->Write(0, AsBytes("x"), {}).ok());
  files_.faults().Add({.call = FileCall::kSync, .fault = Fault::kNoSpace});
  EXPECT_EQ(file->SyncData().code(), StatusCode::kResourceExhausted);
}

TEST_F(SimFaults, OpenRunsOutOfDescriptors) {
  SimOptions options = Exact();
  options.files.open_files_max = 1;
  SimWorld world(1, {}, options);
  auto file = Must(world.files().Open("a", OpenMode::kCreateNew));
  EXPECT_EQ(world.files().Open("a", OpenMode::kRead).status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_TRUE(file->Close().ok());
  EXPECT_TRUE(world.files().Open("a", OpenMode::kRead).ok());
}

TEST_F(SimFaults, ASyncErrorIsReportedOncePerDescription) {
  const auto first = Create("a", "x");
  const auto second = Reopen("a");
  files_.faults().Add({.call = FileCall::kSync});
  EXPECT_FALSE(first->SyncData().ok());
  EXPECT_TRUE(first->SyncData().ok());  // Forgotten, and nothing written.
  const auto third = Reopen("a");
  EXPECT_FALSE(second->SyncData().ok());
  EXPECT_TRUE(second->SyncData().ok());
  EXPECT_TRUE(third->SyncData().ok());  // Opened afterwards: never told.
}

TEST_F(SimFaults, AfterAFailedSyncTheCacheKeepsWhatTheDiskMayNotHave) {
  std::set<std::string> survivors;
  for (int i = 0; i < 40; ++i) {
    const std::string path = "a" + std::to_string(i);
    const auto file = Create(path, "old");
    EXPECT_TRUE(file->SyncAll().ok());
    EXPECT_TRUE(files_.SyncDirectory("").ok());
    EXPECT_TRUE(WriteFully(*file, 0, AsBytes("new")).ok());
    files_.faults().Add({.call = FileCall::kSync, .fault = Fault::kSyncKeepsCache});
    EXPECT_FALSE(file->SyncData().ok());
    EXPECT_TRUE(file->SyncData().ok());
    EXPECT_EQ(ReadAll(*file), "new");
    Rng rng(static_cast<uint64_t>(i));
    survivors.insert(*world_.disk().PowerCut(rng, {}).ReadFile(path));
  }
  EXPECT_EQ(survivors, (std::set<std::string>{"new", "old"}));
}

TEST_F(SimFaults, AfterAFailedSyncTheCacheMayShowTheOldBytes) {
  std::set<std::string> shown;
  for (int i = 0; i < 40; ++i) {
    const auto file = Create("a" + std::to_string(i), "old");
    EXPECT_TRUE(file->SyncAll().ok());
    EXPECT_TRUE(WriteFully(*file, 0, AsBytes("new")).ok());
    files_.faults().Add({.call = FileCall::kSync, .fault = Fault::kSyncDropsCache});
    EXPECT_FALSE(file->SyncData().ok());
    shown.insert(ReadAll(*file));
  }
  EXPECT_EQ(shown, (std::set<std::string>{"new", "old"}));
}

TEST_F(SimFaults, ALyingDeviceSaysOkAndLoses) {
  const auto file = Create("a", "old");
  EXPECT_TRUE(file->SyncAll().ok());
  EXPECT_TRUE(files_.SyncDirectory("").ok());
  files_.faults().Add(
      {.call = FileCall::kSync, .fault = Fault::kSyncLies, .times = FaultRule::kForEver});
  EXPECT_TRUE(WriteFully(*file, 0, AsBytes("new")).ok());
  EXPECT_TRUE(file->SyncData().ok());
  std::set<std::string> survivors;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Rng rng(seed);
    survivors.insert(*world_.disk().PowerCut(rng, {}).ReadFile("a"));
  }
  EXPECT_TRUE(survivors.contains("old"));
}

TEST_F(SimFaults, AFailedSyncOfADirectoryLosesNames) {
  std::set<bool> survived;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SimWorld world(seed, {}, Exact());
    const auto file = Must(world.files().Open("a", OpenMode::kCreateNew));
    world.files().faults().Add({.call = FileCall::kSyncDirectory});
    EXPECT_FALSE(world.files().SyncDirectory("").ok());
    EXPECT_TRUE(world.files().SyncDirectory("").ok());
    EXPECT_EQ(world.files().rule_violations().size(), 1u);
    Rng rng(seed);
    survived.insert(world.disk().PowerCut(rng, {}).ReadFile("a").has_value());
  }
  EXPECT_EQ(survived, (std::set<bool>{false, true}));
}

TEST_F(SimFaults, ReadsFlipBitsReturnStaleBytesOrThoseOfAnotherPlace) {
  std::string content(4096, 'o');
  const auto file = Create("a", content);
  EXPECT_TRUE(file->SyncAll().ok());
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('A' + i / 512);
  EXPECT_TRUE(WriteFully(*file, 0, AsBytes(content)).ok());
  EXPECT_TRUE(file->SyncAll().ok());
  std::string out(512, '\0');
  const auto read = [&](Fault fault) {
    files_.faults().Add({.call = FileCall::kRead, .fault = fault});
    EXPECT_EQ(Must(file->Read(0, std::as_writable_bytes(std::span(out)))), 512u);
    return out;
  };
  const std::string flipped = read(Fault::kReadFlipsBit);
  int different = 0;
  for (const char c : flipped) different += c == 'A' ? 0 : 1;
  EXPECT_EQ(different, 1);
  EXPECT_EQ(read(Fault::kReadStale), std::string(512, 'o'));
  EXPECT_EQ(read(Fault::kReadMisplaced), std::string(512, 'B'));
  EXPECT_EQ(ReadAll(*file), content);  // Each of them once.
}

TEST_F(SimFaults, NamesFailBeforeOrAfterTheirEffect) {
  Create("a");
  files_.faults().Add({.call = FileCall::kRename});
  EXPECT_FALSE(files_.Rename("a", "b").ok());
  EXPECT_TRUE(Must(files_.Exists("a")));
  files_.faults().Add({.call = FileCall::kRename, .fault = Fault::kErrorAfterPart});
  EXPECT_FALSE(files_.Rename("a", "b").ok());
  EXPECT_TRUE(Must(files_.Exists("b")));
  files_.faults().Add({.call = FileCall::kRemove, .fault = Fault::kErrorAfterPart});
  EXPECT_FALSE(files_.Remove("b").ok());
  EXPECT_FALSE(Must(files_.Exists("b")));
  for (const FileCall call : {FileCall::kOpen, FileCall::kLink, FileCall::kList, FileCall::kLock,
                              FileCall::kFreeBytes, FileCall::kCreateDirectory}) {
    files_.faults().Add({.call = call});
  }
  EXPECT_EQ(files_.Open("c", OpenMode::kCreateNew).status().code(), StatusCode::kIoError);
  EXPECT_EQ(files_.Link("a", "c").code(), StatusCode::kIoError);
  EXPECT_EQ(files_.List("").status().code(), StatusCode::kIoError);
  EXPECT_EQ(files_.Lock("LOCK", LockMode::kShared).status().code(), StatusCode::kIoError);
  EXPECT_EQ(files_.FreeBytes("").status().code(), StatusCode::kIoError);
  EXPECT_EQ(files_.CreateDirectory("d").code(), StatusCode::kIoError);
}

TEST_F(SimFaults, ACloseMayFailAndTheDescriptorIsGone) {
  const auto file = Create("a");
  files_.faults().Add({.call = FileCall::kClose});
  EXPECT_EQ(file->Close().code(), StatusCode::kIoError);
  EXPECT_EQ(file->Close().code(), StatusCode::kInvalidArgument);
}

TEST_F(SimFaults, CallsTakeTimeAndSometimesStall) {
  files_.faults().Add({.call = FileCall::kSync,
                       .fault = Fault::kStall,
                       .skip = 1,
                       .stall = std::chrono::seconds(60)});
  Duration usual{};
  Duration stalled{};
  const RunReport report = world_.Run([&] {
    const auto file = Create("a", "x");
    const Instant start = world_.clock().Now();
    EXPECT_TRUE(file->SyncData().ok());
    const Instant middle = world_.clock().Now();
    EXPECT_TRUE(file->SyncData().ok());
    usual = middle - start;
    stalled = world_.clock().Now() - middle;
  });
  EXPECT_TRUE(report.finished());
  EXPECT_LT(usual, std::chrono::milliseconds(1));
  EXPECT_GE(stalled, std::chrono::seconds(60));
}

TEST_F(SimFaults, RandomStallsAreBounded) {
  SimOptions options = Exact();
  options.files.stall_one_in = 2;
  options.files.stall_max = std::chrono::seconds(10);
  SimWorld world(1, {}, options);
  Duration longest{};
  world.Run([&] {
    for (int i = 0; i < 50; ++i) {
      const Instant start = world.clock().Now();
      EXPECT_TRUE(world.files().Exists("a").ok());
      longest = std::max(longest, world.clock().Now() - start);
    }
  });
  EXPECT_GT(longest, std::chrono::seconds(5));
  EXPECT_LT(longest, std::chrono::seconds(11));
}

TEST_F(SimFaults, ASyncInFlightCoversOnlyWhatCameBeforeIt) {
  int lost = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimWorld world(seed, {}, Exact());
    world.Run([&] {
      const auto file = Must(world.files().Open("a", OpenMode::kCreateNew));
      EXPECT_TRUE(world.files().SyncDirectory("").ok());
      EXPECT_TRUE(file->Write(0, AsBytes("first"), {}).ok());
      const auto task = world.env().executor.Start(
          "writer", [&] { EXPECT_TRUE(file->Write(5, AsBytes("second"), {}).ok()); });
      EXPECT_TRUE(file->SyncData().ok());
      task->Join();
    });
    Rng rng(seed);
    const std::string survived = *world.disk().PowerCut(rng, {}).ReadFile("a");
    EXPECT_EQ(survived.substr(0, 5), "first");
    if (survived.size() < 11 || survived.substr(5) != "second") ++lost;
  }
  EXPECT_GT(lost, 0);
}

// ---- Our own rules ------------------------------------------------------------------------

TEST_F(SimFaults, ASyncAfterAFailedSyncIsAViolation) {
  const auto first = Create("a", "x");
  const auto second = Reopen("a");
  files_.faults().Add({.call = FileCall::kSync});
  EXPECT_FALSE(first->SyncData().ok());
  // Another lane could not know yet: it is told now.
  EXPECT_FALSE(second->SyncData().ok());
  EXPECT_TRUE(files_.rule_violations().empty());
  EXPECT_TRUE(second->SyncData().ok());
  EXPECT_TRUE(first->SyncAll().ok());
  EXPECT_TRUE(Reopen("a")->SyncAll().ok());
  EXPECT_EQ(files_.rule_violations(), std::vector<std::string>(3, "sync after a failed sync: a"));
}

TEST_F(SimFaults, ARenameAcrossDirectoriesAndAUseAfterCloseAreViolations) {
  const auto file = Create("a");
  EXPECT_TRUE(files_.CreateDirectory("d").ok());
  EXPECT_FALSE(files_.Rename("a", "d/a").ok());
  EXPECT_TRUE(file->Close().ok());
  EXPECT_FALSE(file->SyncData().ok());
  EXPECT_EQ(
      files_.rule_violations(),
      (std::vector<std::string>{"rename across directories: a to d/a", "sync after close: a"}));
}

// ---- Regions and operations ---------------------------------------------------------------

TEST_F(SimFaults, ARegionKeepsItsBytesThroughAKillAndNotItsSyncs) {
  SimDisk killed;
  {
    SimWorld world(1);
    world.Run([&] {
      const auto region = Must(world.files().OpenRegion("ring", 4096));
      EXPECT_TRUE(world.files().SyncDirectory("").ok());
      region->bytes()[7] = std::byte{9};
      world.Kill();
      region->bytes()[8] = std::byte{9};  // Too late: the process is dead already.
      SpinPause();
    });
    killed = world.disk().Kill();
  }
  SimWorld next(2, killed);
  const auto region = Must(next.files().OpenRegion("ring", 4096));
  EXPECT_EQ(region->bytes()[7], std::byte{9});
  EXPECT_EQ(region->bytes()[8], std::byte{0});
  std::set<std::string> boots = {next.files().BootId()};
  Rng rng(1);
  boots.insert(SimWorld(3, killed.PowerCut(rng, {})).files().BootId());
  EXPECT_EQ(boots.size(), 2u);
}

TEST_F(SimFaults, RegionsCanBeRefused) {
  SimOptions options;
  options.files.region_support = RegionSupport::kRefused;
  SimWorld world(1, {}, options);
  EXPECT_EQ(world.files().OpenRegion("ring", 4096).status().code(), StatusCode::kUnavailable);
}

TEST_F(SimFaults, TheCallbackSeesEachOperationOnBothSidesAndTheKillIsReplayable) {
  std::vector<std::string> seen;
  const auto run = [&](uint64_t kill_at) {
    seen.clear();
    SimOptions options = Exact();
    options.files.kill_at_operation = kill_at;
    SimWorld world(1, {}, options);
    world.files().set_on_operation([&](const SimOperation& op, SimFileSystem::Phase phase) {
      seen.push_back(std::to_string(op.number) + " " + std::string(FileCallName(op.call)) +
                     (phase == SimFileSystem::Phase::kBefore ? "" : " done"));
    });
    return world
        .Run([&] {
          const auto file = Must(world.files().Open("a", OpenMode::kCreateNew));
          EXPECT_TRUE(file->Write(0, AsBytes("x"), {}).ok());
        })
        .end;
  };
  EXPECT_EQ(run(0), RunEnd::kFinished);
  EXPECT_EQ(seen, (std::vector<std::string>{"1 open", "1 open done", "2 write", "2 write done",
                                            "3 close", "3 close done"}));
  EXPECT_EQ(run(2), RunEnd::kKilled);
  EXPECT_EQ(seen, (std::vector<std::string>{"1 open", "1 open done", "2 write"}));
}

}  // namespace
}  // namespace aidb::io
