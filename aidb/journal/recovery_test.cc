// What recovery makes of a directory that is not as it was left.

#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "aidb/journal/journal_for_test.h"
#include "aidb/journal/replay.h"

namespace aidb::journal {
namespace {

using RecoveryTest = JournalTest;

TEST_F(RecoveryTest, NamesAMissingFile) {
  ASSERT_OK(Open());
  Append("one");
  Kill();
  floor_ = {.number = active_, .first_id = RecordId{1}};
  std::remove(LogPath(active_).c_str());
  EXPECT_FAILS(Open(), StatusCode::kCorruption, "000001.log: is missing");
}

TEST_F(RecoveryTest, SeesEveryFlippedBitOfSyncedRecordsAndCutsNothing) {
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

TEST_F(RecoveryTest, TakesATailGarbledAnywhereAsTorn) {
  ASSERT_OK(Open());
  for (int i = 0; i < 3; ++i) Append("durable");
  EXPECT_OK(journal_->Flush(Instant::Never()));
  const uint64_t durable = journal_->active_offset();
  for (int i = 0; i < 3; ++i) Append("not durable");
  const uint64_t end = journal_->active_offset();
  EXPECT_OK(journal_->Flush(Instant::Never()));
  Kill();
  const std::string good = ReadFile(LogPath(active_)).substr(0, end);
  ASSERT_OK_AND_ASSIGN(std::optional<Identity> identity, ReadIdentity(files_, directory_.path()));
  ++identity->boot_hash;  // Another boot, and the ring never got out.
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
      ASSERT_OK(WriteIdentity(files_, directory_.path(), *identity));
      std::remove(directory_.Join("ring").c_str());
      ASSERT_OK(Open()) << cut << garbled;
      EXPECT_GE(replayed_.size(), 3u);
      EXPECT_LE(replayed_.size(), 6u);
      Kill();
    }
  }
}

TEST_F(RecoveryTest, RefusesWhenAFileInTheMiddleIsMissing) {
  ASSERT_OK(Open());
  Append("one");
  ASSERT_OK_AND_ASSIGN(const uint64_t second, journal_->Roll(Instant::Never()));
  Append("two");
  EXPECT_OK(journal_->Flush(Instant::Never()));
  ASSERT_OK(journal_->Roll(Instant::Never()));
  Append("three");
  ASSERT_OK(journal_->Close());
  Kill();
  std::remove(LogPath(second).c_str());
  EXPECT_FAILS(Open(), StatusCode::kCorruption, names_.NameOf(second));
}

TEST_F(RecoveryTest, RefusesWhenTheLastFileIsMissing) {
  ASSERT_OK(Open());
  Append("one");
  ASSERT_OK_AND_ASSIGN(const uint64_t second, journal_->Roll(Instant::Never()));
  Append("two");
  ASSERT_OK_AND_ASSIGN(const DurableEnd end, journal_->Close());
  Kill();
  floor_ = {.number = 1, .first_id = RecordId{1}, .clean_end = end};
  std::remove(LogPath(second).c_str());
  EXPECT_FAILS(Open(), StatusCode::kCorruption, "is missing");
}

TEST_F(RecoveryTest, RefusesLogsWithoutAnIdentity) {
  ASSERT_OK(Open());
  Append("one");
  Kill();
  std::remove(directory_.Join("JOURNAL").c_str());
  EXPECT_FAILS(Open(), StatusCode::kCorruption, "JOURNAL: is missing");
  EXPECT_TRUE(std::filesystem::exists(LogPath(active_)));
}

TEST_F(RecoveryTest, PassesOverWhatTheOwnerHoldsElsewhere) {
  ASSERT_OK(Open());
  for (int i = 1; i <= 5; ++i) Append("record " + std::to_string(i));
  Kill();
  floor_ = {.number = 1, .first_id = RecordId{4}};
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_, (std::map<uint64_t, std::string>{{4, "record 4"}, {5, "record 5"}}));
  Kill();
  floor_.first_id = RecordId{9};  // The log lost 6 to 8, and the owner has them.
  ASSERT_OK(Open());
  EXPECT_TRUE(replayed_.empty());
  EXPECT_EQ(Append("nine"), RecordId{9});
  Kill();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_, (std::map<uint64_t, std::string>{{9, "nine"}}));
}

TEST_F(RecoveryTest, RefusesAGapInFrontOfTheFirstRecord) {
  ASSERT_OK(Open());
  Append("one", 5);
  ASSERT_OK_AND_ASSIGN(const uint64_t second, journal_->Roll(Instant::Never()));
  Append("two");
  Kill();
  floor_ = {.number = second, .first_id = RecordId{3}};
  EXPECT_FAILS(Open(), StatusCode::kCorruption, "begins at offset 57 with id 6, 3 expected");
}

TEST_F(RecoveryTest, SeesEveryFlippedBitOfTheIdentity) {
  ASSERT_OK(Open());
  Append("one");
  Kill();
  const std::string path = directory_.Join("JOURNAL");
  const std::string good = ReadFile(path);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    WriteFile(path, bad);
    const Status status = Open();
    ASSERT_FALSE(status.ok()) << "bit " << bit;
    ASSERT_NE(status.message().find("JOURNAL"), std::string::npos) << status.ToString();
  }
}

// A flipped bit may hit a word that nothing depends on; then all is there. Else it is seen.
TEST_F(RecoveryTest, LosesNothingSilentlyWhenABitOfTheRingFlips) {
  ASSERT_OK(Open());
  for (int i = 0; i < 5; ++i) Append("record " + std::to_string(i));
  Kill();
  std::map<std::string, std::string> good;
  for (const auto& item : std::filesystem::directory_iterator(directory_.path())) {
    if (item.is_regular_file()) good[item.path()] = ReadFile(item.path());
  }
  const std::string ring = directory_.Join("ring");
  size_t refused = 0;
  for (size_t byte = 0; byte < 4096 + 400; byte += byte < 704 ? 1 : 5) {
    if (byte == 64) byte = 512;
    for (const auto& item : std::filesystem::directory_iterator(directory_.path())) {
      if (!good.contains(item.path())) std::filesystem::remove_all(item.path());
    }
    for (const auto& [path, bytes] : good) WriteFile(path, bytes);
    // As if no byte had been written out: only the ring has the records.
    WriteFile(LogPath(1), "");
    std::string bad = good[ring];
    for (const size_t written_and_durable : {576u, 640u}) {
      for (size_t slot = 0; slot < 32; slot += 16) {
        const uint64_t zero = 0;
        const uint64_t check = ~zero ^ LoadLe<uint64_t>(bad.data() + 48);
        StoreLe(bad.data() + written_and_durable + slot, zero);
        StoreLe(bad.data() + written_and_durable + slot + 8, check);
      }
    }
    bad[byte] = static_cast<char>(bad[byte] ^ (1 << (byte % 8)));
    WriteFile(ring, bad);
    const Status status = Open();
    if (!status.ok()) {
      ++refused;
      ASSERT_EQ(
          status.code() == StatusCode::kCorruption || status.code() == StatusCode::kInvalidArgument,
          true)
          << status.ToString();
      continue;
    }
    const bool other_boot = byte >= 32 && byte < 40;
    if (!other_boot) {
      ASSERT_EQ(replayed_.size(), 5u) << "byte " << byte;
    }
    for (const auto& [id, payload] : replayed_) {
      ASSERT_EQ(payload, "record " + std::to_string(id - 1)) << "byte " << byte;
    }
    Kill();
  }
  EXPECT_GT(refused, 50u);
}

TEST_F(RecoveryTest, RefusesAStaleIdentityAndAStaleRing) {
  ASSERT_OK(Open());
  Append("one");
  Kill();
  const std::string old_identity = ReadFile(directory_.Join("JOURNAL"));
  const std::string old_ring = ReadFile(directory_.Join("ring"));
  ASSERT_OK(Open());
  Append("two");
  EXPECT_OK(journal_->Flush(Instant::Never()));
  Kill();
  const std::string identity = ReadFile(directory_.Join("JOURNAL"));
  WriteFile(directory_.Join("JOURNAL"), old_identity);
  EXPECT_FAILS(Open(), StatusCode::kCorruption, "a stale copy");
  WriteFile(directory_.Join("JOURNAL"), identity);
  WriteFile(directory_.Join("ring"), old_ring);
  EXPECT_FAILS(Open(), StatusCode::kCorruption, "is of generation 1 at offset 48, JOURNAL says 2");

  // After a power cut an old ring is what one would find.
  ASSERT_OK_AND_ASSIGN(std::optional<Identity> other, ReadIdentity(files_, directory_.path()));
  ++other->boot_hash;
  ASSERT_OK(WriteIdentity(files_, directory_.path(), *other));
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_, (std::map<uint64_t, std::string>{{1, "one"}, {2, "two"}}));
  ASSERT_EQ(report_.notes.size(), 1u);
  EXPECT_NE(report_.notes[0].find("as after a power cut"), std::string::npos);
}

TEST_F(RecoveryTest, RefusesAStaleCopyOfALogFileThatLacksDurableRecords) {
  ASSERT_OK(Open());
  Append("one");
  EXPECT_OK(journal_->Flush(Instant::Never()));
  const std::string stale = ReadFile(LogPath(active_));
  Append("two");
  ASSERT_OK_AND_ASSIGN(const DurableEnd end, journal_->Close());
  Kill();
  floor_ = {.number = active_, .first_id = RecordId{1}, .clean_end = end};
  WriteFile(LogPath(active_), stale);
  EXPECT_FAILS(Open(), StatusCode::kCorruption, "000001.log");
}

TEST_F(RecoveryTest, RemovesWhatAReDriveLeftUnderItsTemporaryName) {
  ASSERT_OK(Open());
  Append("one");
  Kill();
  WriteFile(directory_.Join("000007.log.tmp"), "half");
  WriteFile(directory_.Join("notes.tmp"), "not ours");
  ASSERT_OK(Open());
  EXPECT_FALSE(std::filesystem::exists(directory_.Join("000007.log.tmp")));
  EXPECT_TRUE(std::filesystem::exists(directory_.Join("notes.tmp")));
}

TEST_F(RecoveryTest, LeavesAJournalThatItReplaysAsItWas) {
  ASSERT_OK(Open());
  Append("one");
  ASSERT_OK(journal_->Roll(Instant::Never()));
  Append("two", 2);
  ASSERT_OK_AND_ASSIGN(const DurableEnd end, journal_->Close());
  Kill();
  floor_ = {.number = 1, .first_id = RecordId{1}, .clean_end = end};
  const auto state = [&] {
    std::map<std::string, std::string> files;
    for (const auto& item : std::filesystem::directory_iterator(directory_.path())) {
      files[item.path()] = ReadFile(item.path());
    }
    return files;
  };
  const auto before = state();
  uint64_t records = 0;
  const auto next = ReplayClosed(posix_.env(), framing_, names_, options_, floor_,
                                 [&](uint64_t, RecordId, uint32_t, std::string_view) {
                                   ++records;
                                   return Status();
                                 });
  ASSERT_OK(next);
  EXPECT_EQ(*next, RecordId{4});
  EXPECT_EQ(records, 2u);
  EXPECT_EQ(state(), before);
}

}  // namespace
}  // namespace aidb::journal
