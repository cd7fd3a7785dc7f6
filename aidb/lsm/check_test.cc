// CheckStore and DumpFile: they see everything and change nothing.

#include "aidb/lsm/check.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/lsm/dump.h"
#include "aidb/lsm/dump_table.h"
#include "aidb/lsm/file_names.h"
#include "aidb/lsm/open.h"
#include "aidb/testing/seed.h"
#include "aidb/testing/status_matchers.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::lsm {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A store with three tables and a log that holds more.
class CheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    kv::Options options = kv::Options::ForTests();
    options.level0_trigger = 100;  // Tables stay as they were flushed.
    ASSERT_OK_AND_ASSIGN(OpenedStore opened, OpenStore(world_.env(), path(), options));
    store_ = std::move(opened.store);
    for (int i = 0; i < 400; ++i) {
      kv::WriteBatch batch;
      batch.Put("key" + std::to_string(1000 + i),
                std::string(100, static_cast<char>('a' + i % 26)));
      if (i % 7 == 0) batch.Delete("key" + std::to_string(900 + i));
      ASSERT_OK(store_->Write(std::move(batch), {.sync = i == 399}));
      if (i % 100 == 99 && i < 399) {
        ASSERT_OK(store_->Flush());
      }
    }
  }
  void Close() {
    ASSERT_OK(store_->Close());
    store_.reset();
  }
  void Kill() { store_.reset(); }

  std::string path() const { return directory_.Join("store"); }
  CheckReport Check() {
    auto report = CheckStore(world_.env(), path());
    EXPECT_OK(report.status());
    return report.ok() ? *std::move(report) : CheckReport{};
  }
  fs::path AnyFile(FileKind kind) const {
    for (const auto& entry : fs::directory_iterator(path())) {
      const auto name = ParseFileName(entry.path().filename().string());
      if (name && name->kind == kind) return entry.path();
    }
    ADD_FAILURE() << "no file of that kind";
    return {};
  }
  std::map<std::string, std::string> AllFiles() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::directory_iterator(path())) {
      if (entry.is_regular_file()) all[entry.path().filename().string()] = ReadFile(entry.path());
    }
    return all;
  }
  std::string Dump(const fs::path& file) {
    std::string text;
    const Status status = DumpFile(world_.env().files, file.string(), [&](std::string_view line) {
      text.append(line);
      text += '\n';
    });
    EXPECT_OK(status);
    return text;
  }

  testing::TempDirectory directory_;
  io::PosixEnv world_;
  std::unique_ptr<kv::Store> store_;
};

TEST_F(CheckTest, FindsNothingInASoundStoreAndCountsWhatItRead) {
  Close();
  uint64_t done = 0;
  uint64_t total = 0;
  ASSERT_OK_AND_ASSIGN(const CheckReport report,
                       CheckStore(world_.env(), path(), [&](uint64_t now, uint64_t all) {
                         EXPECT_GE(now, done);
                         done = now;
                         total = all;
                       }));
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.tables, 3u);
  EXPECT_EQ(report.log_records, 100u);
  EXPECT_EQ(total, report.bytes);
  EXPECT_LE(done, total);
  EXPECT_GT(done, 0u);
}

TEST_F(CheckTest, FindsNothingAfterAKillAndChangesNothing) {
  Kill();
  const auto before = AllFiles();
  EXPECT_TRUE(Check().ok());
  EXPECT_EQ(Check().log_records, 100u);
  EXPECT_EQ(AllFiles(), before);
}

TEST_F(CheckTest, RefusesAStoreThatIsOpenForWriting) {
  EXPECT_EQ(CheckStore(world_.env(), path()).status().code(), StatusCode::kUnavailable);
}

TEST_F(CheckTest, RefusesADirectoryWithoutAStore) {
  EXPECT_EQ(CheckStore(world_.env(), directory_.path()).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckStore(world_.env(), directory_.Join("nowhere")).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(CheckTest, NamesAMissingTableWithItsKeys) {
  Close();
  const fs::path table = AnyFile(FileKind::kTable);
  fs::remove(table);
  const CheckReport report = Check();
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].file, table.filename());
  EXPECT_NE(report.problems[0].keys_lost.find("key1"), std::string::npos);
}

TEST_F(CheckTest, NamesTheBlockAndTheKeysOfADamagedTable) {
  Close();
  const fs::path table = AnyFile(FileKind::kTable);
  std::string bytes = ReadFile(table);
  bytes[10] ^= 1;
  WriteFile(table, bytes);
  const CheckReport report = Check();
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].file, table.filename());
  EXPECT_EQ(report.problems[0].offset, 0u);
  EXPECT_NE(report.problems[0].keys_lost.find(" to "), std::string::npos);
}

TEST_F(CheckTest, NamesEachOfSeveralDamagedFiles) {
  Close();
  const fs::path log = AnyFile(FileKind::kLog);
  const fs::path table = AnyFile(FileKind::kTable);
  std::string bytes = ReadFile(table);
  bytes[bytes.size() - 3] ^= 1;
  WriteFile(table, bytes);
  WriteFile(log, ReadFile(log).substr(0, 50));
  fs::remove(path() + "/JOURNAL");
  const CheckReport report = Check();
  ASSERT_EQ(report.problems.size(), 2u);
  EXPECT_EQ(report.problems[0].file, table.filename());
  EXPECT_EQ(report.problems[1].file, "JOURNAL");
}

TEST_F(CheckTest, JudgesTheTablesEvenWithoutAManifest) {
  Close();
  WriteFile(path() + "/CURRENT", "nonsense");
  const fs::path table = AnyFile(FileKind::kTable);
  std::string bytes = ReadFile(table);
  bytes[bytes.size() / 2] ^= 1;
  WriteFile(table, bytes);
  const CheckReport report = Check();
  ASSERT_EQ(report.problems.size(), 2u);
  EXPECT_EQ(report.problems[0].file, "CURRENT");
  EXPECT_EQ(report.problems[1].file, table.filename());
}

TEST_F(CheckTest, TellsOfLeftOversAndOfStrangersWithoutCallingThemProblems) {
  Close();
  WriteFile(path() + "/009999.sst", "half a table");
  WriteFile(path() + "/notes.txt", "mine");
  const CheckReport report = Check();
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.notes.size(), 2u);
}

TEST_F(CheckTest, DumpPrintsWhatEachKindOfFileHolds) {
  Close();
  EXPECT_NE(Dump(path() + "/CURRENT").find("manifest MANIFEST-"), std::string::npos);
  EXPECT_NE(Dump(path() + "/JOURNAL").find("generation 1"), std::string::npos);
  EXPECT_NE(Dump(path() + "/ring").find("published"), std::string::npos);
  const std::string manifest = Dump(AnyFile(FileKind::kManifest));
  EXPECT_NE(manifest.find("add table"), std::string::npos) << manifest;
  EXPECT_NE(manifest.find("closed in order"), std::string::npos) << manifest;
  const std::string table = Dump(AnyFile(FileKind::kTable));
  EXPECT_NE(table.find("footer: "), std::string::npos);
  EXPECT_NE(table.find("put \"key"), std::string::npos) << table.substr(0, 600);
  std::string logs;
  for (const auto& [name, bytes] : AllFiles()) {
    if (name.ends_with(".log")) logs += Dump(path() + "/" + name);
  }
  EXPECT_NE(logs.find("OPEN after"), std::string::npos);
  EXPECT_NE(logs.find("put \"key1399\""), std::string::npos) << logs.substr(0, 600);
}

TEST(Dump, SaysWhatARangeDeleteDeletes) {
  EXPECT_EQ(EntryText(OpKind::kDeleteRange, "a", "c", 0),
            "delete from \"a\" up to \"c\", which stays");
}

TEST_F(CheckTest, DumpRefusesWhatIsNoFileOfAStore) {
  WriteFile(path() + "/notes.txt", "mine");
  const auto ignore = [](std::string_view) {};
  EXPECT_EQ(DumpFile(world_.env().files, path() + "/notes.txt", ignore).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(DumpFile(world_.env().files, path() + "/000999.log", ignore).code(),
            StatusCode::kInvalidArgument);
}

TEST_F(CheckTest, DumpAndCheckSurviveAnyBytes) {
  Close();
  const uint64_t seed = testing::SeedFromEnvironmentOr(1);
  SCOPED_TRACE(testing::ReplayLine(seed));
  Rng rng(seed);
  for (const auto& [name, good] : AllFiles()) {
    if (name == "LOCK") continue;
    const std::string sound = Dump(path() + "/" + name);
    for (int i = 0; i < 40; ++i) {
      std::string bad = good;
      for (uint64_t k = rng.Between(1, 8); k > 0; --k) {
        bad[rng.Below(bad.size())] = static_cast<char>(rng.Next());
      }
      if (rng.OneIn(3)) bad.resize(rng.Below(bad.size()));
      WriteFile(path() + "/" + name, bad);
      const std::string text = Dump(path() + "/" + name);
      // A ring and a log have bytes that nobody uses.
      if (text == sound && bad != good) {
        EXPECT_TRUE(name == "ring" || name.ends_with(".log")) << name;
      }
      EXPECT_OK(CheckStore(world_.env(), path()).status());
    }
    WriteFile(path() + "/" + name, good);
  }
}

}  // namespace
}  // namespace aidb::lsm
