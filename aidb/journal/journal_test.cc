#include "aidb/journal/journal.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/journal/journal_for_test.h"

namespace aidb::journal {
namespace {

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

TEST_F(JournalTest, SurvivesAKillAfterALargeRecordThatNobodySynced) {
  ASSERT_OK(Open());
  Append("before");
  // Larger than a quarter of the ring, so it passes by; smaller than the ring.
  Append(std::string(options_.ring_bytes / 2, 'l'));
  Append("behind");
  Kill();
  ASSERT_OK(Open());
  ASSERT_EQ(replayed_.size(), 3u);
  EXPECT_EQ(replayed_[2].size(), options_.ring_bytes / 2);
  EXPECT_EQ(replayed_[3], "behind");
  EXPECT_TRUE(report_.quarantine.empty());
}

TEST_F(JournalTest, KeepsWhatOnlyTheRingHoldsWhenTheRingGetsAnotherSize) {
  for (const uint64_t ring_bytes : {128 << 10, 64 << 10}) {
    ASSERT_OK(Open());
    floor_ = {.number = floor_.number == 0 ? active_ : floor_.number, .first_id = RecordId{1}};
    const RecordId last = Append("only in the ring");
    Kill();
    options_.ring_bytes = ring_bytes;
    ASSERT_OK(Open());
    EXPECT_EQ(replayed_[ToNumber(last)], "only in the ring");
    Kill();
  }
}

TEST_F(JournalTest, TellsThatTheRingIsLost) {
  ASSERT_OK(Open());
  floor_ = {.number = active_, .first_id = RecordId{1}};
  Append("only in the ring");
  Kill();
  const std::string path = directory_.Join("ring");
  const std::string good = ReadFile(path);
  std::string zeroed = good;
  zeroed.replace(0, 4096, 4096, '\0');
  for (const std::string& bad : {std::string(), good.substr(0, 5000), zeroed}) {
    WriteFile(path, bad);
    const Status status = Open();
    EXPECT_EQ(status.code(), StatusCode::kCorruption) << bad.size() << status.ToString();
    EXPECT_NE(status.message().find("ring"), std::string::npos) << status.ToString();
  }
  std::remove(path.c_str());
  EXPECT_EQ(Open().code(), StatusCode::kCorruption);
  WriteFile(path, good);
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), 1u);
}

TEST_F(JournalTest, TellsThatAnOlderCopyOfTheRingWasPutBack) {
  ASSERT_OK(Open());
  floor_ = {.number = active_, .first_id = RecordId{1}};
  Append("early");
  EXPECT_OK(journal_->Flush(Instant::Never()));
  const std::string early = ReadFile(directory_.Join("ring"));
  for (int i = 0; i < 3; ++i) Append("later");
  EXPECT_OK(journal_->Flush(Instant::Never()));
  Append("only in the ring");
  Kill();
  WriteFile(directory_.Join("ring"), early);
  const Status status = Open();
  EXPECT_EQ(status.code(), StatusCode::kCorruption) << status.ToString();
  EXPECT_NE(status.message().find("stale copy of the ring"), std::string::npos);
}

// The owner has stored everything in front of the new file: nothing else is left to contradict.
TEST_F(JournalTest, TellsThatAnOlderCopyOfTheRingKnowsNotTheFloor) {
  ASSERT_OK(Open());
  Append("early");
  const std::string early = ReadFile(directory_.Join("ring"));
  ASSERT_OK_AND_ASSIGN(const uint64_t next, journal_->Roll(Instant::Never()));
  floor_ = {.number = next, .first_id = RecordId{2}};
  EXPECT_OK(journal_->Flush(Instant::Never()));
  Append("only in the ring");
  Kill();
  std::remove(LogPath(active_).c_str());
  const std::string newest = ReadFile(directory_.Join("ring"));
  WriteFile(directory_.Join("ring"), early);
  EXPECT_FAILS(Open(), StatusCode::kCorruption, "a stale copy of the ring");
  WriteFile(directory_.Join("ring"), newest);
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_, (std::map<uint64_t, std::string>{{2, "only in the ring"}}));
}

TEST_F(JournalTest, RefusesARecordAboveItsLimit) {
  ASSERT_OK(Open());
  EXPECT_FAILS(journal_->Append({.payload = std::string((1 << 20) + 1, 'x')}, Instant::Never()),
               StatusCode::kInvalidArgument,
               "1048577 bytes is above the limit of 1048576; split it");
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

TEST_F(JournalTest, KeepsRecordsOfManySmallFilesThroughAKill) {
  options_.file_bytes = 300;  // More files than the ring's table names.
  ASSERT_OK(Open());
  for (int i = 1; i <= 60; ++i) Append("record " + std::to_string(i));
  Kill();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), 60u);
  EXPECT_EQ(replayed_[60], "record 60");
}

TEST_F(JournalTest, KeepsALargeRecordOfTheAsyncStrategyThroughAKill) {
  ASSERT_OK(Open());
  Append("before");
  Append(std::string(20'000, 'l'));  // Above a quarter of the ring, and less than all of it.
  Append("after");
  Kill();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), 3u);
  EXPECT_EQ(replayed_[2], std::string(20'000, 'l'));
}

TEST_F(JournalTest, TakesOverARingOfAnotherSize) {
  for (const uint64_t ring_bytes : {64 << 10, 128 << 10, 64 << 10}) {
    options_.ring_bytes = ring_bytes;
    ASSERT_OK(Open());
    Append("record");
    Kill();
  }
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), 3u);
}

TEST_F(JournalTest, TakesOverTheRingWhereItCannotBeMappedAnyMore) {
  ASSERT_OK(Open());
  Append("one");
  Kill();
  files_.FailMatching(io::CallKind::kOpenRegion, "ring", 1,
                      {.code = StatusCode::kResourceExhausted});
  ASSERT_OK(Open());
  EXPECT_FALSE(journal_->stats().ring_survives_kill);
  EXPECT_EQ(replayed_.size(), 1u);
}

TEST_F(JournalTest, WritesBeforeItAcknowledgesWithoutASharedRing) {
  files_.FailMatching(
      io::CallKind::kOpenRegion, "ring", 1,
      {.code = StatusCode::kResourceExhausted, .repeat = io::FaultRepeat::kForEver});
  for (const FlushStrategy& strategy : {FlushStrategy::Async(), FlushStrategy::Batched(3),
                                        FlushStrategy::Periodic(std::chrono::milliseconds(1))}) {
    options_.strategy = strategy;
    ASSERT_OK(Open());
    const size_t before = replayed_.size();
    const RecordId base = journal_->published_id();
    for (int i = 0; i < 20; ++i) Append("record");
    EXPECT_EQ(journal_->published_id(), base + 20);
    EXPECT_GE(ReadFile(LogPath(active_)).size(), 20 * ToyFraming::kHeaderBytes);
    Append(std::string(20'000, 'l'));
    Kill();
    std::remove(directory_.Join("ring").c_str());
    ASSERT_OK(Open());
    EXPECT_EQ(replayed_.size(), before + 21);
    Kill();
  }
}

TEST_F(JournalTest, SaysWhenNothingHoldsARecordButThisProcess) {
  files_.FailMatching(io::CallKind::kOpenRegion, "ring", 1,
                      {.code = StatusCode::kResourceExhausted});
  ASSERT_OK(Open());
  EXPECT_EQ(Append("one"), RecordId{1});
  files_.FailMatching(
      io::CallKind::kWrite, ".log", 1,
      {.code = StatusCode::kResourceExhausted, .repeat = io::FaultRepeat::kForEver});
  ASSERT_OK_AND_ASSIGN(const auto appended, journal_->Append({.payload = "two"}, Instant::Never()));
  EXPECT_FALSE(journal_->Publish(appended));
  EXPECT_FAILS(journal_->health(), StatusCode::kResourceExhausted, "injected");
  EXPECT_FAILS(journal_->Append({.payload = "three"}, Instant::Never()),
               StatusCode::kResourceExhausted, "injected");
  files_.Heal();
  Result<Journal::Appended> again = journal_->Append({.payload = "three"}, Instant::Never());
  while (!again.ok()) again = journal_->Append({.payload = "three"}, Instant::Never());
  EXPECT_EQ(again->first_id, RecordId{3});
  EXPECT_TRUE(journal_->Publish(*again));
  Kill();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), 3u);
}

TEST_F(JournalTest, LaysOutNoMoreZerosThanTheFileBeforeCameToHold) {
  ASSERT_OK(Open());
  ASSERT_OK(journal_->WaitDurable(Append("synced"), Instant::Never()));
  ASSERT_OK_AND_ASSIGN(const uint64_t second, journal_->Roll(Instant::Never()));
  EXPECT_EQ(ReadFile(LogPath(second)).size(), size_t{64} << 10);
  // Asked for while the one before grows, it is laid out to its end.
  while (journal_->active_offset() <= options_.file_bytes / 4) Append(std::string(1000, 'r'));
  Append("asks for the next file");
  ASSERT_OK_AND_ASSIGN(const uint64_t third, journal_->Roll(Instant::Never()));
  EXPECT_EQ(ReadFile(LogPath(third)).size(), options_.file_bytes);
}

TEST_F(JournalTest, GivesBackWhatItHadLaidOutWhenItCloses) {
  ASSERT_OK(Open());
  ASSERT_OK(journal_->WaitDurable(Append("synced"), Instant::Never()));
  ASSERT_OK_AND_ASSIGN(const uint64_t active, journal_->Roll(Instant::Never()));
  ASSERT_OK(journal_->WaitDurable(Append("behind zeros"), Instant::Never()));
  ASSERT_GT(ReadFile(LogPath(active)).size(), journal_->active_offset());
  while (journal_->active_offset() <= options_.file_bytes / 4) Append(std::string(1000, 'r'));
  const std::string next = LogPath(active + 1);
  Append("asks for the next file");
  while (!*files_.Exists(next)) std::this_thread::yield();
  ASSERT_OK_AND_ASSIGN(const DurableEnd end, journal_->Close());
  EXPECT_EQ(end.number, active);
  EXPECT_EQ(ReadFile(LogPath(active)).size(), end.offset);
  EXPECT_FALSE(*files_.Exists(next));
  const uint64_t records = ToNumber(journal_->published_id());
  Kill();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), records);
}

TEST_F(JournalTest, TakesRecordsUpToEachLimit) {
  ASSERT_OK(Open());
  const size_t quarter = options_.ring_bytes / 4 - ToyFraming::kHeaderBytes;
  const std::vector<size_t> sizes = {0, quarter - 1, quarter, quarter + 1,
                                     options_.record_bytes_max};
  for (const size_t size : sizes) Append(std::string(size, 's'));
  EXPECT_FAILS(journal_->Append({.payload = std::string(options_.record_bytes_max + 1, 's')},
                                Instant::Never()),
               StatusCode::kInvalidArgument, "above the limit");
  Kill();
  ASSERT_OK(Open());
  ASSERT_EQ(replayed_.size(), sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) EXPECT_EQ(replayed_[i + 1].size(), sizes[i]);
}

TEST_F(JournalTest, HoldsBackAppendersWhenAllSlotsAreTaken) {
  ASSERT_OK(Open());
  std::vector<Journal::Appended> open;
  while (true) {
    const auto appended = journal_->Append({.payload = "x"}, posix_.env().clock.Now());
    if (!appended.ok()) {
      EXPECT_FAILS(appended, StatusCode::kResourceExhausted, "the log is full");
      break;
    }
    open.push_back(*appended);
  }
  EXPECT_EQ(open.size(), 1022u);  // 1,024 slots, two of them for the ends of files.
  std::reverse(open.begin() + 1, open.end());
  std::vector<std::thread> publishers;
  for (size_t i = 1; i < open.size(); ++i) {
    publishers.emplace_back([this, one = open[i]] { EXPECT_TRUE(journal_->Publish(one)); });
  }
  EXPECT_EQ(journal_->published_id(), RecordId{0});  // The first is missing.
  EXPECT_TRUE(journal_->Publish(open[0]));
  for (std::thread& publisher : publishers) publisher.join();
  EXPECT_EQ(journal_->published_id(), open.front().last_id + 1021);
  EXPECT_EQ(Append("next"), RecordId{1023});
}

TEST_F(JournalTest, UndoesNothingWhenADeadlinePasses) {
  ASSERT_OK(Open());
  ASSERT_OK_AND_ASSIGN(const auto first, journal_->Append({.payload = "x"}, Instant::Never()));
  std::vector<Journal::Appended> rest;
  const std::string filler(8'000, 'f');
  while (true) {  // Nothing is published, so nothing can be written and the ring fills.
    const auto appended = journal_->Append({.payload = filler}, posix_.env().clock.Now());
    if (!appended.ok()) break;
    rest.push_back(*appended);
  }
  EXPECT_FAILS(journal_->Append({.payload = filler}, posix_.env().clock.Now()),
               StatusCode::kResourceExhausted, "the log is full");
  std::thread publisher([&] {
    for (const auto& one : rest) EXPECT_TRUE(journal_->Publish(one));
  });
  EXPECT_TRUE(journal_->Publish(first));
  publisher.join();
  EXPECT_EQ(Append(filler), RecordId{rest.size() + 2});
}

TEST_F(JournalTest, SyncsOnceForManyWaiters) {
  ASSERT_OK(Open());
  for (int i = 0; i < 64; ++i) Append("record");
  std::vector<std::thread> waiters;
  for (uint64_t i = 1; i <= 64; ++i) {
    waiters.emplace_back(
        [this, i] { EXPECT_OK(journal_->WaitDurable(RecordId{i}, Instant::Never())); });
  }
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(journal_->stats().syncs, 1u);
  EXPECT_EQ(journal_->durable_id(), RecordId{64});
}

TEST_F(JournalTest, SyncsOldFilesWhenTheirOwnerNeverRetiresThem) {
  options_.file_bytes = 400;
  ASSERT_OK(Open());
  for (int i = 0; i < 200; ++i) Append("record " + std::to_string(i));
  EXPECT_GT(journal_->stats().syncs, 0u);
  EXPECT_GT(journal_->durable_id(), RecordId{100});
}

TEST_F(JournalTest, ALargeBatchBeyondTheStrategysCountStopsNobody) {
  options_.strategy = FlushStrategy::Batched(2);
  ASSERT_OK(Open());
  Append(std::string(20'000, 'l'), 1'000);
  EXPECT_EQ(Append("next"), RecordId{1'001});
  Append("small batch", 500);
  EXPECT_EQ(Append("next"), RecordId{1'502});
}

TEST_F(JournalTest, ClosesWhileAppendersAndWaitersAreInFlight) {
  options_.strategy = FlushStrategy::BatchedOrPeriodic(8, std::chrono::milliseconds(1));
  ASSERT_OK(Open());
  std::atomic<uint64_t> acknowledged{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (true) {
        const auto appended = journal_->Append({.payload = "record"}, Instant::Never());
        if (!appended.ok()) {
          EXPECT_FAILS(appended, StatusCode::kUnavailable, "closed");
          return;
        }
        EXPECT_TRUE(journal_->Publish(*appended));
        EXPECT_OK(journal_->WaitDurable(appended->last_id, Instant::Never()));
        acknowledged.fetch_add(1);
      }
    });
  }
  while (acknowledged.load() < 50) std::this_thread::yield();
  ASSERT_OK_AND_ASSIGN(const DurableEnd end, journal_->Close());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ToNumber(journal_->durable_id()), acknowledged.load());
  floor_ = {.number = 1, .first_id = RecordId{1}, .clean_end = end};
  Kill();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), acknowledged.load());
}

}  // namespace
}  // namespace aidb::journal
