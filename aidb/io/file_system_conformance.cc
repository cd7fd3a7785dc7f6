#include "aidb/io/file_system_conformance.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "aidb/base/bytes.h"
#include "aidb/io/transfer.h"

namespace aidb::io {
namespace {

// For tests that go on: the value, or a failure that shows the error.
template <typename T>
T Must(Result<T> result) {
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  return *std::move(result);
}

void ExpectOk(const Status& status) { EXPECT_TRUE(status.ok()) << status.ToString(); }

// The code, and a message that names the path.
void ExpectError(const Status& status, StatusCode code, std::string_view path) {
  EXPECT_EQ(status.code(), code) << status.ToString();
  EXPECT_NE(status.message().find(path), std::string_view::npos) << status.ToString();
}

std::unique_ptr<File> CreateWith(FileSystem& files, const std::string& path,
                                 std::string_view content) {
  auto file = Must(files.Open(path, OpenMode::kCreateNew));
  ExpectOk(WriteFully(*file, 0, AsBytes(content)));
  return file;
}

std::string ContentOf(FileSystem& files, const std::string& path) {
  return Must(ReadWhole(files, path, uint64_t{1} << 20));
}

std::string ReadText(const File& file, uint64_t offset, size_t size) {
  std::string text(size, '?');
  const size_t got =
      Must(ReadUpTo(file, offset, std::as_writable_bytes(std::span(text.data(), size))));
  return text.substr(0, got);
}

// --- Opening ---

void CreateNewRefusesAFileThatExists(FileSystem& files, const std::string& dir) {
  const std::string path = JoinPath(dir, "a");
  CreateWith(files, path, "old");
  ExpectError(files.Open(path, OpenMode::kCreateNew).status(), StatusCode::kInvalidArgument, path);
  EXPECT_EQ(ContentOf(files, path), "old");
}

void OpenRefusesAFileThatDoesNotExist(FileSystem& files, const std::string& dir) {
  const std::string path = JoinPath(dir, "none");
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kReadWrite}) {
    ExpectError(files.Open(path, mode).status(), StatusCode::kInvalidArgument, path);
  }
  EXPECT_FALSE(Must(files.Exists(path)));
}

void OpenRefusesADirectory(FileSystem& files, const std::string& dir) {
  ExpectError(files.Open(dir, OpenMode::kRead).status(), StatusCode::kInvalidArgument, dir);
}

void AFileOpenedForReadingIsNotWritten(FileSystem& files, const std::string& dir) {
  const std::string path = JoinPath(dir, "a");
  CreateWith(files, path, "abc");
  auto file = Must(files.Open(path, OpenMode::kRead));
  EXPECT_EQ(file->path(), path);
  ExpectError(file->Write(0, AsBytes("x"), {}).status(), StatusCode::kInvalidArgument, path);
  ExpectError(file->Truncate(1), StatusCode::kInvalidArgument, path);
  EXPECT_EQ(ContentOf(files, path), "abc");
}

void AFileOpenedForReadingFromTheDiskShowsItsBytes(FileSystem& files, const std::string& dir) {
  const std::string path = JoinPath(dir, "a");
  std::string content;
  for (int i = 0; content.size() < 10'000; ++i) content += std::to_string(i) + ' ';
  ASSERT_TRUE(CreateWith(files, path, content)->SyncAll().ok());
  const auto file = Must(files.Open(path, OpenMode::kReadFromDisk));
  EXPECT_EQ(Must(file->Size()), content.size());
  for (const uint64_t offset : {0, 1, 4095, 4096, 4097, 9'000}) {
    for (const size_t size : {1, 7, 4096, 5'000}) {
      std::string out(std::min<size_t>(size, content.size() - offset), '\0');
      const auto bytes = std::as_writable_bytes(std::span(out));
      ASSERT_TRUE(ReadExact(*file, offset, bytes).ok()) << offset << " " << size;
      EXPECT_EQ(out, content.substr(offset, size));
    }
  }
  std::byte out[4];
  for (const uint64_t offset : {uint64_t{content.size()}, uint64_t{1} << 50, ~uint64_t{0}}) {
    EXPECT_EQ(Must(file->Read(offset, out)), 0u) << offset;
  }
  ExpectError(file->Write(0, AsBytes("x"), {}).status(), StatusCode::kInvalidArgument, path);
  ExpectError(file->Truncate(1), StatusCode::kInvalidArgument, path);
  ExpectError(files.Open(JoinPath(dir, "none"), OpenMode::kReadFromDisk).status(),
              StatusCode::kInvalidArgument, "none");
}

// --- Reading and writing ---

void ReadReturnsNothingAtAndPastTheEnd(FileSystem& files, const std::string& dir) {
  const auto file = CreateWith(files, JoinPath(dir, "a"), "abc");
  for (const uint64_t offset : {uint64_t{3}, uint64_t{4}, uint64_t{1} << 50, ~uint64_t{0}}) {
    std::byte out[4];
    EXPECT_EQ(Must(file->Read(offset, out)), 0u) << offset;
  }
  EXPECT_EQ(Must(file->Read(0, {})), 0u);
  EXPECT_EQ(ReadText(*file, 1, 100), "bc");
}

void WriteTakesTwoSpansInOrder(FileSystem& files, const std::string& dir) {
  const auto file = CreateWith(files, JoinPath(dir, "a"), "0123456789");
  ExpectOk(WriteFully(*file, 2, AsBytes("ab"), AsBytes("cd")));
  ExpectOk(WriteFully(*file, 8, {}, AsBytes("xyz")));
  EXPECT_EQ(Must(file->Write(5, {}, {})), 0u);
  EXPECT_EQ(ReadText(*file, 0, 100), "01abcd67xyz");
  EXPECT_EQ(Must(file->Size()), 11u);
}

void AGapReadsAsZeros(FileSystem& files, const std::string& dir) {
  const auto file = CreateWith(files, JoinPath(dir, "a"), "a");
  ExpectOk(WriteFully(*file, 5, AsBytes("b")));
  EXPECT_EQ(ReadText(*file, 0, 100), std::string("a\0\0\0\0b", 6));
}

void TwoDescriptionsSeeTheSameBytes(FileSystem& files, const std::string& dir) {
  const std::string path = JoinPath(dir, "a");
  const auto first = CreateWith(files, path, "abc");
  const auto second = Must(files.Open(path, OpenMode::kReadWrite));
  ExpectOk(WriteFully(*second, 1, AsBytes("X")));
  EXPECT_EQ(ReadText(*first, 0, 3), "aXc");
}

void TruncateCutsAndGrows(FileSystem& files, const std::string& dir) {
  const auto file = CreateWith(files, JoinPath(dir, "a"), "abcdef");
  ExpectOk(file->Truncate(2));
  EXPECT_EQ(Must(file->Size()), 2u);
  ExpectOk(file->Truncate(4));
  EXPECT_EQ(ReadText(*file, 0, 100), std::string("ab\0\0", 4));
}

void AllocateChangesNeitherBytesNorSize(FileSystem& files, const std::string& dir) {
  const auto file = CreateWith(files, JoinPath(dir, "a"), "abc");
  ExpectOk(file->Allocate(0));
  ExpectOk(file->Allocate(64 << 10));
  EXPECT_EQ(Must(file->Size()), 3u);
  EXPECT_EQ(ReadText(*file, 0, 100), "abc");
}

void SyncAndCloseSucceedOnAHealthyFile(FileSystem& files, const std::string& dir) {
  const std::string path = JoinPath(dir, "a");
  const auto file = CreateWith(files, path, "abc");
  ExpectOk(file->SyncData());
  ExpectOk(file->SyncAll());
  ExpectOk(files.SyncDirectory(dir));
  ExpectOk(file->Close());
  EXPECT_EQ(ContentOf(files, path), "abc");
}

void AFileOutlivesItsName(FileSystem& files, const std::string& dir) {
  const std::string path = JoinPath(dir, "a");
  const auto file = CreateWith(files, path, "abc");
  ExpectOk(files.Remove(path));
  EXPECT_EQ(ReadText(*file, 0, 100), "abc");
  CreateWith(files, path, "new");
  EXPECT_EQ(ReadText(*file, 0, 100), "abc");
}

void AFileFollowsItsRename(FileSystem& files, const std::string& dir) {
  const auto file = CreateWith(files, JoinPath(dir, "from"), "abc");
  ExpectOk(files.Rename(JoinPath(dir, "from"), JoinPath(dir, "to")));
  ExpectOk(WriteFully(*file, 3, AsBytes("def")));
  EXPECT_EQ(ContentOf(files, JoinPath(dir, "to")), "abcdef");
}

void LargeTransfersArriveWhole(FileSystem& files, const std::string& dir) {
  std::string content(700'001, ' ');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 + i / 251);
  const auto file = CreateWith(files, JoinPath(dir, "a"), content);
  const std::string_view view = content;
  ExpectOk(WriteFully(*file, content.size(), AsBytes(view.substr(0, 300'001)),
                      AsBytes(view.substr(300'001))));
  EXPECT_EQ(ReadText(*file, 0, 2 * content.size()), content + content);
}

// --- Directories and names ---

void ListIsSortedByBytes(FileSystem& files, const std::string& dir) {
  EXPECT_TRUE(Must(files.List(dir)).empty());
  for (const char* name : {"b", "a10", "B", "a9", "\xc3\xa4"}) {
    CreateWith(files, JoinPath(dir, name), "");
  }
  ExpectOk(files.CreateDirectory(JoinPath(dir, "sub")));
  CreateWith(files, JoinPath(dir, "sub/inner"), "");
  const std::vector<std::string> expected = {"B", "a10", "a9", "b", "sub", "\xc3\xa4"};
  EXPECT_EQ(Must(files.List(dir)), expected);
  EXPECT_EQ(Must(files.List(JoinPath(dir, "sub"))), std::vector<std::string>{"inner"});
}

void ListHoldsManyNames(FileSystem& files, const std::string& dir) {
  std::vector<std::string> expected;  // More than one buffer of the kernel's.
  for (int i = 1000; i < 3000; ++i)
    expected.push_back("a-name-that-is-not-short-" + std::to_string(i));
  for (const std::string& name : expected) {
    ExpectOk(files.Open(JoinPath(dir, name), OpenMode::kCreateNew).status());
  }
  EXPECT_EQ(Must(files.List(dir)), expected);
}

void ListRefusesWhatIsNoDirectory(FileSystem& files, const std::string& dir) {
  const std::string file = JoinPath(dir, "a");
  CreateWith(files, file, "");
  for (const std::string& path : {file, JoinPath(dir, "none")}) {
    ExpectError(files.List(path).status(), StatusCode::kInvalidArgument, path);
    ExpectError(files.SyncDirectory(path), StatusCode::kInvalidArgument, path);
  }
}

void CreateDirectoryMayBeRepeated(FileSystem& files, const std::string& dir) {
  const std::string sub = JoinPath(dir, "sub");
  ExpectOk(files.CreateDirectory(sub));
  CreateWith(files, JoinPath(sub, "a"), "kept");
  ExpectOk(files.CreateDirectory(sub));
  EXPECT_TRUE(Must(files.Exists(sub)));
  EXPECT_EQ(ContentOf(files, JoinPath(sub, "a")), "kept");
}

void CreateDirectoryRefusesAFileAndAMissingParent(FileSystem& files, const std::string& dir) {
  const std::string file = JoinPath(dir, "a");
  CreateWith(files, file, "");
  for (const std::string& path : {file, JoinPath(dir, "none/sub")}) {
    ExpectError(files.CreateDirectory(path), StatusCode::kInvalidArgument, path);
  }
}

void RenameReplaces(FileSystem& files, const std::string& dir) {
  const std::string from = JoinPath(dir, "from");
  const std::string to = JoinPath(dir, "to");
  CreateWith(files, from, "new");
  CreateWith(files, to, "old");
  ExpectOk(files.Rename(from, to));
  EXPECT_FALSE(Must(files.Exists(from)));
  EXPECT_EQ(ContentOf(files, to), "new");
}

void RenameRefusesAMissingSourceAndAnotherDirectory(FileSystem& files, const std::string& dir) {
  const std::string from = JoinPath(dir, "from");
  ExpectError(files.Rename(from, JoinPath(dir, "to")), StatusCode::kInvalidArgument, from);
  CreateWith(files, from, "abc");
  ExpectOk(files.CreateDirectory(JoinPath(dir, "sub")));
  const std::string far = JoinPath(dir, "sub/to");
  ExpectError(files.Rename(from, far), StatusCode::kInvalidArgument, far);
  EXPECT_EQ(ContentOf(files, from), "abc");
}

void RemoveTakesFilesAndEmptyDirectories(FileSystem& files, const std::string& dir) {
  const std::string sub = JoinPath(dir, "sub");
  const std::string file = JoinPath(sub, "a");
  ExpectOk(files.CreateDirectory(sub));
  CreateWith(files, file, "");
  ExpectError(files.Remove(sub), StatusCode::kInvalidArgument, sub);
  ExpectOk(files.Remove(file));
  ExpectOk(files.Remove(sub));
  ExpectError(files.Remove(sub), StatusCode::kInvalidArgument, sub);
  EXPECT_TRUE(Must(files.List(dir)).empty());
}

void LinkIsASecondNameForTheSameFile(FileSystem& files, const std::string& dir) {
  const std::string from = JoinPath(dir, "from");
  const std::string to = JoinPath(dir, "to");
  const auto file = CreateWith(files, from, "abc");
  ExpectOk(files.Link(from, to));
  ExpectOk(WriteFully(*file, 0, AsBytes("X")));
  ExpectOk(files.Remove(from));
  EXPECT_EQ(ContentOf(files, to), "Xbc");
}

void LinkRefusesANameThatIsTakenOrMissing(FileSystem& files, const std::string& dir) {
  const std::string from = JoinPath(dir, "from");
  const std::string to = JoinPath(dir, "to");
  ExpectError(files.Link(from, to), StatusCode::kInvalidArgument, from);
  CreateWith(files, from, "new");
  CreateWith(files, to, "old");
  ExpectError(files.Link(from, to), StatusCode::kInvalidArgument, to);
  EXPECT_EQ(ContentOf(files, to), "old");
}

void FreeBytesAreKnown(FileSystem& files, const std::string& dir) {
  EXPECT_GT(Must(files.FreeBytes(dir)), 0u);
}

// --- Locks ---

void AWriterExcludesEverybody(FileSystem& files, const std::string& dir) {
  const std::string path = JoinPath(dir, "LOCK");
  auto held = Must(files.Lock(path, LockMode::kExclusive));
  for (const LockMode mode : {LockMode::kExclusive, LockMode::kShared}) {
    const Status refused = files.Lock(path, mode).status();
    ExpectError(refused, StatusCode::kUnavailable, path);
    EXPECT_NE(refused.message().find("already open by pid "), std::string_view::npos)
        << refused.ToString();
  }
  held.reset();
  EXPECT_TRUE(files.Lock(path, LockMode::kExclusive).ok());
}

void ReadersShareAndExcludeWriters(FileSystem& files, const std::string& dir) {
  const std::string path = JoinPath(dir, "LOCK");
  auto first = Must(files.Lock(path, LockMode::kShared));
  auto second = Must(files.Lock(path, LockMode::kShared));
  first.reset();
  const Status refused = files.Lock(path, LockMode::kExclusive).status();
  ExpectError(refused, StatusCode::kUnavailable, path);
  EXPECT_NE(refused.message().find("already open for reading"), std::string_view::npos)
      << refused.ToString();
  second.reset();
  EXPECT_TRUE(files.Lock(path, LockMode::kExclusive).ok());
}

// --- Regions ---

constexpr uint64_t kRegionBytes = 8192;

bool AllZero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

void ANewRegionIsZeroAndKeepsItsBytes(FileSystem& files, const std::string& dir) {
  const std::string path = JoinPath(dir, "ring");
  ASSERT_EQ(files.RegionSupportAt(path), RegionSupport::kTrusted)
      << "run the tests on ext4, XFS or tmpfs (TMPDIR)";
  {
    const auto region = Must(files.OpenRegion(path, kRegionBytes));
    ASSERT_EQ(region->bytes().size(), kRegionBytes);
    EXPECT_TRUE(AllZero(region->bytes()));
    region->bytes()[kRegionBytes - 1] = std::byte{7};
  }
  const auto region = Must(files.OpenRegion(path, kRegionBytes));
  EXPECT_EQ(region->bytes()[kRegionBytes - 1], std::byte{7});
  EXPECT_TRUE(AllZero(region->bytes().first(kRegionBytes - 1)));
}

void ARegionOfAnotherSizeStartsAgain(FileSystem& files, const std::string& dir) {
  const std::string path = JoinPath(dir, "ring");
  for (const uint64_t size : {kRegionBytes, 2 * kRegionBytes, kRegionBytes / 2}) {
    const auto region = Must(files.OpenRegion(path, size));
    ASSERT_EQ(region->bytes().size(), size);
    EXPECT_TRUE(AllZero(region->bytes()));
    region->bytes()[0] = std::byte{1};
  }
}

void ARegionIsWholePages(FileSystem& files, const std::string& dir) {
  const std::string path = JoinPath(dir, "ring");
  for (const uint64_t size : {uint64_t{0}, uint64_t{100}, kRegionBytes + 1}) {
    ExpectError(files.OpenRegion(path, size).status(), StatusCode::kInvalidArgument, path);
  }
  EXPECT_FALSE(Must(files.Exists(path)));
}

void TheBootIdStaysTheSame(FileSystem& files, const std::string&) {
  EXPECT_FALSE(files.BootId().empty());
  EXPECT_EQ(files.BootId(), files.BootId());
}

// --- On top of it ---

void ReplaceFileReplacesAndLeavesNothingBehind(FileSystem& files, const std::string& dir) {
  ExpectOk(ReplaceFile(files, dir, "CURRENT", "one"));
  CreateWith(files, JoinPath(dir, "CURRENT.tmp"), "left over from a crash, and longer");
  ExpectOk(ReplaceFile(files, dir, "CURRENT", "two"));
  EXPECT_EQ(ContentOf(files, JoinPath(dir, "CURRENT")), "two");
  EXPECT_EQ(Must(files.List(dir)), std::vector<std::string>{"CURRENT"});
}

struct Case {
  const char* name;
  void (*body)(FileSystem& files, const std::string& dir);
};

#define AIDB_CASE(name) {#name, name}
constexpr Case kCases[] = {
    AIDB_CASE(CreateNewRefusesAFileThatExists),
    AIDB_CASE(OpenRefusesAFileThatDoesNotExist),
    AIDB_CASE(OpenRefusesADirectory),
    AIDB_CASE(AFileOpenedForReadingIsNotWritten),
    AIDB_CASE(AFileOpenedForReadingFromTheDiskShowsItsBytes),
    AIDB_CASE(ReadReturnsNothingAtAndPastTheEnd),
    AIDB_CASE(WriteTakesTwoSpansInOrder),
    AIDB_CASE(AGapReadsAsZeros),
    AIDB_CASE(TwoDescriptionsSeeTheSameBytes),
    AIDB_CASE(TruncateCutsAndGrows),
    AIDB_CASE(AllocateChangesNeitherBytesNorSize),
    AIDB_CASE(SyncAndCloseSucceedOnAHealthyFile),
    AIDB_CASE(AFileOutlivesItsName),
    AIDB_CASE(AFileFollowsItsRename),
    AIDB_CASE(LargeTransfersArriveWhole),
    AIDB_CASE(ListIsSortedByBytes),
    AIDB_CASE(ListHoldsManyNames),
    AIDB_CASE(ListRefusesWhatIsNoDirectory),
    AIDB_CASE(CreateDirectoryMayBeRepeated),
    AIDB_CASE(CreateDirectoryRefusesAFileAndAMissingParent),
    AIDB_CASE(RenameReplaces),
    AIDB_CASE(RenameRefusesAMissingSourceAndAnotherDirectory),
    AIDB_CASE(RemoveTakesFilesAndEmptyDirectories),
    AIDB_CASE(LinkIsASecondNameForTheSameFile),
    AIDB_CASE(LinkRefusesANameThatIsTakenOrMissing),
    AIDB_CASE(FreeBytesAreKnown),
    AIDB_CASE(AWriterExcludesEverybody),
    AIDB_CASE(ReadersShareAndExcludeWriters),
    AIDB_CASE(ANewRegionIsZeroAndKeepsItsBytes),
    AIDB_CASE(ARegionOfAnotherSizeStartsAgain),
    AIDB_CASE(ARegionIsWholePages),
    AIDB_CASE(TheBootIdStaysTheSame),
    AIDB_CASE(ReplaceFileReplacesAndLeavesNothingBehind),
};
#undef AIDB_CASE

class ConformanceTest : public testing::Test {
 public:
  ConformanceTest(const Case& tested, FileSystemTestRunner run)
      : case_(tested), run_(std::move(run)) {}
  void TestBody() override { run_(case_.body); }

 private:
  const Case& case_;
  const FileSystemTestRunner run_;
};

}  // namespace

bool RegisterFileSystemConformance(const std::string& name, const FileSystemTestRunner& run) {
  for (const Case& tested : kCases) {
    testing::RegisterTest(
        (name + "Conformance").c_str(), tested.name, nullptr, nullptr, __FILE__, __LINE__,
        [&tested, run]() -> ConformanceTest* { return new ConformanceTest(tested, run); });
  }
  return true;
}

}  // namespace aidb::io
