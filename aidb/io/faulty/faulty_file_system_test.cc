#include "aidb/io/faulty/faulty_file_system.h"

#include <functional>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/bytes.h"
#include "aidb/io/file_system_conformance.h"
#include "aidb/io/posix/posix_file_system.h"
#include "aidb/io/transfer.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::io {
namespace {

[[maybe_unused]] const bool kRegistered =
    RegisterFileSystemConformance("FaultyFileSystem", [](const FileSystemTestBody& body) {
      const testing::TempDirectory directory;
      PosixFileSystem real;
      FaultyFileSystem files(real);
      body(files, directory.path());
      EXPECT_EQ(files.fault_count(), 0u);
    });

// A file "a" with "0123456789" behind a faulty file system; building it is not counted.
class FaultyFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto file = real_.Open(path_, OpenMode::kCreateNew);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(WriteFully(**file, 0, AsBytes("0123456789")).ok());
  }

  std::unique_ptr<File> Open() { return *files_.Open(path_, OpenMode::kReadWrite); }
  std::string Content() { return *ReadWhole(real_, path_, 1000); }
  void FailNext(CallFault fault) { files_.FailAt(files_.call_count() + 1, fault); }

  const testing::TempDirectory directory_;
  const std::string path_ = directory_.Join("a");
  PosixFileSystem real_;
  FaultyFileSystem files_{real_};
};

// One call of each kind, whose success shows in its status.
struct Caller {
  CallKind kind;
  std::function<Status(FileSystem& files, File& file, const std::string& dir)> call;
};

std::vector<Caller> OneCallOfEachKind() {
  using Files = FileSystem&;
  using Dir = const std::string&;
  return {
      {CallKind::kOpen,
       [](Files f, File&, Dir d) { return f.Open(d + "/n", OpenMode::kCreateNew).status(); }},
      {CallKind::kExists, [](Files f, File&, Dir d) { return f.Exists(d + "/a").status(); }},
      {CallKind::kList, [](Files f, File&, Dir d) { return f.List(d).status(); }},
      {CallKind::kCreateDirectory,
       [](Files f, File&, Dir d) { return f.CreateDirectory(d + "/n"); }},
      {CallKind::kRename, [](Files f, File&, Dir d) { return f.Rename(d + "/a", d + "/n"); }},
      {CallKind::kRemove, [](Files f, File&, Dir d) { return f.Remove(d + "/a"); }},
      {CallKind::kLink, [](Files f, File&, Dir d) { return f.Link(d + "/a", d + "/n"); }},
      {CallKind::kSyncDirectory, [](Files f, File&, Dir d) { return f.SyncDirectory(d); }},
      {CallKind::kLock,
       [](Files f, File&, Dir d) { return f.Lock(d + "/n", LockMode::kExclusive).status(); }},
      {CallKind::kFreeBytes, [](Files f, File&, Dir d) { return f.FreeBytes(d).status(); }},
      {CallKind::kOpenRegion,
       [](Files f, File&, Dir d) { return f.OpenRegion(d + "/n", 4096).status(); }},
      {CallKind::kRead,
       [](Files, File& a, Dir) {
         std::byte out[4];
         return a.Read(0, out).status();
       }},
      {CallKind::kWrite,
       [](Files, File& a, Dir) { return a.Write(0, AsBytes("abc"), {}).status(); }},
      {CallKind::kSyncData, [](Files, File& a, Dir) { return a.SyncData(); }},
      {CallKind::kSyncAll, [](Files, File& a, Dir) { return a.SyncAll(); }},
      {CallKind::kTruncate, [](Files, File& a, Dir) { return a.Truncate(3); }},
      {CallKind::kAllocate, [](Files, File& a, Dir) { return a.Allocate(100); }},
      {CallKind::kSize, [](Files, File& a, Dir) { return a.Size().status(); }},
      {CallKind::kClose, [](Files, File& a, Dir) { return a.Close(); }},
  };
}

// Names and sizes below a directory: enough to see whether a call had its effect.
std::string Picture(FileSystem& files, const std::string& dir) {
  std::string picture;
  const std::vector<std::string> names = *files.List(dir);
  for (const std::string& name : names) {
    picture += name;
    auto file = files.Open(dir + "/" + name, OpenMode::kRead);
    if (file.ok()) picture += " " + *ReadWhole(files, dir + "/" + name, 10000);
    picture += "\n";
  }
  return picture;
}

// Runs `caller` on a fresh directory with the file "a" under `effect`; returns its status and
// what the directory looks like afterwards.
std::pair<Status, std::string> RunUnder(const Caller& caller, std::optional<FaultEffect> effect) {
  const testing::TempDirectory directory;
  PosixFileSystem real;
  FaultyFileSystem files(real);
  auto file = *files.Open(directory.Join("a"), OpenMode::kCreateNew);
  EXPECT_TRUE(WriteFully(*file, 0, AsBytes("0123456789")).ok());
  if (effect) files.FailMatching(caller.kind, "", 1, {.effect = *effect, .byte_count = 2});
  Status status = caller.call(files, *file, directory.path());
  EXPECT_EQ(files.call_count(), 3u) << CallKindName(caller.kind);
  EXPECT_EQ(files.fault_count(), effect ? 1u : 0u) << CallKindName(caller.kind);
  return {std::move(status), Picture(real, directory.path())};
}

TEST(FaultyFileSystem, FailsEveryKindOfCallBeforeAndAfterItsEffect) {
  const std::string untouched = "a 0123456789\n";
  const std::vector<Caller> callers = OneCallOfEachKind();
  ASSERT_EQ(callers.size(), kCallKindCount);
  std::set<std::string_view> names;
  for (const Caller& caller : callers) {
    SCOPED_TRACE(CallKindName(caller.kind));
    names.insert(CallKindName(caller.kind));
    const auto [healthy, effect] = RunUnder(caller, std::nullopt);
    EXPECT_TRUE(healthy.ok()) << healthy.ToString();
    const auto [before, no_effect] = RunUnder(caller, FaultEffect::kErrorBefore);
    EXPECT_EQ(before.code(), StatusCode::kIoError);
    EXPECT_EQ(no_effect, untouched);
    const auto [after, same_effect] = RunUnder(caller, FaultEffect::kErrorAfter);
    EXPECT_EQ(after.code(), StatusCode::kIoError);
    EXPECT_EQ(same_effect, effect);
    const auto [short_count, any] = RunUnder(caller, FaultEffect::kShortCount);
    EXPECT_TRUE(short_count.ok()) << short_count.ToString();
    const bool partly_moves = caller.kind == CallKind::kWrite;
    const auto [partly, part] = RunUnder(caller, FaultEffect::kErrorPartly);
    EXPECT_EQ(partly.code(), StatusCode::kIoError);
    EXPECT_EQ(part, partly_moves ? "a ab23456789\n" : untouched);
  }
  EXPECT_EQ(names.size(), kCallKindCount);
}

TEST_F(FaultyFileSystemTest, FailsTheNthCallAndNoOther) {
  files_.FailAt(3, {.code = StatusCode::kResourceExhausted});
  EXPECT_TRUE(files_.Exists(path_).ok());
  EXPECT_TRUE(files_.Exists(path_).ok());
  const Status failed = files_.Exists(path_).status();
  EXPECT_EQ(failed.ToString(), "resource exhausted: injected fault at call 3: exists " + path_);
  EXPECT_TRUE(files_.Exists(path_).ok());
  EXPECT_EQ(files_.call_count(), 4u);
  EXPECT_EQ(files_.call_count(CallKind::kExists), 4u);
  EXPECT_EQ(files_.call_count(CallKind::kOpen), 0u);
  EXPECT_EQ(files_.fault_count(), 1u);
}

TEST_F(FaultyFileSystemTest, FailsForEverUntilItIsHealed) {
  files_.FailAt(2, {.repeat = FaultRepeat::kForEver});
  EXPECT_TRUE(files_.Exists(path_).ok());
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(files_.List(directory_.path()).ok());
  files_.Heal();
  EXPECT_TRUE(files_.List(directory_.path()).ok());
  EXPECT_EQ(files_.fault_count(), 3u);
}

TEST_F(FaultyFileSystemTest, RefusesAFaultInThePast) {
  EXPECT_TRUE(files_.Exists(path_).ok());
  EXPECT_DEATH(files_.FailAt(1, {}), "check failed");
}

TEST_F(FaultyFileSystemTest, MatchesKindAndEitherPath) {
  files_.FailMatching(CallKind::kRename, "new", 2, {});
  EXPECT_TRUE(files_.Rename(path_, directory_.Join("b")).ok());
  EXPECT_TRUE(files_.Rename(directory_.Join("b"), directory_.Join("new")).ok());
  EXPECT_TRUE(files_.Exists(directory_.Join("new")).ok());
  const Status failed = files_.Rename(directory_.Join("new"), path_);
  EXPECT_EQ(failed.message(),
            "injected fault at call 4: rename " + (directory_.Join("new")) + " to " + path_);
}

TEST_F(FaultyFileSystemTest, TheOldestRuleDecidesAndEachCountsForItself) {
  files_.FailMatching(CallKind::kExists, "a", 2, {.code = StatusCode::kUnavailable});
  files_.FailMatching(CallKind::kExists, "a", 2, {.code = StatusCode::kPermissionDenied});
  files_.FailMatching(CallKind::kExists, "a", 3, {.code = StatusCode::kResourceExhausted});
  EXPECT_TRUE(files_.Exists(path_).ok());
  EXPECT_EQ(files_.Exists(path_).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(files_.Exists(path_).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(files_.Exists(path_).ok());
}

TEST_F(FaultyFileSystemTest, ShortCountsMoveThatMuchAndSucceed) {
  const auto file = Open();
  FailNext({.effect = FaultEffect::kShortCount, .byte_count = 3});
  EXPECT_EQ(*file->Write(0, AsBytes("ab"), AsBytes("cd")), 3u);
  EXPECT_EQ(Content(), "abc3456789");
  std::byte out[8];
  FailNext({.effect = FaultEffect::kShortCount, .byte_count = 5});
  EXPECT_EQ(*file->Read(0, out), 5u);
  FailNext({.effect = FaultEffect::kShortCount, .byte_count = 0});
  EXPECT_EQ(*file->Read(0, out), 1u) << "0 would mean the end of the file";
  FailNext({.effect = FaultEffect::kShortCount, .byte_count = 0});
  EXPECT_EQ(*file->Write(0, AsBytes("zz"), {}), 0u);
  EXPECT_EQ(Content(), "abc3456789");
}

TEST_F(FaultyFileSystemTest, ATornWriteLeavesAPart) {
  const auto file = Open();
  FailNext({.effect = FaultEffect::kErrorPartly, .byte_count = 3});
  EXPECT_EQ(file->Write(4, AsBytes("ab"), AsBytes("cd")).status().code(), StatusCode::kIoError);
  EXPECT_EQ(Content(), "0123abc789");
}

TEST_F(FaultyFileSystemTest, ALostSyncFailsOnceAndThenLies) {
  FaultyFileSystem below(real_);                            // Sees which syncs get through.
  FaultyFileSystem files(static_cast<FileSystem&>(below));  // No copy.
  const auto file = *files.Open(path_, OpenMode::kReadWrite);
  const auto neighbour = *files.Open(path_, OpenMode::kReadWrite);
  files.FailMatching(CallKind::kSyncData, path_, 2, {.effect = FaultEffect::kSyncLost});
  EXPECT_TRUE(file->SyncData().ok());
  EXPECT_FALSE(file->SyncData().ok());
  EXPECT_EQ(files.syncs_after_failure(), 0u);
  EXPECT_TRUE(file->SyncData().ok());
  EXPECT_TRUE(neighbour->SyncAll().ok());
  EXPECT_EQ(below.call_count(CallKind::kSyncData), 1u);
  EXPECT_EQ(below.call_count(CallKind::kSyncAll), 0u);
  EXPECT_EQ(files.syncs_after_failure(), 2u);
  files.Heal();
  EXPECT_TRUE(file->SyncData().ok());
  EXPECT_EQ(below.call_count(CallKind::kSyncData), 2u);
  EXPECT_EQ(files.syncs_after_failure(), 2u);
}

TEST_F(FaultyFileSystemTest, RemembersAFailedSyncThroughARenameUntilThePathIsNew) {
  const auto file = Open();
  FailNext({});
  EXPECT_FALSE(file->SyncAll().ok());
  ASSERT_TRUE(files_.Rename(path_, directory_.Join("b")).ok());
  const auto again = *files_.Open(directory_.Join("b"), OpenMode::kReadWrite);
  EXPECT_TRUE(again->SyncAll().ok());
  EXPECT_EQ(files_.syncs_after_failure(), 1u);
  const auto fresh = *files_.Open(path_, OpenMode::kCreateNew);
  EXPECT_TRUE(fresh->SyncAll().ok());
  EXPECT_EQ(files_.syncs_after_failure(), 1u);
}

TEST_F(FaultyFileSystemTest, ASyncThatFailsAfterItsEffectIsAFailedSync) {
  FaultyFileSystem below(real_);
  FaultyFileSystem files(static_cast<FileSystem&>(below));  // No copy.
  const auto file = *files.Open(path_, OpenMode::kReadWrite);
  files.FailAt(2, {.effect = FaultEffect::kErrorAfter});
  EXPECT_FALSE(file->SyncAll().ok());
  EXPECT_EQ(below.call_count(CallKind::kSyncAll), 1u);
  EXPECT_TRUE(file->SyncAll().ok());
  EXPECT_EQ(files.syncs_after_failure(), 1u);
}

TEST_F(FaultyFileSystemTest, AFailedCloseClosesAllTheSame) {
  FaultyFileSystem below(real_);
  FaultyFileSystem files(static_cast<FileSystem&>(below));  // No copy.
  const auto file = *files.Open(path_, OpenMode::kRead);
  files.FailAt(2, {});
  EXPECT_FALSE(file->Close().ok());
  EXPECT_EQ(below.call_count(CallKind::kClose), 1u);
}

TEST_F(FaultyFileSystemTest, AnErrorOfTheBaseGoesBeforeAnAfterEffect) {
  FailNext({.effect = FaultEffect::kErrorAfter, .code = StatusCode::kUnavailable});
  EXPECT_EQ(files_.Remove(directory_.Join("none")).code(), StatusCode::kInvalidArgument);
}

TEST_F(FaultyFileSystemTest, HoldsCallsUntilItIsHealed) {
  files_.HoldMatching(CallKind::kExists, "a");
  bool exists = false;
  std::thread late([&] { exists = *files_.Exists(path_); });
  files_.WaitUntilHeld();
  EXPECT_EQ(files_.call_count(), 0u);
  EXPECT_TRUE(Open() != nullptr) << "another kind";
  files_.Heal();
  late.join();
  EXPECT_TRUE(exists);
  EXPECT_EQ(files_.call_count(CallKind::kExists), 1u);
  EXPECT_EQ(files_.fault_count(), 0u);
}

TEST_F(FaultyFileSystemTest, CountsCallsOfManyThreads) {
  constexpr uint64_t kThreads = 4;
  constexpr uint64_t kCalls = 500;
  files_.FailMatching(CallKind::kExists, "a", kThreads * kCalls / 2, {});
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      for (uint64_t i = 0; i < kCalls; ++i) (void)files_.Exists(path_).ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(files_.call_count(), kThreads * kCalls);
  EXPECT_EQ(files_.fault_count(), 1u);
}

}  // namespace
}  // namespace aidb::io
