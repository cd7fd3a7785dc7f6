#include "aidb/base/call_gate.h"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace aidb {
namespace {

TEST(CallGate, LetsNobodyInOnceItIsShut) {
  CallGate gate;
  EXPECT_TRUE(CallPass(gate));
  EXPECT_TRUE(gate.ShutAndWait());
  EXPECT_FALSE(CallPass(gate));
  EXPECT_FALSE(gate.ShutAndWait());
}

TEST(CallGate, WaitsForThoseInside) {
  CallGate gate;
  std::atomic<bool> closed = false;
  std::optional<CallPass> inside(std::in_place, gate);
  std::thread closer([&] {
    gate.ShutAndWait();
    closed = true;
  });
  while (CallPass(gate)) std::this_thread::yield();  // Until it is shut.
  EXPECT_FALSE(closed);
  inside.reset();
  closer.join();
  EXPECT_TRUE(closed);
}

TEST(CallGate, ShutsOnlyWhenAllHaveLeft) {
  CallGate gate;
  std::atomic<int> inside = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (true) {
        const CallPass pass(gate);
        if (!pass) return;
        ++inside;
        --inside;
      }
    });
  }
  gate.ShutAndWait();
  EXPECT_EQ(inside, 0);
  for (std::thread& thread : threads) thread.join();
}

TEST(CallGate, MayGoOnceItHasWaited) {
  constexpr int kRounds = 200;
  constexpr int kThreads = 3;
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<int> calls = 0;
    std::vector<std::thread> callers;
    {
      auto gate = std::make_unique<CallGate>();
      std::vector<std::unique_ptr<CallPass>> passes;
      for (int i = 0; i < kThreads; ++i) passes.push_back(std::make_unique<CallPass>(*gate));
      for (auto& pass : passes) {
        callers.emplace_back([&calls, mine = std::move(pass)]() mutable {
          ++calls;
          mine.reset();  // On another thread than it came in on.
        });
      }
      gate->ShutAndWait();
      EXPECT_EQ(calls, kThreads);
    }
    for (std::thread& caller : callers) caller.join();
  }
}

TEST(CallGate, WaitsForThoseInsideHoweverManyComeMeanwhile) {
  CallGate gate;
  gate.WaitForThoseInside();  // Nobody.
  std::optional<CallPass> inside(std::in_place, gate);
  std::atomic<bool> waited = false;
  std::thread waiter([&] {
    gate.WaitForThoseInside();
    waited = true;
  });
  // One call after the other, each there before the last has gone: never is nobody inside.
  auto newcomer = std::make_unique<CallPass>(gate);
  const auto pass_on = [&] {
    auto next = std::make_unique<CallPass>(gate);
    newcomer = std::move(next);
  };
  for (int i = 0; i < 1000; ++i) pass_on();
  EXPECT_FALSE(waited);
  inside.reset();
  while (!waited) pass_on();
  waiter.join();
  newcomer.reset();
  EXPECT_TRUE(CallPass(gate));
}

// What a reader looks at is freed under it if a grace period ends too early, or if a reader that
// comes in behind it does not see the new value.
TEST(CallGate, NobodyInsideLooksAtWhatWasReplacedBeforeAWait) {
  constexpr int kReaders = 3;
  constexpr int kRounds = 3000;
  CallGate gate;
  struct Value {
    std::atomic<bool> alive = true;
  };
  std::vector<std::unique_ptr<Value>> values;  // Never freed: a test must not crash to fail.
  values.push_back(std::make_unique<Value>());
  std::atomic<Value*> newest = values.back().get();
  std::atomic<bool> stop = false;
  std::atomic<int> dead_seen = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const CallPass pass(gate);
        const Value* value = newest.load(std::memory_order_acquire);
        for (int look = 0; look < 3; ++look) {
          if (!value->alive.load(std::memory_order_relaxed)) ++dead_seen;
        }
      }
    });
  }
  for (int round = 0; round < kRounds; ++round) {
    values.push_back(std::make_unique<Value>());
    Value* before = newest.exchange(values.back().get(), std::memory_order_release);
    gate.WaitForThoseInside();
    before->alive.store(false, std::memory_order_relaxed);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(dead_seen, 0);
}

}  // namespace
}  // namespace aidb
