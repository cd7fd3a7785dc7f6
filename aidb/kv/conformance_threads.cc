// Four writers and four readers at once. Sized for a thread sanitizer.

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

constexpr int kWriters = 4;
constexpr int kReaders = 4;
constexpr int kRounds = 300;

// Runs `writer(i)` on four threads and, until they are done, `reader(i)` again and again on four
// more: each reader at least once.
template <typename Writer, typename Reader>
void RunTogether(Trial& trial, Writer writer, Reader reader) {
  std::atomic<int> writers_left = kWriters;
  std::vector<std::unique_ptr<io::Task>> threads;
  for (int i = 0; i < kWriters; ++i) {
    threads.push_back(trial.Start([&, i] {
      writer(i);
      --writers_left;
    }));
  }
  for (int i = 0; i < kReaders; ++i) {
    threads.push_back(trial.Start([&, i] {
      do {
        reader(i);
      } while (writers_left > 0);
    }));
  }
  for (const auto& thread : threads) thread->Join();
}

void BatchesBecomeVisibleWhole(Subject& subject) {
  Trial trial(subject);
  const std::string_view keys[] = {"", "a", "b", "c", "d"};
  const auto write_all = [&](const std::string& value) {
    WriteBatch batch;
    for (const std::string_view key : keys) batch.Put(key, value);
    trial.Write(std::move(batch));
  };
  write_all("start");
  std::atomic<int> torn = 0;
  RunTogether(
      trial,
      [&](int i) {
        for (int round = 0; round < kRounds; ++round) {
          write_all(std::to_string(i) + "." + std::to_string(round));
          if (i == 0 && round % 50 == 0) trial.Flush();
        }
      },
      [&](int i) {
        std::vector<std::string> values;
        if (i % 2 == 0) {
          for (const auto& answer : trial.store().MultiGet(keys, {})) {
            values.emplace_back(answer.ok() && *answer ? (*answer)->view() : "absent");
          }
        } else {
          const ScanOrder order = i == 1 ? ScanOrder::kForward : ScanOrder::kReverse;
          for (auto& [key, value] : trial.Scan({.order = order})) values.push_back(value);
        }
        if (values != std::vector<std::string>(std::size(keys), values.front())) ++torn;
      });
  EXPECT_EQ(torn, 0);
}

void ConcurrentBatchesGetSequencesWithoutGapOrOverlap(Subject& subject) {
  Trial trial(subject);
  constexpr uint64_t kOperations = 3;
  std::vector<Sequence> last[kWriters];
  RunTogether(
      trial,
      [&](int i) {
        for (int round = 0; round < kRounds; ++round) {
          WriteBatch batch;
          for (uint64_t n = 0; n < kOperations; ++n) batch.Put(NumberedKey(i), "v");
          last[i].push_back(trial.Write(std::move(batch)));
        }
      },
      [&](int) { trial.store().TakeSnapshot(); });
  std::vector<Sequence> all;
  for (const auto& some : last) {
    EXPECT_TRUE(std::ranges::is_sorted(some));
    all.insert(all.end(), some.begin(), some.end());
  }
  std::ranges::sort(all);
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(ToNumber(all[i]), (i + 1) * kOperations);
  }
  EXPECT_EQ(trial.NewestSequence(), all.back());
}

void WritesBecomeVisibleInSequenceOrder(Subject& subject) {
  Trial trial(subject);
  // Each writer raises its pair first, then second: nobody may see the second ahead.
  std::atomic<int> out_of_order = 0;
  const auto number = [](const std::optional<std::string>& text) {
    return text ? std::stoi(*text) : -1;
  };
  RunTogether(
      trial,
      [&](int i) {
        for (int round = 0; round < kRounds; ++round) {
          trial.Put("first" + std::to_string(i), std::to_string(round));
          trial.Put("second" + std::to_string(i), std::to_string(round));
        }
      },
      [&](int i) {
        const Snapshot snapshot = trial.store().TakeSnapshot();
        const int second = number(trial.Get("second" + std::to_string(i), &snapshot));
        const int first = number(trial.Get("first" + std::to_string(i), &snapshot));
        if (first != second && first != second + 1) ++out_of_order;
      });
  EXPECT_EQ(out_of_order, 0);
}

void SnapshotsTakenDuringWritesRepeat(Subject& subject) {
  Trial trial(subject);
  std::atomic<int> changed = 0;
  RunTogether(
      trial,
      [&](int i) {
        for (int round = 0; round < kRounds; ++round) {
          const std::string key = NumberedKey((round * 7 + i) % 40);
          round % 5 == 0 ? trial.Delete(key) : trial.Put(key, std::to_string(round));
          if (i == 0 && round % 100 == 0) trial.Flush();
        }
      },
      [&](int) {
        const Snapshot snapshot = trial.store().TakeSnapshot();
        const Pairs first = trial.Scan({.snapshot = &snapshot});
        Pairs second = trial.Scan({.order = ScanOrder::kReverse, .snapshot = &snapshot});
        std::ranges::reverse(second);
        if (first != second) ++changed;
        for (const auto& [key, value] : first) {
          if (trial.Get(key, &snapshot) != value) ++changed;
        }
      });
  EXPECT_EQ(changed, 0);
}

void CloseWaitsForCallsInProgressAndRefusesTheRest(Subject& subject) {
  Trial trial(subject);
  std::atomic<int> acknowledged[kWriters] = {};
  std::atomic<int> wrong = 0;
  const auto refused = [&](const Status& status) {
    if (status.ok()) return false;
    if (status.code() != StatusCode::kUnavailable) ++wrong;
    return true;
  };
  std::vector<std::unique_ptr<io::Task>> threads;
  for (int i = 0; i < kWriters; ++i) {
    threads.push_back(trial.Start([&, i] {
      while (true) {
        const std::string next = std::to_string(acknowledged[i] + 1);
        const auto written = trial.store().Write(PutBatch("w" + std::to_string(i), next), {});
        if (refused(written.status())) return;
        ++acknowledged[i];
      }
    }));
    threads.push_back(trial.Start([&, i] {
      while (!refused(trial.store().Get("w" + std::to_string(i), {}).status())) {
        Iterator iterator = trial.store().Scan({});
        while (iterator.Valid()) iterator.Next();
        refused(iterator.status());
      }
    }));
  }
  while (acknowledged[0] < 50 || acknowledged[kWriters - 1] < 50) trial.Get("w0");
  EXPECT_TRUE(trial.store().Close().ok());
  for (const auto& thread : threads) thread->Join();
  EXPECT_EQ(wrong, 0);
}

void ConcurrentConditionalIncrementsAreNotLost(Subject& subject) {
  Trial trial(subject);
  trial.Put("counter", "0");
  constexpr int kIncrements = 50;
  RunTogether(
      trial,
      [&](int) {
        for (int done = 0; done < kIncrements;) {
          const Snapshot snapshot = trial.store().TakeSnapshot();
          const int value = std::stoi(trial.Get("counter", &snapshot).value());
          const auto written =
              trial.conditional().WriteIf({.since = &snapshot, .keys = {"counter"}},
                                          PutBatch("counter", std::to_string(value + 1)), {});
          if (written.ok()) {
            ++done;
          } else {
            ASSERT_EQ(written.status().code(), StatusCode::kConflict);
          }
        }
      },
      [&](int i) { trial.Put("other" + std::to_string(i), "v"); });
  EXPECT_EQ(trial.Get("counter"), std::to_string(kWriters * kIncrements));
}

}  // namespace

ConformanceTests ThreadTests() {
  return {
      AIDB_CONFORMANCE(BatchesBecomeVisibleWhole),
      AIDB_CONFORMANCE(ConcurrentBatchesGetSequencesWithoutGapOrOverlap),
      AIDB_CONFORMANCE(WritesBecomeVisibleInSequenceOrder),
      AIDB_CONFORMANCE(SnapshotsTakenDuringWritesRepeat),
      AIDB_CONFORMANCE(CloseWaitsForCallsInProgressAndRefusesTheRest),
      AIDB_CONFORMANCE_IF(kConditional, ConcurrentConditionalIncrementsAreNotLost),
  };
}

}  // namespace aidb::kv
