// A real process, killed at any instant: every record that it acknowledged over a pipe is there
// when the journal is opened again, and what is there is a prefix.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/journal/journal_for_test.h"
#include "aidb/testing/seed.h"

namespace aidb::journal {
namespace {

constexpr int kRounds = 30;
constexpr uint64_t kNumbersPerRound = 10'000;

std::string PayloadOf(uint64_t id) {
  const size_t size = id % 97 == 0 ? 17'000 + id % 3'000 : id % 300;
  return std::to_string(id) + ":" + std::string(size, static_cast<char>('a' + id % 26));
}

class JournalKillTest : public JournalTest, public ::testing::WithParamInterface<int> {
 protected:
  JournalKillTest() {
    options_.file_bytes = 100'000;
    switch (GetParam()) {
      case 0:
        wait_ = true;  // Sync.
        break;
      case 1:
        options_.strategy = FlushStrategy::Batched(50);
        break;
      case 2:
        options_.strategy = FlushStrategy::Periodic(std::chrono::milliseconds(2));
        break;
      case 3:
        options_.strategy = FlushStrategy::BatchedOrPeriodic(50, std::chrono::milliseconds(2));
        break;
      default:
        break;  // Async.
    }
  }

  // The child: appends for ever, and tells each id that it was given back. Never returns.
  [[noreturn]] void WriteUntilKilled(int pipe_end) {
    if (!Open().ok()) ::_exit(2);
    while (true) {
      const uint64_t id = ToNumber(journal_->published_id()) + 1;
      const auto appended = journal_->Append({.payload = PayloadOf(id)}, Instant::Never());
      if (!appended.ok() || ToNumber(appended->first_id) != id) ::_exit(3);
      if (!journal_->Publish(*appended)) ::_exit(4);
      if (wait_ && !journal_->WaitDurable(appended->last_id, Instant::Never()).ok()) ::_exit(5);
      if (::write(pipe_end, &id, sizeof id) != sizeof id) ::_exit(6);
    }
  }

  bool wait_ = false;
};

TEST_P(JournalKillTest, LosesNothingAcknowledged) {
  const uint64_t seed = testing::SeedFromEnvironmentOr(1);
  SCOPED_TRACE(testing::ReplayLine(seed));
  Rng rng(seed + static_cast<uint64_t>(GetParam()));
  uint64_t known = 0;
  for (uint64_t round = 1; round <= kRounds; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    names_.~NumberedFiles();
    new (&names_) NumberedFiles(round * kNumbersPerRound);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      WriteUntilKilled(ends[1]);
    }
    ::close(ends[1]);
    const uint64_t lives_for = 1 + rng.Below(wait_ ? 30 : 200);
    uint64_t acknowledged = 0;
    const auto read_one = [&] {
      return ::read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged;
    };
    for (uint64_t i = 0; i < lives_for && read_one(); ++i) {
    }
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    while (read_one()) {
    }
    ::close(ends[0]);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child gave up: " << WEXITSTATUS(status);
    ASSERT_GT(acknowledged, known);

    names_.~NumberedFiles();
    new (&names_) NumberedFiles(round * kNumbersPerRound + kNumbersPerRound / 2);
    ASSERT_OK(Open());
    known = replayed_.size();
    ASSERT_GE(known, acknowledged) << "round " << round;
    uint64_t next = 1;
    for (const auto& [id, payload] : replayed_) {
      ASSERT_EQ(id, next++);
      ASSERT_EQ(payload, PayloadOf(id));
    }
    Kill();  // No threads are left when the next child is forked.
  }
}

std::string StrategyName(const ::testing::TestParamInfo<int>& info) {
  static constexpr const char* kNames[] = {"Sync", "Batched", "Periodic", "BatchedOrPeriodic",
                                           "Async"};
  return kNames[info.param];
}

INSTANTIATE_TEST_SUITE_P(EachStrategy, JournalKillTest, ::testing::Range(0, 5), StrategyName);

}  // namespace
}  // namespace aidb::journal
