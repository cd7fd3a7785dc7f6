#include "aidb/io/transfer.h"

#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "aidb/base/bytes.h"
#include "aidb/io/faulty/faulty_file_system.h"
#include "aidb/io/posix/posix_file_system.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::io {
namespace {

constexpr uint64_t kContentBytesMax = 10000;

// A file with "0123456789" behind a faulty file system.
class TransferTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto file = files_.Open(path_, OpenMode::kCreateNew);
    ASSERT_TRUE(file.ok());
    file_ = *std::move(file);
    ASSERT_TRUE(WriteFully(*file_, 0, AsBytes("0123456789")).ok());
  }

  std::string Content() { return *ReadWhole(real_, path_, kContentBytesMax); }
  void FailFromNow(CallKind kind, CallFault fault) {
    fault.repeat = FaultRepeat::kForEver;
    files_.FailMatching(kind, "", 1, fault);
  }

  const testing::TempDirectory directory_;
  const std::string path_ = directory_.Join("a");
  PosixFileSystem real_;
  FaultyFileSystem files_{real_};
  std::unique_ptr<File> file_;
};

TEST_F(TransferTest, WritesEverythingThroughShortCounts) {
  for (size_t count = 1; count <= 9; ++count) {
    files_.Heal();
    FailFromNow(CallKind::kWrite, {.effect = FaultEffect::kShortCount, .byte_count = count});
    ASSERT_TRUE(file_->Truncate(0).ok());
    ASSERT_TRUE(WriteFully(*file_, 0, AsBytes("01234"), AsBytes("5678")).ok()) << count;
    EXPECT_EQ(Content(), "012345678") << count;
  }
}

TEST_F(TransferTest, ReadsEverythingThroughShortCounts) {
  FailFromNow(CallKind::kRead, {.effect = FaultEffect::kShortCount, .byte_count = 3});
  std::byte out[10];
  ASSERT_TRUE(ReadExact(*file_, 0, out).ok());
  EXPECT_EQ(AsView(out), "0123456789");
  std::byte more[20];
  EXPECT_EQ(*ReadUpTo(*file_, 4, more), 6u);
  EXPECT_EQ(AsView(std::span(more).first(6)), "456789");
}

TEST_F(TransferTest, WriteGivesUpWhenNothingMoves) {
  const uint64_t before = files_.call_count(CallKind::kWrite);
  FailFromNow(CallKind::kWrite, {.effect = FaultEffect::kShortCount, .byte_count = 0});
  const Status status = WriteFully(*file_, 7, AsBytes("abc"));
  EXPECT_EQ(status.ToString(),
            "i/o error: write " + path_ + " at offset 7: no progress in 64 rounds");
  EXPECT_EQ(files_.call_count(CallKind::kWrite) - before, uint64_t{kRoundsWithoutProgressMax});
}

TEST_F(TransferTest, WriteGoesOnWhenTheLastPermittedRoundMoves) {
  for (int round = 1; round < kRoundsWithoutProgressMax; ++round) {
    files_.FailMatching(CallKind::kWrite, "", static_cast<uint64_t>(round),
                        {.effect = FaultEffect::kShortCount, .byte_count = 0});
  }
  EXPECT_TRUE(WriteFully(*file_, 0, AsBytes("abc")).ok());
  EXPECT_EQ(Content(), "abc3456789");
}

TEST_F(TransferTest, WriteErrorsNameFileAndOffset) {
  files_.FailMatching(CallKind::kWrite, "", 1,
                      {.effect = FaultEffect::kShortCount, .byte_count = 2});
  files_.FailMatching(CallKind::kWrite, "", 2, {.code = StatusCode::kResourceExhausted});
  const Status status = WriteFully(*file_, 5, AsBytes("abcd"));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "at offset 7: injected fault at call 4: write " + path_);
  EXPECT_EQ(Content(), "01234ab789");
}

TEST_F(TransferTest, ReadErrorsNameFileAndOffset) {
  files_.FailMatching(CallKind::kRead, "", 1,
                      {.effect = FaultEffect::kShortCount, .byte_count = 4});
  files_.FailMatching(CallKind::kRead, "", 2, {});
  std::byte out[8];
  const Status status = ReadExact(*file_, 1, out);
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_EQ(status.message(), "at offset 5: injected fault at call 4: read " + path_);
}

TEST_F(TransferTest, AnEarlyEndIsCorruptionAndSaysHowMuchIsMissing) {
  std::byte out[8];
  EXPECT_EQ(ReadExact(*file_, 6, out).ToString(),
            "corruption: read " + path_ + " at offset 6: the file ends 4 bytes too early");
  EXPECT_EQ(ReadExact(*file_, 1000, out).ToString(),
            "corruption: read " + path_ + " at offset 1000: the file ends 8 bytes too early");
  EXPECT_TRUE(ReadExact(*file_, 2, out).ok());
  EXPECT_TRUE(ReadExact(*file_, 1000, {}).ok());
}

TEST_F(TransferTest, OffsetsAtTheEndOfTheNumberLineAreErrors) {
  constexpr uint64_t kFar = std::numeric_limits<uint64_t>::max() - 3;
  std::byte out[8];
  EXPECT_EQ(ReadExact(*file_, kFar, out).code(), StatusCode::kCorruption);
  EXPECT_EQ(WriteFully(*file_, kFar, AsBytes("abcdefgh")).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Content(), "0123456789");
}

TEST_F(TransferTest, WritingNothingCallsNothing) {
  const uint64_t before = files_.call_count();
  EXPECT_TRUE(WriteFully(*file_, 3, {}, {}).ok());
  EXPECT_EQ(files_.call_count(), before);
}

TEST_F(TransferTest, ReadWholeHasALimit) {
  EXPECT_EQ(*ReadWhole(files_, path_, 10), "0123456789");
  EXPECT_EQ(ReadWhole(files_, path_, 9).status().ToString(),
            "resource exhausted: " + path_ + " has 10 bytes; at most 9 are expected of it");
  ASSERT_TRUE(file_->Truncate(0).ok());
  EXPECT_EQ(*ReadWhole(files_, path_, 0), "");
}

TEST_F(TransferTest, ReadWholeFailsWithEachOfItsCalls) {
  uint64_t n = 0;
  for (;; ++n) {
    FaultyFileSystem files(real_);
    files.FailAt(n + 1, {});
    const Result<std::string> content = ReadWhole(files, path_, 100);
    if (files.fault_count() == 0) break;
    EXPECT_FALSE(content.ok()) << n;
  }
  EXPECT_EQ(n, 3u) << "open, size, read";
}

// --- ReplaceFile ---

struct Attempt {
  bool hit;  // There was an n-th call.
  Status status;
};

// Replaces "old" by "new" with a fault at call n, and checks that one of them is there, whole.
Attempt ReplaceWithFaultAt(uint64_t n, CallFault fault) {
  const testing::TempDirectory directory;
  PosixFileSystem real;
  const std::string old_content(3000, 'o');
  const std::string new_content(5000, 'n');
  EXPECT_TRUE(ReplaceFile(real, directory.path(), "CURRENT", old_content).ok());
  // What an earlier crash left, so that its removal is among the calls.
  EXPECT_TRUE(real.Open(directory.Join("CURRENT.tmp"), OpenMode::kCreateNew).ok());

  FaultyFileSystem files(real);
  files.FailAt(n, fault);
  Status status = ReplaceFile(files, directory.path(), "CURRENT", new_content);
  const std::string found = *ReadWhole(real, directory.Join("CURRENT"), kContentBytesMax);
  EXPECT_TRUE(found == old_content || found == new_content) << "call " << n;
  EXPECT_TRUE(!status.ok() || found == new_content) << "call " << n;
  EXPECT_EQ(files.syncs_after_failure(), 0u);

  files.Heal();
  EXPECT_TRUE(ReplaceFile(files, directory.path(), "CURRENT", new_content).ok()) << "call " << n;
  EXPECT_EQ(*ReadWhole(real, directory.Join("CURRENT"), kContentBytesMax), new_content);
  EXPECT_EQ(real.List(directory.path())->size(), 1u) << "call " << n;
  return {files.fault_count() > 0, std::move(status)};
}

// exists, remove, create, write, sync, close, rename, sync directory.
constexpr uint64_t kReplaceCalls = 8;

TEST(ReplaceFile, LeavesOldOrNewWhicheverCallFails) {
  for (const FaultEffect effect : {FaultEffect::kErrorBefore, FaultEffect::kErrorAfter,
                                   FaultEffect::kErrorPartly, FaultEffect::kSyncLost}) {
    for (const FaultRepeat repeat : {FaultRepeat::kOnce, FaultRepeat::kForEver}) {
      uint64_t n = 1;
      for (;; ++n) {
        const Attempt attempt =
            ReplaceWithFaultAt(n, {.effect = effect, .repeat = repeat, .byte_count = 1000});
        if (!attempt.hit) break;
        EXPECT_EQ(attempt.status.code(), StatusCode::kIoError) << "call " << n;
      }
      EXPECT_EQ(n - 1, kReplaceCalls);
    }
  }
}

TEST(ReplaceFile, SucceedsThroughShortWrites) {
  for (uint64_t n = 1; n <= kReplaceCalls; ++n) {
    const Attempt attempt = ReplaceWithFaultAt(
        n,
        {.effect = FaultEffect::kShortCount, .repeat = FaultRepeat::kForEver, .byte_count = 999});
    EXPECT_TRUE(attempt.status.ok()) << attempt.status.ToString();
  }
}

// Records the order of the calls by failing none of them.
TEST(ReplaceFile, WritesSyncsRenamesAndSyncsTheDirectoryInThisOrder) {
  const CallKind order[] = {CallKind::kExists,       CallKind::kOpen,  CallKind::kWrite,
                            CallKind::kSyncAll,      CallKind::kClose, CallKind::kRename,
                            CallKind::kSyncDirectory};
  for (uint64_t n = 1; n <= std::size(order); ++n) {
    const testing::TempDirectory directory;
    PosixFileSystem real;
    FaultyFileSystem files(real);
    files.FailAt(n, {});
    const Status status = ReplaceFile(files, directory.path(), "CURRENT", "new");
    const std::string expected = "injected fault at call " + std::to_string(n) + ": " +
                                 std::string(CallKindName(order[n - 1])) + " " + directory.path();
    EXPECT_NE(status.message().find(expected), std::string_view::npos) << status.ToString();
  }
}

}  // namespace
}  // namespace aidb::io
