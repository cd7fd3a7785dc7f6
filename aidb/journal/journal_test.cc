#include "aidb/journal/journal.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/io/faulty/faulty_file_system.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/journal/numbered_files_for_test.h"
#include "aidb/journal/toy_framing.h"
#include "aidb/testing/status_matchers.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::journal {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void WriteFile(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<long>(bytes.size()));
}

// A journal in a directory, opened again and again.
class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    options_.directory = directory_.path();
    options_.ring_bytes = 64 << 10;
    options_.file_bytes = 256 << 10;
    options_.record_bytes_max = 1 << 20;
  }

  Status Open() {
    replayed_.clear();
    auto opened = Journal::Open(
        {files_, posix_.env().clock, posix_.env().executor, posix_.env().random, log_}, framing_,
        names_, options_, floor_,
        [&](uint64_t, RecordId first, uint32_t ids, std::string_view payload) -> Status {
          for (uint32_t i = 0; i < ids; ++i) replayed_[ToNumber(first) + i] = payload;
          return {};
        });
    AIDB_RETURN_IF_ERROR(opened.status());
    journal_ = std::move(opened->journal);
    report_ = std::move(opened->report);
    active_ = opened->active_number;
    return {};
  }
  // The process dies: no Close, nothing synced.
  void Kill() { journal_.reset(); }

  RecordId Append(std::string_view payload, uint32_t ids = 1) {
    auto appended = journal_->Append({.payload = payload, .ids = ids}, Instant::Never());
    EXPECT_OK(appended);
    if (!appended.ok()) return RecordId{0};
    journal_->Publish(*appended);
    return appended->last_id;
  }
  std::string LogPath(uint64_t number) const { return directory_.Join(names_.NameOf(number)); }

  testing::TempDirectory directory_;
  io::PosixEnv posix_;
  io::FaultyFileSystem files_{posix_.env().files};
  NullLogger log_;
  ToyFraming framing_;
  NumberedFiles names_{1};
  JournalOptions options_;
  RecoveryFloor floor_;
  std::unique_ptr<Journal> journal_;
  RecoveryReport report_;
  uint64_t active_ = 0;
  std::map<uint64_t, std::string> replayed_;
};

TEST_F(JournalTest, GivesBackWhatItTookAfterAKill) {
  ASSERT_OK(Open());
  EXPECT_EQ(Append("one"), RecordId{1});
  EXPECT_EQ(Append("two and three", 2), RecordId{3});
  EXPECT_EQ(journal_->published_id(), RecordId{3});
  Kill();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_, (std::map<uint64_t, std::string>{
                           {1, "one"}, {2, "two and three"}, {3, "two and three"}}));
  EXPECT_EQ(Append("four"), RecordId{4});
  Kill();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), 4u);
}

TEST_F(JournalTest, KeepsManyRecordsAcrossFilesLapsAndKills) {
  std::map<uint64_t, std::string> model;
  for (int life = 0; life < 5; ++life) {
    ASSERT_OK(Open());
    ASSERT_EQ(replayed_, model);
    for (int i = 0; i < 3'000; ++i) {
      const std::string payload(static_cast<size_t>(i % 700), static_cast<char>('a' + i % 26));
      model[ToNumber(Append(payload))] = payload;
      if (i % 1000 == 500) {
        EXPECT_OK(journal_->Flush(Instant::Never()));
      }
    }
    Kill();
  }
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_, model);
  EXPECT_FALSE(report_.cut_anything());
}

TEST_F(JournalTest, WritesLargeRecordsPastTheRing) {
  ASSERT_OK(Open());
  const std::string large(500'000, 'x');
  Append("before");
  Append(large);
  Append("after");
  EXPECT_OK(journal_->Flush(Instant::Never()));
  EXPECT_EQ(journal_->durable_id(), RecordId{3});
  Kill();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), 3u);
  EXPECT_EQ(replayed_[2], large);
}

TEST_F(JournalTest, RefusesARecordAboveItsLimit) {
  ASSERT_OK(Open());
  EXPECT_FAILS(journal_->Append({.payload = std::string((1 << 20) + 1, 'x')}, Instant::Never()),
               StatusCode::kInvalidArgument, "1048577");
  EXPECT_EQ(Append("next"), RecordId{1});
}

TEST_F(JournalTest, RollsOnDemandAndRetiresOldFiles) {
  ASSERT_OK(Open());
  Append("one");
  ASSERT_OK_AND_ASSIGN(const uint64_t second, journal_->Roll(Instant::Never()));
  EXPECT_GT(second, active_);
  Append("two");
  journal_->Retire(second);
  EXPECT_GE(journal_->durable_id(), RecordId{1});
  Kill();
  floor_ = {.number = second, .first_id = RecordId{2}};
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_, (std::map<uint64_t, std::string>{{2, "two"}}));
}

TEST_F(JournalTest, NamesAMissingFile) {
  ASSERT_OK(Open());
  Append("one");
  Kill();
  floor_ = {.number = active_, .first_id = RecordId{1}};
  std::remove(LogPath(active_).c_str());
  EXPECT_FAILS(Open(), StatusCode::kCorruption, "000001.log: is missing");
}

TEST_F(JournalTest, SeesEveryFlippedBitOfSyncedRecordsAndCutsNothing) {
  ASSERT_OK(Open());
  for (int i = 0; i < 5; ++i) Append("record " + std::to_string(i));
  ASSERT_OK_AND_ASSIGN(const DurableEnd end, journal_->Close());
  Kill();
  floor_ = {.number = active_, .first_id = RecordId{1}, .clean_end = end};
  const std::string path = LogPath(active_);
  const std::string good = ReadFile(path);
  for (size_t bit = 0; bit < end.offset * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    WriteFile(path, bad);
    const Status status = Open();
    ASSERT_FALSE(status.ok()) << "bit " << bit;
    ASSERT_NE(status.message().find("000001.log"), std::string::npos) << status.ToString();
    ASSERT_EQ(ReadFile(path), bad) << "bit " << bit;
  }
}

TEST_F(JournalTest, TakesATailGarbledAnywhereAsTorn) {
  ASSERT_OK(Open());
  for (int i = 0; i < 3; ++i) Append("durable");
  EXPECT_OK(journal_->Flush(Instant::Never()));
  const uint64_t durable = journal_->active_offset();
  for (int i = 0; i < 3; ++i) Append("not durable");
  const uint64_t end = journal_->active_offset();
  EXPECT_OK(journal_->Flush(Instant::Never()));
  Kill();
  const std::string good = ReadFile(LogPath(active_)).substr(0, end);
  const std::string identity = ReadFile(directory_.Join("JOURNAL"));
  for (uint64_t cut = durable; cut < end; cut += 3) {
    for (const bool garbled : {false, true}) {
      std::string bad = good.substr(0, cut);
      if (garbled) bad.append(end - cut, '\xA5');
      for (const auto& [number, unused] : std::map<int, int>{{2, 0}, {3, 0}, {4, 0}}) {
        std::remove(LogPath(static_cast<uint64_t>(number)).c_str());
      }
      names_.~NumberedFiles();
      new (&names_) NumberedFiles(2);
      WriteFile(LogPath(1), bad);
      WriteFile(directory_.Join("JOURNAL"), identity);
      std::remove(directory_.Join("ring").c_str());  // Another boot, and the ring never got out.
      ASSERT_OK(Open()) << cut << garbled;
      EXPECT_GE(replayed_.size(), 3u);
      EXPECT_LE(replayed_.size(), 6u);
      Kill();
    }
  }
}

TEST_F(JournalTest, DrivesRecordsToANewFileWhenASyncFails) {
  ASSERT_OK(Open());
  Append("one");
  EXPECT_OK(journal_->Flush(Instant::Never()));
  files_.FailMatching(io::CallKind::kSyncData, "000001.log", 1, {});
  Append("two");
  Append("three");
  EXPECT_OK(journal_->Flush(Instant::Never()));
  EXPECT_EQ(journal_->durable_id(), RecordId{3});
  EXPECT_EQ(journal_->stats().redrives, 1u);
  Append("four");
  EXPECT_OK(journal_->Flush(Instant::Never()));
  EXPECT_EQ(files_.syncs_after_failure(), 0u);
  Kill();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), 4u);
  EXPECT_EQ(replayed_[4], "four");
}

TEST_F(JournalTest, StopsForGoodWhenTheReDriveFailsToo) {
  ASSERT_OK(Open());
  Append("one");
  files_.FailMatching(io::CallKind::kSyncData, ".log", 1, {});
  files_.FailMatching(io::CallKind::kSyncAll, ".log", 1, {});
  EXPECT_FAILS(journal_->Flush(Instant::Never()), StatusCode::kIoError, "not yet durable");
  EXPECT_FAILS(journal_->Append({.payload = "two"}, Instant::Never()), StatusCode::kUnavailable,
               "reopen");
  Kill();
  files_.Heal();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), 1u);
}

TEST_F(JournalTest, TakesRecordsFromManyThreadsInOneOrder) {
  options_.strategy = FlushStrategy::Batched(100);
  ASSERT_OK(Open());
  constexpr int kThreads = 8;
  constexpr int kEach = 2'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const RecordId id = Append(std::to_string(t) + ":" + std::to_string(i));
        if (i % 100 == 0) {
          EXPECT_OK(journal_->WaitDurable(id, Instant::Never()));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Kill();
  ASSERT_OK(Open());
  ASSERT_EQ(replayed_.size(), static_cast<size_t>(kThreads * kEach));
  std::map<std::string, int> last;
  for (const auto& [id, payload] : replayed_) {
    const size_t colon = payload.find(':');
    int& seen = last.try_emplace(payload.substr(0, colon), -1).first->second;
    EXPECT_EQ(std::stoi(payload.substr(colon + 1)), seen + 1);
    ++seen;
  }
}

}  // namespace
}  // namespace aidb::journal
