#include "tests/crash/child.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "aidb/base/check.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/lsm/open.h"

#include "tests/crash/protocol.h"

namespace aidb::campaign {
namespace {

void Tell(int pipe, const Message& message) {
  // Without a reader the parent is gone: so are we.
  if (::write(pipe, &message, sizeof message) != sizeof message) ::_exit(4);
}

int Fail(const ChildPlan& plan, const char* what, const Status& status) {
  std::fprintf(stderr, "child: %s: %s\n", what, status.ToString().c_str());
  Tell(plan.pipe, {.event = Event::kFailed});
  return 3;
}

class NoLog final : public Logger {
 public:
  void Log(LogLevel, std::string_view) override {}
};

}  // namespace

std::vector<std::string> CommandLineOf(const ChildPlan& plan) {
  std::vector<std::string> words{"--child",
                                 plan.directory,
                                 plan.mode,
                                 std::to_string(plan.seed),
                                 std::to_string(plan.round),
                                 std::to_string(plan.pipe),
                                 std::to_string(plan.close_after_ms)};
  for (const uint64_t n : plan.operations) words.push_back(std::to_string(n));
  return words;
}

ChildPlan ParseChildPlan(int count, char** words) {
  AIDB_CHECK(count == 7 + static_cast<int>(kWriters));
  ChildPlan plan{.directory = words[1],
                 .mode = words[2],
                 .seed = std::stoull(words[3]),
                 .round = std::stoull(words[4]),
                 .pipe = std::stoi(words[5]),
                 .close_after_ms = std::stoi(words[6])};
  for (uint64_t w = 0; w < kWriters; ++w) plan.operations[w] = std::stoull(words[7 + w]);
  return plan;
}

int RunChild(const ChildPlan& plan) {
  const Mode* mode = FindMode(plan.mode);
  AIDB_CHECK(mode != nullptr);
  NoLog log;
  io::PosixEnv world(log);
  auto opened = lsm::OpenStore(world.env(), plan.directory, OptionsFor(*mode, plan.round));
  if (!opened.ok()) return Fail(plan, "open", opened.status());
  Tell(plan.pipe, {.event = Event::kOpened});

  const Workload workload(WorkloadFor(*mode, plan.seed));
  std::atomic<bool> stop{false};
  std::vector<std::jthread> writers;
  for (uint32_t w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (uint64_t n = plan.operations[w] + 1; !stop.load(std::memory_order_relaxed); ++n) {
        const auto written = opened->store->Write(workload.Operation(w, n), {.sync = mode->sync});
        if (!written.ok()) ::_exit(Fail(plan, "write", written.status()));
        Tell(plan.pipe, {.event = Event::kAcknowledged, .writer = w, .n = n});
      }
    });
  }
  if (plan.close_after_ms >= 0) {
    world.env().clock.SleepFor(std::chrono::milliseconds(plan.close_after_ms));
    stop.store(true, std::memory_order_relaxed);
  }
  writers.clear();  // Joins.
  Tell(plan.pipe, {.event = Event::kClosing});
  const Status closed = opened->store->Close();
  if (!closed.ok()) return Fail(plan, "close", closed);
  Tell(plan.pipe, {.event = Event::kClosed});
  return 0;
}

}  // namespace aidb::campaign
