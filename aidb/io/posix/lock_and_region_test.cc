#include <sys/stat.h>

#include <regex>

#include <gtest/gtest.h>

#include "aidb/base/bytes.h"
#include "aidb/io/posix/child_process.h"
#include "aidb/io/posix/posix_file_system.h"
#include "aidb/io/transfer.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::io {
namespace {

using posix::ChildProcess;
using posix::InChild;
using posix::Pipe;

// --- Locks ---

class PosixLockTest : public ::testing::Test {
 protected:
  std::string Refusal(LockMode mode) { return files_.Lock(path_, mode).status().ToString(); }

  // A child that holds the lock until it is killed. Returns once it has it.
  std::unique_ptr<ChildProcess> ChildThatHolds(LockMode mode) {
    Pipe ready;
    auto child = std::make_unique<ChildProcess>([&] {
      const auto lock = files_.Lock(path_, mode);
      AIDB_CHECK(lock.ok());
      ready.Write("y");
      posix::Descriptor(std::move(ready.writer));
      ::pause();
    });
    EXPECT_EQ(ready.ReadAll(), "y");
    return child;
  }

  const testing::TempDirectory directory_;
  const std::string path_ = directory_.Join("LOCK");
  const std::string refused_ = "unavailable: lock " + path_ + ": ";
  PosixFileSystem files_;
};

TEST_F(PosixLockTest, NamesTheProcessThatHoldsIt) {
  const auto child = ChildThatHolds(LockMode::kExclusive);
  const std::string expected = refused_ + "already open by pid " + std::to_string(child->pid());
  EXPECT_EQ(Refusal(LockMode::kExclusive), expected);
  EXPECT_EQ(Refusal(LockMode::kShared), expected);
}

TEST_F(PosixLockTest, IsFreeOnceItsHolderWasKilled) {
  auto child = ChildThatHolds(LockMode::kExclusive);
  child.reset();
  EXPECT_TRUE(files_.Lock(path_, LockMode::kExclusive).ok());
}

TEST_F(PosixLockTest, IsRefusedToASecondOpenOfTheSameProcess) {
  const auto held = files_.Lock(path_, LockMode::kExclusive);
  EXPECT_EQ(Refusal(LockMode::kExclusive),
            refused_ + "already open by pid " + std::to_string(::getpid()));
}

TEST_F(PosixLockTest, HoldsPidBootIdAndStartTime) {
  const auto held = files_.Lock(path_, LockMode::kExclusive);
  ASSERT_TRUE(held.ok());
  const std::string text = *ReadWhole(files_, path_, 1000);
  const std::regex expected("pid " + std::to_string(::getpid()) + "\nboot " + files_.BootId() +
                            "\nsince \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ\n");
  EXPECT_TRUE(std::regex_match(text, expected)) << text;
}

TEST_F(PosixLockTest, ReadersOfOtherProcessesExcludeAWriterWithoutALie) {
  ChildThatHolds(LockMode::kExclusive).reset();  // Killed: its pid stays in the file.
  const auto reader = ChildThatHolds(LockMode::kShared);
  EXPECT_EQ(
      Refusal(LockMode::kExclusive),
      refused_ + "already open for reading, by another process or another handle of this one");
  EXPECT_TRUE(files_.Lock(path_, LockMode::kShared).ok());
}

TEST_F(PosixLockTest, AForkedChildKeepsItAlive) {
  auto held = files_.Lock(path_, LockMode::kExclusive);
  ASSERT_TRUE(held.ok());
  {
    const ChildProcess child([] { ::pause(); });
    held = Unavailable("let go");
    EXPECT_EQ(
        Refusal(LockMode::kExclusive),
        refused_ +
            "already open by a process that left no pid, perhaps a child forked without exec");
  }
  EXPECT_TRUE(files_.Lock(path_, LockMode::kExclusive).ok());
}

TEST_F(PosixLockTest, AForkedChildThatCallsExecDoesNot) {
  auto held = files_.Lock(path_, LockMode::kExclusive);
  ASSERT_TRUE(held.ok());
  Pipe executed;  // Its writer is closed by exec.
  const ChildProcess child([] { ::execl("/bin/sleep", "sleep", "1000", nullptr); });
  EXPECT_EQ(executed.ReadAll(), "");
  held = Unavailable("let go");
  EXPECT_TRUE(files_.Lock(path_, LockMode::kExclusive).ok());
}

TEST_F(PosixLockTest, ATextThatIsNotOursIsNoPid) {
  for (const std::string text :
       {"", "pid", "pid x", "pid -5", "garbage", "pid 99999999999999999999999"}) {
    const auto held = files_.Lock(path_, LockMode::kExclusive);
    const auto file = *files_.Open(path_, OpenMode::kReadWrite);
    ASSERT_TRUE(file->Truncate(0).ok());
    ASSERT_TRUE(WriteFully(*file, 0, AsBytes(text)).ok());
    EXPECT_EQ(
        Refusal(LockMode::kShared),
        refused_ +
            "already open by a process that left no pid, perhaps a child forked without exec");
  }
}

TEST_F(PosixLockTest, IsTakenOnAFullDisk) {
  EXPECT_EQ(InChild([&] {
              posix::LimitFileSize(0);
              const auto held = files_.Lock(path_, LockMode::kExclusive);
              return held.status().ToString();
            }),
            "ok");
}

// --- Regions ---

class PosixRegionTest : public ::testing::Test {
 protected:
  uint64_t FirstHole() {
    const posix::Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    return static_cast<uint64_t>(::lseek(file.number(), 0, SEEK_HOLE));
  }

  const testing::TempDirectory directory_;
  const std::string path_ = directory_.Join("ring");
  PosixFileSystem files_;
};

constexpr uint64_t kRegionBytes = 64 << 10;

TEST_F(PosixRegionTest, SurvivesSigkill) {
  EXPECT_EQ(InChild([&] {
              const auto region = *files_.OpenRegion(path_, kRegionBytes);
              for (size_t i = 0; i < kRegionBytes; ++i) region->bytes()[i] = std::byte(i % 251);
              ::kill(::getpid(), SIGKILL);
              return std::string("still alive");
            }),
            "died of signal 9");
  const auto region = *files_.OpenRegion(path_, kRegionBytes);
  for (size_t i = 0; i < kRegionBytes; ++i) ASSERT_EQ(region->bytes()[i], std::byte(i % 251));
}

TEST_F(PosixRegionTest, HasNoHolesFromItsFirstDay) {
  const auto region = files_.OpenRegion(path_, kRegionBytes);
  ASSERT_TRUE(region.ok());
  EXPECT_EQ(FirstHole(), kRegionBytes);
}

TEST_F(PosixRegionTest, FillsTheHolesOfASparseCopyAndKeepsItsBytes) {
  {
    const auto file = *files_.Open(path_, OpenMode::kCreateNew);
    ASSERT_TRUE(file->Truncate(kRegionBytes).ok());
    ASSERT_TRUE(WriteFully(*file, 5000, AsBytes("kept")).ok());
    ASSERT_LT(FirstHole(), kRegionBytes);
  }
  const auto region = *files_.OpenRegion(path_, kRegionBytes);
  EXPECT_EQ(FirstHole(), kRegionBytes);
  EXPECT_EQ(AsView(region->bytes().subspan(5000, 4)), "kept");
}

TEST_F(PosixRegionTest, IsLargerThanOneChunk) {
  constexpr uint64_t kSize = (uint64_t{3} << 20) + 4096;
  const auto region = *files_.OpenRegion(path_, kSize);
  EXPECT_EQ(region->bytes().size(), kSize);
  EXPECT_EQ(FirstHole(), kSize);
}

TEST_F(PosixRegionTest, ThatDoesNotFitIsAnErrorAndLeavesNoFile) {
  const std::string answer = InChild([&] {
    posix::MakeSmallVolume(directory_.path(), 1 << 20);
    const Status full = files_.OpenRegion(path_, 4 << 20).status();
    return full.ToString() + (*files_.Exists(path_) ? "; left" : "; removed");
  });
  EXPECT_TRUE(answer.starts_with("resource exhausted: at offset ")) << answer;
  EXPECT_NE(answer.find(": write " + path_ + ": disk full ("), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("; removed")) << answer;
}

TEST_F(PosixRegionTest, WhoseHolesDoNotFitIsAnErrorAndNoSignal) {
  const std::string answer = InChild([&] {
    posix::MakeSmallVolume(directory_.path(), 1 << 20);
    const posix::Descriptor sparse(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    // Under a size limit the file cannot even be this long; it then fails as the others do.
    [[maybe_unused]] const int grown = ::ftruncate(sparse.number(), 4 << 20);
    return files_.OpenRegion(path_, 4 << 20).status().ToString();
  });
  EXPECT_TRUE(answer.starts_with("resource exhausted: at offset ")) << answer;
}

TEST_F(PosixRegionTest, IsStoredToOnAFullVolumeWithoutASignal) {
  EXPECT_EQ(InChild([&] {
              posix::MakeSmallVolume(directory_.path(), 1 << 20);
              const auto region = *files_.OpenRegion(path_, kRegionBytes);
              const auto filler = *files_.Open(directory_.Join("filler"), OpenMode::kCreateNew);
              const std::string content(2 << 20, 'x');
              AIDB_CHECK(!WriteFully(*filler, 0, AsBytes(content)).ok());
              for (std::byte& byte : region->bytes()) byte = std::byte{1};
              return std::string("stored");
            }),
            "stored");
}

TEST_F(PosixRegionTest, IsTrustedByTheKindOfFileSystem) {
  EXPECT_EQ(files_.RegionSupportAt(directory_.path()), RegionSupport::kTrusted);
  EXPECT_EQ(files_.RegionSupportAt(path_), RegionSupport::kTrusted) << "by its directory";
  EXPECT_EQ(files_.RegionSupportAt("/proc"), RegionSupport::kRefused);
  EXPECT_EQ(files_.RegionSupportAt(directory_.Join("none/ring")), RegionSupport::kRefused);
  EXPECT_EQ(files_.OpenRegion("/proc/ring", 4096).status().ToString(),
            "unavailable: map /proc/ring: shared memory is trusted only on ext4, XFS and tmpfs; "
            "put the ring there");
}

}  // namespace
}  // namespace aidb::io
