// How often who follows a journal is woken, counted in the simulated world.

#include <chrono>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "aidb/io/sim/world.h"
#include "aidb/journal/journal.h"
#include "aidb/journal/numbered_files_for_test.h"
#include "aidb/journal/tail.h"
#include "aidb/journal/toy_framing.h"

namespace aidb::journal {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr uint64_t kRecords = 50;

// The scheduler's hook, which notes how often a wait of long patience has ended.
class WakeCounter final : public SyncHook {
 public:
  explicit WakeCounter(io::SimScheduler& scheduler) : hook_(scheduler) { SyncHook::Install(this); }
  ~WakeCounter() override { SyncHook::Install(&hook_); }

  uint64_t wakes() const { return wakes_; }

  void Lock(SyncWord& mutex) override { hook_.Lock(mutex); }
  bool TryLock(SyncWord& mutex) override { return hook_.TryLock(mutex); }
  void Unlock(SyncWord& mutex) override { hook_.Unlock(mutex); }
  bool Wait(SyncWord& cond, SyncWord& mutex, Instant deadline) override {
    const bool patient = deadline != Instant::Never() && deadline > hook_.PeekNow() + hours(12);
    const bool woken = hook_.Wait(cond, mutex, deadline);
    if (patient) ++wakes_;
    return woken;
  }
  void Notify(SyncWord& cond, bool all) override { hook_.Notify(cond, all); }
  void Yield() override { hook_.Yield(); }

 private:
  io::SimScheduler& hook_;
  uint64_t wakes_ = 0;
};

// Somebody waits for the first record of a journal that takes kRecords, one each millisecond, and
// syncs them at once in the end. Returns how often the follower was woken until it had them all.
uint64_t WakesOf(TailLevel level, uint64_t seed) {
  io::SimDisk disk;
  disk.PlaceFile("log/OWNER", "");
  io::SimWorld world(seed, std::move(disk));
  uint64_t wakes = 0;
  const io::RunReport run = world.Run([&] {
    const io::Env& env = world.env();
    NumberedFiles names(1);
    const ToyFraming framing;
    JournalOptions options;
    options.directory = "log";
    options.strategy = FlushStrategy::Periodic(hours(2));
    auto opened =
        Journal::Open(env, framing, names, options, {},
                      [](uint64_t, RecordId, uint32_t, std::string_view) { return Status(); });
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    Journal& journal = *opened->journal;
    const WakeCounter counter(world.scheduler());
    const auto follower = env.executor.Start("follower", [&] {
      const auto tail = journal.Follow(RecordId{0}, {.level = level});
      ASSERT_TRUE(tail.ok());
      while (ToNumber((*tail)->next_id()) <= kRecords) {
        const auto record = (*tail)->Next(hours(24));
        ASSERT_TRUE(record.ok() && record->has_value());
      }
    });
    for (uint64_t i = 0; i < kRecords; ++i) {
      env.clock.SleepFor(milliseconds(1));
      const auto appended = journal.Append({.payload = "x", .ids = 1}, Instant::Never());
      ASSERT_TRUE(appended.ok());
      ASSERT_TRUE(journal.Publish(*appended, Journal::Next::kGoesOn));
    }
    ASSERT_TRUE(journal.Flush(Instant::Never()).ok());
    follower->Join();
    wakes = counter.wakes();
  });
  EXPECT_TRUE(run.finished()) << run.fibers;
  return wakes;
}

TEST(TailSim, WhoWaitsForTheDiskIsNotWokenByWhatIsNotOnIt) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_LE(WakesOf(TailLevel::kDurable, seed), 3u) << seed;
  }
}

TEST(TailSim, WhoWaitsForRecordsIsWokenByEach) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const uint64_t wakes = WakesOf(TailLevel::kPublished, seed);
    EXPECT_GE(wakes, kRecords / 2) << seed;
    EXPECT_LE(wakes, kRecords + 3) << seed;
  }
}

}  // namespace
}  // namespace aidb::journal
