#include "aidb/io/posix/posix_file_system.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "aidb/base/bytes.h"
#include "aidb/io/posix/child_process.h"
#include "aidb/io/posix/path.h"
#include "aidb/io/posix/posix_file.h"
#include "aidb/io/posix/system_error.h"
#include "aidb/io/transfer.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::io {
namespace {

using posix::InChild;
using posix::SystemError;

class PosixFileSystemTest : public ::testing::Test {
 protected:
  std::unique_ptr<File> Create(const std::string& name, std::string_view content) {
    auto file = files_.Open(directory_.Join(name), OpenMode::kCreateNew);
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    EXPECT_TRUE(WriteFully(**file, 0, AsBytes(content)).ok());
    return *std::move(file);
  }
  mode_t ModeOf(const std::string& path) {
    struct stat found{};
    EXPECT_EQ(::lstat(path.c_str(), &found), 0);
    return found.st_mode & 07777;
  }

  const testing::TempDirectory directory_;
  const std::string path_ = directory_.Join("a");
  PosixFileSystem files_;
};

// --- Errors ---

TEST(SystemError, TellsTheCallerWhatToDo) {
  const std::pair<int, std::string> expected[] = {
      {ENOSPC, "resource exhausted: write f: disk full (No space left on device)"},
      {EDQUOT, "resource exhausted: write f: disk full (Disk quota exceeded)"},
      {EFBIG, "resource exhausted: write f: disk full (File too large)"},
      {ENFILE,
       "resource exhausted: write f: too many open files in the whole system (fs.file-max)"},
      {ENOMEM, "resource exhausted: write f: Cannot allocate memory"},
      {EACCES, "permission denied: write f: Permission denied"},
      {EPERM, "permission denied: write f: Operation not permitted"},
      {ELOOP, "permission denied: write f: is a symbolic link, and links are not followed here"},
      {EROFS, "unavailable: write f: Read-only file system"},
      {EBADF, "invalid argument: write f: the file is closed, or open for reading only"},
      {ENOENT, "invalid argument: write f: No such file or directory"},
      {EEXIST, "invalid argument: write f: File exists"},
      {ENOTEMPTY, "invalid argument: write f: Directory not empty"},
      {EIO, "i/o error: write f: Input/output error"},
      {EINTR, "i/o error: write f: Interrupted system call"},
      {987654, "i/o error: write f: error 987654"},
  };
  for (const auto& [error, text] : expected) {
    EXPECT_EQ(SystemError(error, "write", "f").ToString(), text);
  }
}

TEST(SystemError, NamesTheDescriptorLimit) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const Status status = SystemError(EMFILE, "open", "f");
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("may hold " + std::to_string(limit.rlim_cur) + " descriptors"),
            std::string_view::npos)
      << status.message();
}

TEST(RetryInterrupted, GoesOnUntilTheCallIsNotInterrupted) {
  int calls = 0;
  const int result = posix::RetryInterrupted([&] {
    errno = EINTR;
    return ++calls < posix::kInterruptionsMax ? -1 : 7;
  });
  EXPECT_EQ(result, 7);
  EXPECT_EQ(calls, posix::kInterruptionsMax);
}

TEST(RetryInterrupted, GivesUpAtItsLimit) {
  int calls = 0;
  const int result = posix::RetryInterrupted([&] {
    ++calls;
    errno = EINTR;
    return -1;
  });
  EXPECT_EQ(result, -1);
  EXPECT_EQ(calls, posix::kInterruptionsMax);
}

TEST(RetryInterrupted, PassesOtherErrorsAtOnce) {
  int calls = 0;
  const int result = posix::RetryInterrupted([&] {
    ++calls;
    errno = EIO;
    return -1;
  });
  EXPECT_EQ(result, -1);
  EXPECT_EQ(calls, 1);
}

TEST_F(PosixFileSystemTest, EveryMethodNamesOperationAndPath) {
  const std::string none = directory_.Join("none");
  const std::string there = directory_.Join("there");
  Create("there", "");
  const std::string missing = ": No such file or directory";
  const std::pair<Status, std::string> expected[] = {
      {files_.Open(none, OpenMode::kRead).status(), "open " + none + missing},
      {files_.Open(there, OpenMode::kCreateNew).status(), "create " + there + ": File exists"},
      {files_.List(none).status(), "list " + none + missing},
      {files_.CreateDirectory(none + "/x"), "create directory " + none + "/x" + missing},
      {files_.CreateDirectory(there), "create directory " + there + ": is not a directory"},
      {files_.Rename(none, path_), "rename " + none + " to " + path_ + missing},
      {files_.Rename(there, none + "/x"),
       "rename " + there + " to " + none + "/x: the directories differ"},
      {files_.Remove(none), "remove " + none + missing},
      {files_.Link(there, there), "link " + there + " to " + there + ": File exists"},
      {files_.SyncDirectory(there), "sync directory " + there + ": Not a directory"},
      {files_.Lock(none + "/LOCK", LockMode::kShared).status(), "lock " + none + missing},
      {files_.FreeBytes(none).status(), "measure free space at " + none + missing},
      {files_.OpenRegion(there, 5).status(),
       "map " + there + ": 5 bytes are not a positive multiple of 4096"},
      {files_.Exists(there + std::string(300, 'x')).status(),
       "stat " + there + std::string(300, 'x') + ": File name too long"},
  };
  for (const auto& [status, text] : expected) {
    EXPECT_EQ(status.ToString(), "invalid argument: " + text);
  }
}

TEST_F(PosixFileSystemTest, RefusesPathsWithANulByte) {
  const std::string path("a\0b", 3);
  const Status refused[] = {
      files_.Open(path, OpenMode::kCreateNew).status(),
      files_.Exists(path).status(),
      files_.List(path).status(),
      files_.CreateDirectory(path),
      files_.Rename(path, "x"),
      files_.Rename("x", path),
      files_.Remove(path),
      files_.Link(path, "x"),
      files_.Link("x", path),
      files_.SyncDirectory(path),
      files_.Lock(path, LockMode::kExclusive).status(),
      files_.FreeBytes(path).status(),
      files_.OpenRegion(path, 4096).status(),
  };
  for (const Status& status : refused) {
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
    EXPECT_TRUE(status.message().ends_with("a: the path has a NUL byte at position 1"))
        << status.message();
  }
}

TEST_F(PosixFileSystemTest, AnOrdinaryUserIsDeniedAClosedDirectory) {
  const std::string closed = directory_.Join("closed");
  ASSERT_TRUE(files_.CreateDirectory(closed).ok());
  ASSERT_EQ(::chmod(closed.c_str(), 0), 0);
  EXPECT_EQ(InChild([&] {
              posix::BecomeOrdinaryUser();
              return files_.Open(closed + "/f", OpenMode::kRead).status().ToString();
            }),
            "permission denied: open " + closed + "/f: Permission denied");
  ASSERT_EQ(::chmod(closed.c_str(), 0700), 0);
}

TEST_F(PosixFileSystemTest, RunningOutOfDescriptorsIsResourceExhausted) {
  Create("a", "");
  EXPECT_EQ(InChild([&] {
              const rlimit limit{3, 3};
              AIDB_CHECK(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
              return files_.Open(path_, OpenMode::kRead).status().ToString();
            }),
            "resource exhausted: open " + path_ +
                ": too many open files: this process may hold 3 descriptors (raise it with "
                "ulimit -n, or LimitNOFILE= under systemd)");
}

// --- Files ---

TEST_F(PosixFileSystemTest, MakesFilesAndDirectoriesPrivateUnderAnyUmask) {
  const mode_t old = ::umask(0);
  Create("a", "");
  EXPECT_TRUE(files_.CreateDirectory(directory_.Join("sub")).ok());
  EXPECT_TRUE(files_.Lock(directory_.Join("LOCK"), LockMode::kShared).ok());
  EXPECT_TRUE(files_.OpenRegion(directory_.Join("ring"), 4096).ok());
  ::umask(old);
  EXPECT_EQ(ModeOf(path_), 0600u);
  EXPECT_EQ(ModeOf(directory_.Join("sub")), 0700u);
  EXPECT_EQ(ModeOf(directory_.Join("LOCK")), 0600u);
  EXPECT_EQ(ModeOf(directory_.Join("ring")), 0600u);
}

TEST_F(PosixFileSystemTest, NoDescriptorOutlivesExec) {
  const auto file = Create("a", "");
  const auto lock = files_.Lock(directory_.Join("LOCK"), LockMode::kExclusive);
  const auto region = files_.OpenRegion(directory_.Join("ring"), 4096);
  int ours = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // The iterator's own descriptor.
    const std::string target = std::filesystem::read_symlink(entry.path(), gone);
    if (!target.starts_with(directory_.path())) continue;
    ++ours;
    const int descriptor = std::stoi(entry.path().filename());
    EXPECT_NE(::fcntl(descriptor, F_GETFD) & FD_CLOEXEC, 0) << target;
  }
  EXPECT_EQ(ours, 2) << "the file and the lock; the region needs none";
}

TEST_F(PosixFileSystemTest, DoesNotFollowALinkInPlaceOfAFile) {
  Create("a", "precious");
  const std::string link = directory_.Join("link");
  ASSERT_EQ(::symlink(path_.c_str(), link.c_str()), 0);
  const Status refused[] = {
      files_.Open(link, OpenMode::kRead).status(),
      files_.Open(link, OpenMode::kReadWrite).status(),
      files_.Lock(link, LockMode::kExclusive).status(),
      files_.OpenRegion(link, 4096).status(),
  };
  for (const Status& status : refused) {
    EXPECT_EQ(status.code(), StatusCode::kPermissionDenied) << status.ToString();
  }
  EXPECT_EQ(files_.Open(link, OpenMode::kCreateNew).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(*ReadWhole(files_, path_, 100), "precious");
}

TEST_F(PosixFileSystemTest, ADanglingLinkIsANameThatExists) {
  ASSERT_EQ(::symlink("nowhere", path_.c_str()), 0);
  EXPECT_TRUE(*files_.Exists(path_));
  EXPECT_FALSE(*files_.Exists(path_ + "/below"));
}

TEST_F(PosixFileSystemTest, NothingExistsBelowAFile) {
  Create("a", "");
  EXPECT_FALSE(*files_.Exists(path_ + "/below"));
}

TEST_F(PosixFileSystemTest, RefusesAPipeWithoutWaitingForItsOtherEnd) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kReadWrite}) {
    EXPECT_EQ(files_.Open(path_, mode).status().ToString(),
              "invalid argument: open " + path_ + ": is not a regular file");
  }
}

TEST_F(PosixFileSystemTest, AFileAtItsLimitIsWrittenShortAndThenFull) {
  EXPECT_EQ(InChild([&] {
              posix::LimitFileSize(1000);
              auto file = *files_.Open(path_, OpenMode::kCreateNew);
              const std::string content(1500, 'x');
              const size_t wrote = *file->Write(0, AsBytes(content), {});
              return std::to_string(wrote) + ", " +
                     file->Write(wrote, AsBytes(content), {}).status().ToString();
            }),
            "1000, resource exhausted: write " + path_ + ": disk full (File too large)");
  EXPECT_EQ(ReadWhole(files_, path_, 10000)->size(), 1000u);
}

TEST_F(PosixFileSystemTest, AFullVolumeIsResourceExhaustedAndKeepsWhatWasWritten) {
  const std::string answer = InChild([&] {
    posix::MakeSmallVolume(directory_.path(), 1 << 20);
    auto file = *files_.Open(path_, OpenMode::kCreateNew);
    const Status full = WriteFully(*file, 0, AsBytes(std::string(2 << 20, 'x')));
    const std::string head = *ReadWhole(files_, path_, 2 << 20);
    const bool kept = !head.empty() && head == std::string(head.size(), 'x');
    return full.ToString() + (kept ? "; kept" : "; lost");
  });
  EXPECT_TRUE(answer.starts_with("resource exhausted: at offset ")) << answer;
  EXPECT_NE(answer.find(": write " + path_ + ": disk full ("), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("; kept")) << answer;
}

TEST_F(PosixFileSystemTest, AllocatingMoreThanThereIsFailsCleanly) {
  const auto file = Create("a", "abc");
  const std::string answer = file->Allocate(uint64_t{1} << 60).ToString();
  EXPECT_TRUE(answer.starts_with("resource exhausted: allocate " + path_ + ": disk full ("))
      << answer;
  EXPECT_EQ(*file->Size(), 3u);
}

TEST_F(PosixFileSystemTest, AClosedFileSaysSo) {
  const auto file = Create("a", "abc");
  EXPECT_TRUE(file->Close().ok());
  const std::string why = path_ + ": the file is closed, or open for reading only";
  std::byte out[1];
  EXPECT_EQ(file->Read(0, out).status().message(), "read " + why);
  EXPECT_EQ(file->Write(0, AsBytes("x"), {}).status().message(), "write " + why);
  EXPECT_EQ(file->Truncate(0).message(), "truncate " + why);
  EXPECT_EQ(file->Allocate(1).message(), "allocate " + why);
  EXPECT_EQ(file->Size().status().message(), "stat " + why);
  EXPECT_EQ(file->SyncAll().message(), "sync " + why);
  EXPECT_EQ(file->Close().message(), "close " + why);
}

TEST(PosixFile, IsNeverSyncedAgainAfterAFailedSync) {
  const posix::Pipe pipe;  // The kernel refuses to sync a pipe.
  posix::PosixFile file(posix::Descriptor(::dup(pipe.writer.number())), "f");
  EXPECT_EQ(file.SyncData().ToString(), "invalid argument: sync f: Invalid argument");
  const std::string never =
      "i/o error: sync f: an earlier sync of this file failed; it is never synced again";
  EXPECT_EQ(file.SyncData().ToString(), never);
  EXPECT_EQ(file.SyncAll().ToString(), never);
}

TEST(PosixFile, OffsetsBeyondTheKernelsAreErrors) {
  const testing::TempDirectory directory;
  PosixFileSystem files;
  const auto file = *files.Open(directory.Join("a"), OpenMode::kCreateNew);
  constexpr uint64_t kFar = uint64_t{1} << 63;
  for (const uint64_t offset : {kFar - 1, kFar, ~uint64_t{0}}) {
    EXPECT_EQ(file->Write(offset, AsBytes("abc"), AsBytes("d")).status().code(),
              StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(file->Truncate(kFar).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(file->Allocate(kFar).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(*file->Size(), 0u);
}

// --- Directories ---

TEST(ParentOf, NamesTheDirectoryOfTheLastName) {
  const std::pair<std::string, std::string> expected[] = {
      {"a", "."}, {"a/", "."},     {"a/b", "a"}, {"/a", "/"},        {"/", "/"},
      {"", "."},  {"a//b//", "a"}, {"//a", "/"}, {"/a/b/c", "/a/b"},
  };
  for (const auto& [path, parent] : expected) EXPECT_EQ(ParentOf(path), parent) << path;
}

TEST_F(PosixFileSystemTest, RefusesADirectoryThatIsALink) {
  const std::string real = directory_.Join("real");
  const std::string link = directory_.Join("link");
  ASSERT_TRUE(files_.CreateDirectory(real).ok());
  ASSERT_EQ(::symlink(real.c_str(), link.c_str()), 0);
  const std::string why = ": is a symbolic link; name the directory it points to";
  EXPECT_EQ(files_.CreateDirectory(link).ToString(),
            "permission denied: create directory " + link + why);
  EXPECT_EQ(files_.CreateDirectory(link + "/").ToString(),
            "permission denied: create directory " + link + "/" + why);
  EXPECT_EQ(files_.Lock(link + "/LOCK", LockMode::kExclusive).status().ToString(),
            "permission denied: lock " + link + why);
  EXPECT_TRUE(files_.List(real)->empty());
}

TEST_F(PosixFileSystemTest, RefusesADirectoryThatEverybodyMayWrite) {
  ASSERT_EQ(::chmod(directory_.path().c_str(), 01777), 0);
  const std::string why =
      directory_.path() + ": everybody may write to this directory; run chmod 0700 on it";
  EXPECT_EQ(files_.CreateDirectory(directory_.path()).ToString(),
            "permission denied: create directory " + why);
  for (const LockMode mode : {LockMode::kExclusive, LockMode::kShared}) {
    EXPECT_EQ(files_.Lock(directory_.Join("LOCK"), mode).status().ToString(),
              "permission denied: lock " + why);
  }
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0700), 0);
  EXPECT_TRUE(files_.Lock(directory_.Join("LOCK"), LockMode::kExclusive).ok());
}

TEST(CheckDirectoryIsSafe, RefusesAnotherUsersDirectory) {
  struct stat found{};
  found.st_mode = S_IFDIR | 0755;
  const auto check = [&](uid_t owner, uid_t self) {
    found.st_uid = owner;
    return posix::CheckDirectoryIsSafe("lock", "d", found, self);
  };
  EXPECT_TRUE(check(1000, 1000).ok());
  EXPECT_TRUE(check(0, 1000).ok());
  EXPECT_TRUE(check(1000, 0).ok());
  EXPECT_EQ(check(1001, 1000).ToString(),
            "permission denied: lock d: belongs to user 1001, but this process runs as user 1000; "
            "run chown on it, or run as its owner");
}

TEST_F(PosixFileSystemTest, KnowsTheBootIdOfTheKernel) {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string expected;
  ASSERT_TRUE(std::getline(file, expected));
  EXPECT_EQ(files_.BootId(), expected);
}

}  // namespace
}  // namespace aidb::io
