#include "aidb/io/sim/env.h"

#include <algorithm>
#include <utility>

#include "aidb/base/hash.h"

namespace aidb::io {
namespace {

class SimTask final : public Task {
 public:
  SimTask(SimScheduler& scheduler, SimScheduler::FiberId fiber)
      : scheduler_(scheduler), fiber_(fiber) {}
  ~SimTask() override { scheduler_.Join(fiber_, SimScheduler::From::kDestructor); }
  void Join() override { scheduler_.Join(fiber_, SimScheduler::From::kCall); }

 private:
  SimScheduler& scheduler_;
  const SimScheduler::FiberId fiber_;
};

}  // namespace

int64_t SimClock::WallMillis() const {
  const int64_t millis = scheduler_.Now().ns / 1'000'000 + wall_offset_ms_;
  if (!scheduler_.paused()) trace_.Add(static_cast<uint64_t>(millis));
  return millis;
}

int64_t SimClock::PeekWallMillis() const {
  return scheduler_.PeekNow().ns / 1'000'000 + wall_offset_ms_;
}

std::unique_ptr<Task> SimExecutor::Start(std::string_view name, std::function<void()> body) {
  return std::make_unique<SimTask>(scheduler_, scheduler_.Start(name, std::move(body)));
}

uint64_t SimRandom::SeedFor(uint64_t root_seed, std::string_view component) {
  return Rng(root_seed ^ Hash64(component)).Next();
}

void SimLogger::Log(LogLevel level, std::string_view line) {
  if (lines_.size() == kLinesMax) lines_.erase(lines_.begin());
  lines_.push_back({level, std::string(line)});
}

bool SimLogger::Contains(std::string_view text) const {
  return std::any_of(lines_.begin(), lines_.end(), [text](const Line& line) {
    return line.text.find(text) != std::string::npos;
  });
}

}  // namespace aidb::io
