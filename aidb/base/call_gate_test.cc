#include "aidb/base/call_gate.h"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
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

}  // namespace
}  // namespace aidb
