#include "aidb/lsm/sorted_files.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/io/faulty/faulty_file_system.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/testing/status_matchers.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::lsm {
namespace {

namespace fs = std::filesystem;

std::string Shown(const kv::WriteBatch::Operation& operation) {
  std::string text = std::string(operation.key);
  if (operation.kind == kv::OpKind::kDelete) return text + " gone";
  if (operation.kind == kv::OpKind::kDeleteRange)
    return text + " to " + std::string(operation.value);
  text += "=" + std::string(operation.value);
  return kv::Expires(operation.kind) ? text + "@" + std::to_string(operation.expires_at_ms) : text;
}

class SortedFilesTest : public ::testing::Test {
 protected:
  std::string PathOf(std::string_view name) const { return directory_.Join(name); }
  Result<std::unique_ptr<SortedFileWriter>> Create(std::string_view name) {
    const io::Env real = world_.env();
    return SortedFileWriter::Create({files_, real.clock, real.executor, real.random, real.log},
                                    PathOf(name));
  }
  // With the keys `first` to `last`, one digit each.
  void Make(std::string_view name, char first, char last) {
    ASSERT_OK_AND_ASSIGN(const auto writer, Create(name));
    for (char key = first; key <= last; ++key) {
      ASSERT_OK(writer->Put(std::string(1, key), std::string(name)));
    }
    ASSERT_OK(writer->Finish());
  }
  Result<std::vector<kv::IngestedFile>> Verify(const std::vector<std::string>& names) {
    std::vector<std::string> paths;
    for (const std::string& name : names) paths.push_back(PathOf(name));
    return NewSortedFileSource(files_)->Verify(paths);
  }

  testing::TempDirectory directory_;
  io::PosixEnv world_;
  io::FaultyFileSystem files_{world_.env().files};
};

TEST_F(SortedFilesTest, HoldWhatWasPutThere) {
  ASSERT_OK_AND_ASSIGN(const auto writer, Create("a"));
  ASSERT_OK(writer->Put("", "empty key"));
  ASSERT_OK(writer->DeleteRange("b", "d"));
  ASSERT_OK(writer->PutUntil("c", "until", 77));
  ASSERT_OK(writer->Delete("x"));
  ASSERT_OK(writer->DeleteRange("d", "da"));
  ASSERT_OK(writer->DeleteRange("y", "zz"));
  EXPECT_GT(writer->size_bytes(), 0u);
  ASSERT_OK_AND_ASSIGN(const kv::IngestedFile made, writer->Finish());
  EXPECT_EQ(made.path, PathOf("a"));
  EXPECT_EQ(made.entries, 3u);
  EXPECT_EQ(made.range_deletes, 3u);
  EXPECT_EQ(made.first_key, "");
  EXPECT_EQ(made.last_key, "zz");
  EXPECT_EQ(made.size_bytes, fs::file_size(PathOf("a")));

  const auto source = NewSortedFileSource(files_);
  ASSERT_OK_AND_ASSIGN(const auto verified, source->Verify(std::vector{PathOf("a")}));
  ASSERT_EQ(verified.size(), 1u);
  EXPECT_EQ(verified[0], made);
  std::vector<std::string> read;
  ASSERT_OK(source->Read(verified[0], [&](const kv::WriteBatch::Operation& operation) {
    read.push_back(Shown(operation));
    return Status();
  }));
  EXPECT_EQ(read, (std::vector<std::string>{"b to d", "d to da", "y to zz", "=empty key",
                                            "c=until@77", "x gone"}));
}

TEST_F(SortedFilesTest, RefuseWhatIsOutOfOrderAndGoOn) {
  ASSERT_OK_AND_ASSIGN(const auto writer, Create("a"));
  ASSERT_OK(writer->Put("m", "1"));
  EXPECT_FAILS(writer->Put("m", "2"), StatusCode::kInvalidArgument, "\"m\" comes behind \"m\"");
  EXPECT_FAILS(writer->Delete("a"), StatusCode::kInvalidArgument, "\"a\" comes behind \"m\"");
  EXPECT_FAILS(writer->DeleteRange("b", "b"), StatusCode::kInvalidArgument, "holds no key");
  ASSERT_OK(writer->DeleteRange("b", "d"));
  EXPECT_FAILS(writer->DeleteRange("c", "e"), StatusCode::kInvalidArgument, "ends at \"d\"");
  EXPECT_FAILS(writer->Put(std::string(kv::kKeyBytesMax + 1, 'z'), ""),
               StatusCode::kInvalidArgument, "1048577");
  ASSERT_OK(writer->Put(std::string(kv::kKeyBytesMax, 'z'), ""));
  ASSERT_OK_AND_ASSIGN(const kv::IngestedFile made, writer->Finish());
  EXPECT_EQ(made.entries, 2u);
  EXPECT_OK(Verify({"a"}));
}

TEST_F(SortedFilesTest, AreNotThereUnlessTheyWereFinished) {
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, Create("a"));
    ASSERT_OK(writer->Put("k", "v"));
  }
  EXPECT_FALSE(fs::exists(PathOf("a")));
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, Create("a"));
    EXPECT_FAILS(writer->Finish(), StatusCode::kInvalidArgument, "nothing was added");
    EXPECT_FAILS(writer->Put("k", "v"), StatusCode::kInvalidArgument, "nothing was added");
  }
  EXPECT_FALSE(fs::exists(PathOf("a")));
  Make("a", 'a', 'c');
  EXPECT_FAILS(Create("a"), StatusCode::kInvalidArgument, "a");
  EXPECT_OK(Verify({"a"}));
}

TEST_F(SortedFilesTest, AreWholeOrGoneWhicheverCallFails) {
  uint64_t n = 1;
  for (bool hit = true; hit; ++n) {
    ASSERT_LT(n, 100u);
    const uint64_t faults = files_.fault_count();
    files_.FailAt(files_.call_count() + n, {.effect = io::FaultEffect::kErrorBefore});
    Status status;
    {
      auto writer = Create("a");
      status = writer.status();
      if (status.ok()) status = (*writer)->Put("k", "v");
      if (status.ok()) status = (*writer)->Finish().status();
    }
    hit = files_.fault_count() != faults;
    files_.Heal();
    EXPECT_EQ(status.ok(), !hit) << n;
    if (fs::exists(PathOf("a"))) {
      EXPECT_TRUE(status.ok() || !Verify({"a"}).ok() || fs::remove(PathOf("a"))) << n;
    }
    fs::remove(PathOf("a"));
  }
  EXPECT_GT(n, 4u);
}

TEST_F(SortedFilesTest, AreGivenInKeyOrderIfTheyShareNoKey) {
  Make("late", 'n', 'z');
  Make("early", 'a', 'm');
  ASSERT_OK_AND_ASSIGN(const auto verified, Verify({"late", "early"}));
  ASSERT_EQ(verified.size(), 2u);
  EXPECT_EQ(verified[0].path, PathOf("early"));
  Make("over", 'm', 'm');
  const Status status = Verify({"late", "early", "over"}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
  for (const std::string& part : {PathOf("early"), PathOf("over"), std::string("\"a\" to \"m\"")}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status.ToString();
  }
  EXPECT_FAILS(Verify({"late", "late"}), StatusCode::kInvalidArgument, "share keys");
}

TEST_F(SortedFilesTest, ThatAreMissingDamagedOrOthersAreRefusedByName) {
  EXPECT_FAILS(Verify({}), StatusCode::kInvalidArgument, "no file");
  EXPECT_FAILS(Verify({"nowhere"}), StatusCode::kInvalidArgument, PathOf("nowhere"));
  std::ofstream(PathOf("empty")).close();
  EXPECT_FAILS(Verify({"empty"}), StatusCode::kCorruption, PathOf("empty"));
  std::ofstream(PathOf("other")) << std::string(500, 'x');
  EXPECT_FAILS(Verify({"other"}), StatusCode::kCorruption, PathOf("other"));

  Make("good", 'a', 'z');
  std::ifstream in(PathOf("good"), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  for (size_t at = 0; at < bytes.size(); at += 3) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    std::ofstream(PathOf("bad"), std::ios::binary | std::ios::trunc) << damaged;
    const Status status = Verify({"bad"}).status();
    EXPECT_EQ(status.code(), StatusCode::kCorruption) << at << ": " << status.ToString();
    EXPECT_NE(status.message().find(PathOf("bad")), std::string::npos) << status.ToString();
    EXPECT_EQ(status.message().find("aidb repair"), std::string::npos) << status.ToString();
  }
  std::ofstream(PathOf("bad"), std::ios::binary | std::ios::trunc)
      << bytes.substr(0, bytes.size() / 2);
  EXPECT_FAILS(Verify({"bad"}), StatusCode::kCorruption, PathOf("bad"));
}

}  // namespace
}  // namespace aidb::lsm
