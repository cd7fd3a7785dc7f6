#include "aidb/journal/tail.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/journal/journal_for_test.h"

namespace aidb::journal {
namespace {

using std::chrono::hours;

constexpr Duration kAtOnce{0};

class TailTest : public JournalTest {
 protected:
  std::unique_ptr<Tail> Follow(uint64_t after, const TailOptions& options = {}) {
    auto tail = journal_->Follow(RecordId{after}, options);
    EXPECT_OK(tail);
    return tail.ok() ? *std::move(tail) : nullptr;
  }
  // "first+ids:payload", "none" or the error.
  static std::string Next(Tail& tail, Duration wait = kAtOnce) {
    const auto record = tail.Next(wait);
    if (!record.ok()) return record.status().ToString();
    if (!*record) return "none";
    return std::to_string(ToNumber((*record)->first_id)) + "+" + std::to_string((*record)->ids) +
           ":" + std::string((*record)->payload);
  }
  // Reads on to `last`, whose payloads are `PayloadOf`'s.
  static void ExpectUpTo(Tail& tail, uint64_t last) {
    while (ToNumber(tail.next_id()) <= last) {
      const uint64_t id = ToNumber(tail.next_id());
      ASSERT_EQ(Next(tail, hours(1)), std::to_string(id) + "+1:" + PayloadOf(id));
    }
  }
  // Succeeds once the next file has been prepared.
  uint64_t RollOnAFullDisk() {
    while (true) {
      const auto number = journal_->Roll(Instant::Never());
      if (number.ok()) return *number;
      EXPECT_EQ(number.status().code(), StatusCode::kResourceExhausted);
    }
  }
  static std::string PayloadOf(uint64_t id) {
    return std::to_string(id) + std::string(id * 37 % 700, static_cast<char>('a' + id % 26));
  }
  void AppendTo(uint64_t last) {
    while (ToNumber(journal_->published_id()) < last) {
      Append(PayloadOf(ToNumber(journal_->published_id()) + 1));
    }
  }
};

TEST_F(TailTest, GivesWhatWasAppendedInOrderAndThenWhatComes) {
  ASSERT_OK(Open());
  Append("one");
  Append("two and three", 2);
  const auto tail = Follow(0);
  EXPECT_EQ(Next(*tail), "1+1:one");
  EXPECT_EQ(Next(*tail), "2+2:two and three");
  EXPECT_EQ(Next(*tail), "none");
  Append("four");
  EXPECT_EQ(Next(*tail), "4+1:four");
  EXPECT_EQ(Next(*tail, std::chrono::milliseconds(1)), "none");
}

TEST_F(TailTest, BeginsBehindTheIdItIsGiven) {
  ASSERT_OK(Open());
  Append("one");
  Append("two and three", 2);
  Append("four");
  EXPECT_EQ(Next(*Follow(1)), "2+2:two and three");
  EXPECT_EQ(Next(*Follow(2)), "2+2:two and three");  // Inside of it: whole.
  EXPECT_EQ(Next(*Follow(3)), "4+1:four");
  EXPECT_EQ(Next(*Follow(4)), "none");
}

TEST_F(TailTest, ReadsFilesRolledAwayAndLapsOfTheRing) {
  options_.file_bytes = 20'000;
  ASSERT_OK(Open());
  const auto first = Follow(0);
  AppendTo(1'000);
  const auto second = Follow(0);
  ExpectUpTo(*first, 1'000);
  AppendTo(2'000);
  ExpectUpTo(*first, 2'000);
  ExpectUpTo(*second, 2'000);
  EXPECT_EQ(Next(*second), "none");
}

// Keeps the payload "held" from being encoded, for as long as the test likes.
class HeldFraming final : public ToyFraming {
 public:
  void Encode(const Place& place, const Record& record, std::span<std::byte> out) const override {
    if (record.payload == "held") {
      begun.store(true);
      begun.notify_all();
      release.wait(false);
    }
    ToyFraming::Encode(place, record, out);
  }
  mutable std::atomic<bool> begun = false;
  std::atomic<bool> release = false;
};

class TailBehindAnAppender : public TailTest {
 protected:
  const Framing& framing() const override { return held_; }
  HeldFraming held_;
};

// A file that is ended may still be filled.
TEST_F(TailBehindAnAppender, ReadsNoFurtherThanWhatIsPublished) {
  ASSERT_OK(Open());
  const auto tail = Follow(0);
  Append("one");
  std::thread appender([&] { Append("held"); });
  held_.begun.wait(false);
  ASSERT_OK(journal_->Roll(Instant::Never()));
  EXPECT_EQ(Next(*tail), "1+1:one");
  EXPECT_EQ(Next(*tail), "none");
  held_.release.store(true);
  held_.release.notify_all();
  appender.join();
  Append("three");
  EXPECT_EQ(Next(*tail), "2+1:held");
  EXPECT_EQ(Next(*tail), "3+1:three");
}

TEST_F(TailTest, ReadsWhatAnEarlierLifeHasLeft) {
  options_.file_bytes = 20'000;
  ASSERT_OK(Open());
  AppendTo(300);
  Kill();
  ASSERT_OK(Open());
  AppendTo(500);
  ExpectUpTo(*Follow(0), 500);
  ASSERT_OK(journal_->Close());
  Kill();
  ASSERT_OK(Open());
  const auto tail = Follow(400);
  ExpectUpTo(*tail, 500);
  AppendTo(600);
  ExpectUpTo(*tail, 600);
}

TEST_F(TailTest, ReadsLargeRecordsThatPassByTheRing) {
  ASSERT_OK(Open());
  const auto tail = Follow(0);
  Append("before");
  const std::string large(500'000, 'x');
  Append(large);
  Append("behind");
  EXPECT_EQ(Next(*tail), "1+1:before");
  EXPECT_EQ(Next(*tail), "2+1:" + large);
  EXPECT_EQ(Next(*tail), "3+1:behind");
}

TEST_F(TailTest, GivesOnlyWhatIsDurableWhenAskedTo) {
  ASSERT_OK(Open());
  const auto tail = Follow(0, {.level = TailLevel::kDurable});
  Append("one");
  EXPECT_EQ(Next(*tail), "none");
  ASSERT_OK(journal_->Flush(Instant::Never()));
  Append("two");
  EXPECT_EQ(Next(*tail), "1+1:one");
  EXPECT_EQ(Next(*tail), "none");
  ASSERT_OK_AND_ASSIGN(const uint64_t next, journal_->Roll(Instant::Never()));
  journal_->Retire(next);
  EXPECT_EQ(Next(*tail), "2+1:two");
}

TEST_F(TailTest, IsWokenByARecordAndByItsSync) {
  ASSERT_OK(Open());
  const auto published = Follow(0);
  const auto durable = Follow(0, {.level = TailLevel::kDurable});
  std::thread reader([&] {
    for (uint64_t id = 1; id <= 200; ++id) {
      EXPECT_EQ(Next(*published, hours(1)), std::to_string(id) + "+1:" + PayloadOf(id));
    }
  });
  std::thread careful([&] {
    for (uint64_t id = 1; id <= 200; ++id) {
      EXPECT_EQ(Next(*durable, hours(1)), std::to_string(id) + "+1:" + PayloadOf(id));
      EXPECT_GE(ToNumber(journal_->durable_id()), id);
    }
  });
  for (uint64_t id = 1; id <= 200; ++id) {
    AppendTo(id);
    if (id % 10 == 0) {
      EXPECT_OK(journal_->Flush(Instant::Never()));
    }
  }
  reader.join();
  careful.join();
}

TEST_F(TailTest, GoesOnBehindAReDrive) {
  options_.strategy = FlushStrategy::Periodic(hours(1));
  options_.file_bytes = 20'000;
  ASSERT_OK(Open());
  const auto early = Follow(0);
  const auto late = Follow(0);
  for (uint64_t round = 1; round <= 5; ++round) {
    AppendTo(round * 100 - 30);
    ASSERT_OK(journal_->Flush(Instant::Never()));
    AppendTo(round * 100 - 10);
    ExpectUpTo(*early, round * 100 - 20);  // In the middle of what is driven again.
    files_.FailMatching(io::CallKind::kSyncData, ".log", 1, {.effect = io::FaultEffect::kSyncLost});
    ASSERT_OK(journal_->Flush(Instant::Never()));
    EXPECT_EQ(journal_->stats().redrives, round);
    AppendTo(round * 100);
    ExpectUpTo(*early, round * 100);
  }
  ExpectUpTo(*late, 500);
  EXPECT_EQ(Next(*late), "none");
  Kill();
  ASSERT_OK(Open());
  ExpectUpTo(*Follow(0), 500);
}

TEST_F(TailTest, KeepsFilesUntilItHasReadThemOrIsTooFarBehind) {
  options_.file_bytes = 20'000;
  ASSERT_OK(Open());
  const auto tail = Follow(0);
  const auto slow = Follow(0, {.level = TailLevel::kPublished, .lag_bytes_max = 60'000});
  AppendTo(100);
  ASSERT_OK_AND_ASSIGN(const uint64_t floor, journal_->Roll(Instant::Never()));
  journal_->Retire(floor);
  EXPECT_EQ(journal_->Release(floor), active_);
  EXPECT_EQ(journal_->stats().tails, 2u);
  EXPECT_GT(journal_->stats().tail_lag_bytes, 30'000u);
  ExpectUpTo(*tail, 100);
  EXPECT_EQ(Next(*tail), "none");
  EXPECT_EQ(journal_->Release(floor), active_);  // The other one has read nothing.
  AppendTo(400);
  EXPECT_EQ(journal_->Release(floor), floor);
  EXPECT_EQ(journal_->oldest_id(), RecordId{101});
  EXPECT_FAILS(slow->Next(kAtOnce), StatusCode::kResourceExhausted,
               "more than 60000 bytes behind: the log does not hold record 1 any more: its files "
               "begin with record 101");
  EXPECT_FAILS(slow->Next(hours(1)), StatusCode::kResourceExhausted, "any more");
  EXPECT_FAILS(journal_->Follow(RecordId{99}, {}), StatusCode::kResourceExhausted,
               "record 100 any");
  ExpectUpTo(*tail, 400);
  ExpectUpTo(*Follow(100), 400);
}

TEST_F(TailTest, IsNotBehindForWhatWasThereBeforeItBegan) {
  ASSERT_OK(Open());
  AppendTo(100);
  const auto tail = Follow(100, {.level = TailLevel::kPublished, .lag_bytes_max = 5'000});
  EXPECT_EQ(journal_->stats().tail_lag_bytes, 0u);
  AppendTo(102);
  EXPECT_LT(journal_->stats().tail_lag_bytes, 2'000u);
  ASSERT_OK_AND_ASSIGN(const uint64_t floor, journal_->Roll(Instant::Never()));
  EXPECT_EQ(journal_->Release(floor), active_);
  ExpectUpTo(*tail, 102);
}

// Does something once, when the thread that made it asks for a name.
class BusyFiles final : public NumberedFiles {
 public:
  using NumberedFiles::NumberedFiles;
  std::string NameOf(uint64_t number) const override {
    if (std::this_thread::get_id() == reader_ && then_) std::exchange(then_, {})();
    return NumberedFiles::NameOf(number);
  }
  void Then(std::function<void()> then) { then_ = std::move(then); }

 private:
  const std::thread::id reader_ = std::this_thread::get_id();
  mutable std::function<void()> then_;
};

class TailInFilesThatGo : public TailTest {
 protected:
  JournalFiles& names() override { return busy_; }
  BusyFiles busy_{1};
};

TEST_F(TailInFilesThatGo, IsCutOffAndSaysNothingElse) {
  options_.file_bytes = 20'000;
  ASSERT_OK(Open());
  const auto tail = Follow(0, {.level = TailLevel::kPublished, .lag_bytes_max = 1'000});
  AppendTo(400);
  ASSERT_OK_AND_ASSIGN(const uint64_t floor, journal_->Roll(Instant::Never()));
  busy_.Then([&] {
    journal_->Retire(floor);
    EXPECT_EQ(journal_->Release(floor), floor);
    std::filesystem::remove(LogPath(active_));
  });
  EXPECT_FAILS(tail->Next(kAtOnce), StatusCode::kResourceExhausted, "more than 1000 bytes behind");
}

// Retired files count as written, whatever they hold: for a tail they must hold it.
TEST_F(TailTest, ReadsAFileThatWasRetiredBeforeItWasWritten) {
  ASSERT_OK(Open());
  const auto tail = Follow(0);
  files_.FailMatching(
      io::CallKind::kWrite, "000001.log", 1,
      {.code = StatusCode::kResourceExhausted, .repeat = io::FaultRepeat::kForEver});
  AppendTo(20);
  const uint64_t second = RollOnAFullDisk();
  files_.Heal();
  journal_->Retire(second);
  EXPECT_EQ(journal_->Release(second), 1u);
  ASSERT_OK(journal_->Flush(Instant::Never()));  // It knows that there is room again.
  AppendTo(600);                                 // Laps the ring.
  ExpectUpTo(*tail, 600);
}

TEST_F(TailTest, IsCutOffWhenARetiredFileCannotBeWritten) {
  ASSERT_OK(Open());
  const auto tail = Follow(0);
  const auto ahead = Follow(0);
  files_.FailMatching(
      io::CallKind::kWrite, "000001.log", 1,
      {.code = StatusCode::kResourceExhausted, .repeat = io::FaultRepeat::kForEver});
  AppendTo(20);
  ExpectUpTo(*ahead, 20);
  const uint64_t second = RollOnAFullDisk();
  EXPECT_EQ(Next(*ahead), "none");
  journal_->Retire(second);
  EXPECT_EQ(journal_->Release(second), second);
  EXPECT_FAILS(tail->Next(kAtOnce), StatusCode::kResourceExhausted,
               "could not be written: the log does not hold record 1 any more");
  ASSERT_OK(journal_->Flush(Instant::Never()));  // It knows that there is room again.
  AppendTo(600);
  ExpectUpTo(*ahead, 600);
}

TEST_F(TailTest, GivesWhatIsLeftAfterACloseAndThenEnds) {
  ASSERT_OK(Open());
  const auto tail = Follow(0);
  const auto durable = Follow(0, {.level = TailLevel::kDurable});
  AppendTo(50);
  ASSERT_OK(journal_->Close());
  ExpectUpTo(*tail, 50);
  ExpectUpTo(*durable, 50);
  EXPECT_FAILS(tail->Next(hours(1)), StatusCode::kUnavailable, "the log is closed");
  EXPECT_FAILS(durable->Next(kAtOnce), StatusCode::kUnavailable, "the log is closed");
}

// Behind a Close the directory is another's, and with it the memory of the ring.
TEST_F(TailTest, GivesWhatIsLeftAfterACloseWhileTheStoreIsOpenedAgain) {
  for (const uint64_t ring_bytes : {options_.ring_bytes, options_.ring_bytes / 4}) {
    ASSERT_OK(Open());
    const uint64_t before = ToNumber(journal_->published_id());
    const auto tail = Follow(before);
    AppendTo(before + 100);
    ASSERT_OK(journal_->Close());
    const std::unique_ptr<Journal> closed = std::move(journal_);
    options_.ring_bytes = ring_bytes;
    ASSERT_OK(Open());
    AppendTo(before + 400);
    ExpectUpTo(*tail, before + 100);
    EXPECT_FAILS(tail->Next(hours(1)), StatusCode::kUnavailable, "the log is closed");
    Kill();
  }
}

// What a Close that failed has left in the ring is for whoever opens the store next.
TEST_F(TailTest, EndsAfterACloseThatFailed) {
  ASSERT_OK(Open());
  const auto tail = Follow(0);
  files_.FailMatching(io::CallKind::kWrite, ".log", 1, {.repeat = io::FaultRepeat::kForEver});
  AppendTo(50);
  EXPECT_FALSE(journal_->Close().ok());
  std::string got;
  for (uint64_t id = 1; id <= 50; ++id) {
    got = Next(*tail, hours(1));
    if (got != std::to_string(id) + "+1:" + PayloadOf(id)) break;
  }
  EXPECT_NE(got.find("unavailable"), std::string::npos) << got;
}

TEST_F(TailTest, OutlivesTheJournal) {
  ASSERT_OK(Open());
  const auto tail = Follow(0);
  Append("one");
  std::atomic<bool> waiting = false;
  const auto second = Follow(1);
  std::thread waiter([&] {
    waiting = true;
    EXPECT_FAILS(second->Next(hours(1)), StatusCode::kUnavailable, "closed");
  });
  while (!waiting) std::this_thread::yield();
  Kill();
  waiter.join();
  EXPECT_FAILS(tail->Next(kAtOnce), StatusCode::kUnavailable, "closed");
}

TEST_F(TailTest, EndsWithTheReasonWhenTheJournalHasStopped) {
  ASSERT_OK(Open());
  const auto tail = Follow(0);
  const auto durable = Follow(0, {.level = TailLevel::kDurable});
  Append("one");
  files_.FailMatching(io::CallKind::kSyncData, ".log", 1, {});
  files_.FailMatching(io::CallKind::kSyncAll, ".log", 1, {});
  std::thread waiter([&] {
    EXPECT_FAILS(durable->Next(hours(1)), StatusCode::kUnavailable, "stopped after an I/O error");
  });
  EXPECT_FAILS(journal_->Flush(Instant::Never()), StatusCode::kIoError, "not yet durable");
  waiter.join();
  EXPECT_EQ(Next(*tail), "1+1:one");
  EXPECT_FAILS(tail->Next(hours(1)), StatusCode::kUnavailable, "stopped after an I/O error");
}

// A file that cannot be read gives an error, and the same records once it can.
TEST_F(TailTest, TriesAgainAfterEachReadThatFails) {
  options_.file_bytes = 20'000;
  ASSERT_OK(Open());
  AppendTo(300);
  ASSERT_OK(journal_->Flush(Instant::Never()));
  const auto tail = Follow(0);
  uint64_t failures = 0;
  for (uint64_t id = 1; id <= 300;) {
    const auto kind = id % 2 == 0 ? io::CallKind::kRead : io::CallKind::kOpen;
    files_.FailMatching(kind, ".log", 1, {});
    const std::string got = Next(*tail);
    if (got.find("injected") != std::string::npos) {
      ++failures;
      EXPECT_EQ(Next(*tail), std::to_string(id) + "+1:" + PayloadOf(id));
    } else {
      EXPECT_EQ(got, std::to_string(id) + "+1:" + PayloadOf(id));
    }
    files_.Heal();
    ++id;
  }
  EXPECT_GE(failures, 3u);
  EXPECT_EQ(Next(*tail), "none");
}

TEST_F(TailTest, TellsOfAFileThatIsDamaged) {
  ASSERT_OK(Open());
  AppendTo(50);
  ASSERT_OK(journal_->Close());
  Kill();
  ASSERT_OK(Open());
  std::string bytes = ReadFile(LogPath(1));
  const std::string good = bytes;
  bytes[bytes.size() / 2] ^= 1;
  WriteFile(LogPath(1), bytes);
  const auto tail = Follow(0);
  std::string got;
  while ((got = Next(*tail)).find("corruption") == std::string::npos) {
    ASSERT_NE(got, "none");
  }
  EXPECT_NE(got.find("000001.log at offset"), std::string::npos) << got;
  WriteFile(LogPath(1), good);
  ExpectUpTo(*tail, 50);
}

TEST_F(TailTest, ManyReadersFollowManyWriters) {
  options_.strategy = FlushStrategy::Batched(100);
  options_.file_bytes = 100'000;
  ASSERT_OK(Open());
  constexpr int kWriters = 3;
  constexpr uint64_t kEach = 1'500;
  std::vector<std::thread> threads;
  for (const TailLevel level : {TailLevel::kPublished, TailLevel::kDurable}) {
    threads.emplace_back([this, level] {
      const auto tail = Follow(0, {.level = level});
      std::vector<uint64_t> next(kWriters, 0);
      for (uint64_t id = 1; id <= kWriters * kEach; ++id) {
        const auto record = tail->Next(hours(1));
        ASSERT_OK(record);
        ASSERT_TRUE(record->has_value());
        ASSERT_EQ((*record)->first_id, RecordId{id});
        const std::string_view payload = (*record)->payload;
        const auto writer = static_cast<size_t>(payload[0] - 'A');
        ASSERT_EQ(payload.substr(1, payload.find(':') - 1), std::to_string(next[writer]++));
      }
    });
  }
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([this, w] {
      for (uint64_t i = 0; i < kEach; ++i) {
        std::string payload(1, static_cast<char>('A' + w));
        payload += std::to_string(i) + ":" + std::string(i % 300, 'p');
        const RecordId id = Append(payload);
        if (i % 200 == 0) {
          EXPECT_OK(journal_->WaitDurable(id, Instant::Never()));
        }
      }
      EXPECT_OK(journal_->Flush(Instant::Never()));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace aidb::journal
