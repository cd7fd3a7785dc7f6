#include "aidb/io/sim/scheduler.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/io/sim/fiber_context.h"

namespace aidb::io {
namespace {

// Thrown through a fiber that dies. Engine code must let it pass: no catch (...).
struct FiberKilled {};

// A dying fiber's destructor that still spins or waits after this many calls is parked.
constexpr int kDyingCallsMax = 1'000;
// A look at the clock takes up to this long, so that a loop around the clock ends.
constexpr uint64_t kClockReadNsMax = 100;
// Every call takes this long, so that no loop holds time still.
constexpr int64_t kStepNs = 10;
// Owner mark of code that runs outside any fiber.
constexpr uint64_t kOutside = ~uint64_t{0};

}  // namespace

struct SimScheduler::Fiber {
  SimScheduler* scheduler = nullptr;
  FiberId id = 0;
  std::string name;
  FiberContext context;
  std::function<void()> body;
  State state = State::kReady;
  bool started = false;
  size_t place = 0;  // In ready_ or blocked_.
  WaitsFor waits_for = WaitsFor::kNothing;
  const void* subject = nullptr;
  Instant deadline = Instant::Never();
  bool timed_out = false;
  Fiber* killer = nullptr;  // Who waits for this one's death.
  int dying_calls = 0;

  bool live() const { return state == State::kReady || state == State::kBlocked; }
};

SimScheduler::SimScheduler(uint64_t seed, const SchedulerOptions& options, FiberStackPool& stacks,
                           SimTrace& trace)
    : options_(options),
      stacks_(stacks),
      trace_(trace),
      rng_(seed),
      root_(std::make_unique<Fiber>()),
      current_(root_.get()) {
  AIDB_CHECK(options.switch_one_in > 0);
}

SimScheduler::~SimScheduler() { AIDB_CHECK(!running_); }

RunReport SimScheduler::Run(std::function<void()> main) {
  AIDB_CHECK(!running_ && !dead_);
  running_ = true;
  SyncHook* const outer = SyncHook::Current();
  SyncHook::Install(this);
  report_ = {};
  Start("main", std::move(main));
  if (Fiber* first = PickNext(); first != current_) SwitchTo(*first);
  // Back here: everybody ended, or nobody can go on, or the world died.
  const bool work_left = !ready_.empty() || !blocked_.empty();
  if (!dead_ && work_left) Die(RunEnd::kDeadlock);
  if (dead_) KillAll();
  RecycleEnded();
  SyncHook::Install(outer);
  running_ = false;
  return std::move(report_);
}

// ---- Fibers -----------------------------------------------------------------------------

SimScheduler::FiberId SimScheduler::Start(std::string_view name, std::function<void()> body) {
  auto fiber = std::make_unique<Fiber>();
  fiber->scheduler = this;
  fiber->id = static_cast<FiberId>(fibers_.size());
  fiber->name = name;
  fiber->body = std::move(body);
  fibers_.push_back(std::move(fiber));
  Fiber& started = *fibers_.back();
  if (dead_) {
    started.state = State::kDone;  // A dead world starts nothing.
    started.body = nullptr;
    return started.id;
  }
  started.context.Prepare(stacks_.Take(options_.stack_bytes), &Enter, &started);
  started.place = ready_.size();
  ready_.push_back(&started);
  if (OnFiber()) Point();
  return started.id;
}

void SimScheduler::Enter(void* argument) {
  Fiber& self = *static_cast<Fiber*>(argument);
  SimScheduler& scheduler = *self.scheduler;
  scheduler.RecycleEnded();
  {
    // On this stack, so that a parked fiber keeps what its body captured.
    const std::function<void()> body = std::move(self.body);
    self.body = nullptr;
    try {
      body();
    } catch (const FiberKilled&) {
      // Unwound to the end.
    }
  }
  scheduler.LeaveForEver(self);
}

void SimScheduler::LeaveForEver(Fiber& fiber) {
  fiber.state = State::kDone;
  Fiber* next = fiber.killer != nullptr ? fiber.killer : root_.get();
  if (!dead_) {  // In a dead world nobody chooses any more: the lists stay as they were.
    RemoveFromReady(fiber);
    WakeBlocked(WaitsFor::kTask, &fiber, true);
    next = PickNext();
  }
  ended_ = &fiber;
  current_ = next;
  FiberContext::Switch(fiber.context, next->context, FiberContext::Leaving::kForEver);
  AIDB_CHECK(false);  // Nobody switches to a fiber that ended.
  std::abort();
}

void SimScheduler::RecycleEnded() {
  if (ended_ == nullptr) return;
  ended_->context.Release();
  stacks_.Give(ended_->context.stack());
  ended_ = nullptr;
}

void SimScheduler::Join(FiberId id, From from) {
  Fiber& target = *fibers_[id];
  if (OnFiber()) Point(from);
  if (!target.live()) return;
  AIDB_CHECK(OnFiber() && &target != current_);
  while (!dead_ && target.live()) {
    Block(WaitsFor::kTask, &target, Instant::Never());
    if (dead_) Perish(from);
  }
  if (dead_ && target.live()) DriveToDeath(target);
}

// ---- Choosing who runs ------------------------------------------------------------------

bool SimScheduler::OnFiber() const { return current_ != root_.get(); }

uint64_t SimScheduler::OwnerMark() const { return OnFiber() ? current_->id + 1 : kOutside; }

SimScheduler::Fiber* SimScheduler::PickNext() {
  while (ready_.empty()) {
    if (next_deadline_ == Instant::Never()) return root_.get();
    AdvanceTo(next_deadline_);
    if (dead_) return root_.get();
  }
  Fiber* const next = ready_.size() == 1 ? ready_[0] : ready_[rng_.Below(ready_.size())];
  trace_.Add(next->id);
  return next;
}

void SimScheduler::SwitchTo(Fiber& to) {
  Fiber& from = *current_;
  current_ = &to;
  to.started = true;
  FiberContext::Switch(from.context, to.context, FiberContext::Leaving::kForNow);
  RecycleEnded();
}

void SimScheduler::Point(From from) {
  if (!OnFiber() || paused_ > 0) return;
  if (!dead_) {
    if (++steps_ > options_.steps_max) Die(RunEnd::kStepLimit);
    if ((now_.ns += kStepNs) >= next_deadline_.ns) AdvanceTo(now_);
    if (options_.switch_one_in == 1 || rng_.OneIn(options_.switch_one_in)) {
      Fiber* const next = dead_ ? root_.get() : PickNext();
      if (next != current_) SwitchTo(*next);
    }
  }
  if (dead_) Perish(from);
}

// Returns when the fiber was made ready, or in a dying world.
void SimScheduler::Block(WaitsFor what, const void* subject, Instant deadline) {
  Fiber& self = *current_;
  RemoveFromReady(self);
  self.state = State::kBlocked;
  self.waits_for = what;
  self.subject = subject;
  self.deadline = deadline;
  self.timed_out = false;
  self.place = blocked_.size();
  blocked_.push_back(&self);
  next_deadline_ = std::min(next_deadline_, deadline);
  Fiber* const next = PickNext();
  if (next != &self) SwitchTo(*next);
}

void SimScheduler::RemoveFromReady(Fiber& fiber) {
  ready_.back()->place = fiber.place;
  std::swap(ready_[fiber.place], ready_.back());
  ready_.pop_back();
}

void SimScheduler::MakeReady(Fiber& fiber) {
  blocked_.back()->place = fiber.place;
  std::swap(blocked_[fiber.place], blocked_.back());
  blocked_.pop_back();
  fiber.state = State::kReady;
  fiber.waits_for = WaitsFor::kNothing;
  fiber.subject = nullptr;
  fiber.place = ready_.size();
  ready_.push_back(&fiber);
}

void SimScheduler::WakeBlocked(WaitsFor what, const void* subject, bool all) {
  if (blocked_.empty()) return;
  std::vector<Fiber*> waiting;
  for (Fiber* fiber : blocked_) {
    if (fiber->waits_for == what && fiber->subject == subject) waiting.push_back(fiber);
  }
  if (waiting.empty()) return;
  if (all) {
    for (Fiber* fiber : waiting) MakeReady(*fiber);
  } else {
    MakeReady(*waiting[rng_.Below(waiting.size())]);
  }
}

// ---- Time -------------------------------------------------------------------------------

void SimScheduler::AdvanceTo(Instant time) {
  now_ = std::max(now_, time);
  if (now_ >= next_deadline_) {
    next_deadline_ = Instant::Never();
    for (size_t i = 0; i < blocked_.size();) {
      Fiber& fiber = *blocked_[i];
      if (fiber.deadline <= now_) {
        fiber.timed_out = true;
        MakeReady(fiber);
      } else {
        next_deadline_ = std::min(next_deadline_, fiber.deadline);
        ++i;
      }
    }
  }
  if (now_.ns > options_.time_max.count() && !dead_) Die(RunEnd::kTimeLimit);
}

Instant SimScheduler::Now() {
  if (OnFiber() && paused_ == 0) {
    Point();
    if (!dead_) {
      AdvanceTo(now_ + Duration(1 + rng_.Below(kClockReadNsMax)));
      trace_.Add(static_cast<uint64_t>(now_.ns));
      if (dead_) Perish(From::kCall);
    }
  }
  return now_;
}

void SimScheduler::SleepFor(Duration duration) {
  if (!OnFiber()) return AdvanceTo(now_ + duration);
  Point();
  if (dead_ || paused_ > 0 || duration <= Duration::zero()) return;
  Block(WaitsFor::kTime, nullptr, now_ + duration);
  if (dead_) Perish(From::kCall);
}

// ---- Locks and conditions ---------------------------------------------------------------

void SimScheduler::Lock(SyncWord& mutex) {
  Point();
  if (dead_ && OnFiber()) return LockWhileDying(mutex);
  AcquireNow(mutex);
}

void SimScheduler::AcquireNow(SyncWord& mutex) {
  const uint64_t mark = OwnerMark();
  while (mutex.value != 0) {
    AIDB_CHECK(mutex.value != mark);        // Locked twice by one fiber.
    AIDB_CHECK(OnFiber() && paused_ == 0);  // Outside a fiber nobody could give it back.
    Block(WaitsFor::kMutex, &mutex, Instant::Never());
    if (!dead_) continue;
    Perish(From::kCall);
    return LockWhileDying(mutex);
  }
  mutex.value = mark;
}

void SimScheduler::Release(SyncWord& mutex) {
  mutex.value = 0;
  if (!dead_) WakeBlocked(WaitsFor::kMutex, &mutex, false);
}

bool SimScheduler::TryLock(SyncWord& mutex) {
  Point();
  if (mutex.value != 0) return false;
  mutex.value = OwnerMark();
  return true;
}

void SimScheduler::Unlock(SyncWord& mutex) {
  if (dead_ && mutex.value != OwnerMark()) return;  // Unwound out of Wait without it.
  AIDB_CHECK(mutex.value == OwnerMark());
  Release(mutex);
  Point(From::kDestructor);  // Mostly called by ~MutexLock.
}

bool SimScheduler::Wait(SyncWord& cond, SyncWord& mutex, Instant deadline) {
  AIDB_CHECK(OnFiber() && paused_ == 0);  // Nobody else could ever notify.
  Point();
  if (dead_) {
    Release(mutex);
    for (size_t i = 0; i < fibers_.size(); ++i) DriveToDeath(*fibers_[i]);
    LockWhileDying(mutex);
    return true;
  }
  if (options_.spurious_wake_one_in > 0 && rng_.OneIn(options_.spurious_wake_one_in)) return true;
  AIDB_CHECK(mutex.value == OwnerMark());
  Release(mutex);
  Fiber& self = *current_;
  Block(WaitsFor::kCondition, &cond, std::max(deadline, now_));
  const bool in_time = !self.timed_out;
  if (!dead_) {
    AcquireNow(mutex);
    return in_time;
  }
  // The MutexLock above us gives back what it thinks it holds, so take it before unwinding.
  LockWhileDying(mutex);
  Perish(From::kCall);
  return true;
}

void SimScheduler::Notify(SyncWord& cond, bool all) {
  if (!dead_) WakeBlocked(WaitsFor::kCondition, &cond, all);
  Point();
}

void SimScheduler::Yield() {
  Point();
  if (!OnFiber() || dead_ || paused_ > 0) return;
  // A spinner that is alone waits for a sleeper.
  if (ready_.size() == 1 && next_deadline_ != Instant::Never()) AdvanceTo(next_deadline_);
  Fiber* const next = dead_ ? root_.get() : PickNext();
  if (next != current_) SwitchTo(*next);
  if (dead_) Perish(From::kCall);
}

// ---- Death ------------------------------------------------------------------------------

void SimScheduler::Die(RunEnd end) {
  if (dead_) return;
  report_.end = end;
  report_.fibers = Describe();
  dead_ = true;
  if (on_death_) on_death_();
}

// Called by a fiber in a dead world wherever it might have been stopped.
void SimScheduler::Perish(From from) {
  Fiber& self = *current_;
  if (self.killer == nullptr) {
    SwitchTo(*root_);  // Stands still until its turn comes; somebody drives it then.
  }
  const bool unwinding = std::uncaught_exceptions() > 0;
  if (!unwinding && from == From::kCall) throw FiberKilled{};
  // A destructor on its way: let it finish, but not for ever.
  if (++self.dying_calls > kDyingCallsMax) throw FiberKilled{};
}

void SimScheduler::LockWhileDying(SyncWord& mutex) {
  while (mutex.value != 0) {
    AIDB_CHECK(mutex.value != OwnerMark());
    Fiber& owner = *fibers_[mutex.value - 1];
    // The owner waits for our own death, or is parked: this lock never comes back.
    if (!DriveToDeath(owner) || mutex.value != 0) throw FiberKilled{};
  }
  mutex.value = OwnerMark();
}

void SimScheduler::KillAll() {
  if (options_.death == SchedulerOptions::Death::kUnwind) {
    previous_terminate_ = std::set_terminate(&OnTerminate);
    for (size_t i = 0; i < fibers_.size(); ++i) DriveToDeath(*fibers_[i]);
    std::set_terminate(previous_terminate_);
  } else {
    for (const auto& fiber : fibers_) {
      if (!fiber->live()) continue;
      fiber->state = State::kParked;
      ++report_.parked_fibers;
      fiber->context.Abandon();
    }
  }
  ready_.clear();
  blocked_.clear();
}

// Runs a fiber to its end. False when it is on the way already: it waits for the caller.
bool SimScheduler::DriveToDeath(Fiber& fiber) {
  if (!fiber.live()) return true;
  if (&fiber == current_ || fiber.killer != nullptr) return false;
  fiber.killer = current_;
  if (fiber.started) {
    SwitchTo(fiber);
    if (fiber.state == State::kParked) fiber.context.Abandon();
    return true;
  }
  fiber.state = State::kDone;
  fiber.body = nullptr;
  fiber.context.Release();
  stacks_.Give(fiber.context.stack());
  return true;
}

// An exception met a noexcept frame. In a dying world that is a fiber inside a destructor.
void SimScheduler::OnTerminate() {
  auto* const scheduler = static_cast<SimScheduler*>(SyncHook::Current());
  if (scheduler == nullptr || !scheduler->dead_ || !scheduler->OnFiber()) {
    std::set_terminate(nullptr);
    std::terminate();
  }
  scheduler->Park(*scheduler->current_);
}

void SimScheduler::Park(Fiber& fiber) {
  fiber.state = State::kParked;
  ++report_.parked_fibers;
  current_ = fiber.killer;
  FiberContext::Switch(fiber.context, fiber.killer->context, FiberContext::Leaving::kForNow);
  AIDB_CHECK(false);  // Nobody switches to a parked fiber.
  std::abort();
}

std::string_view SimScheduler::NameOf(FiberId fiber) const {
  return fiber < fibers_.size() ? std::string_view(fibers_[fiber]->name) : "code outside a fiber";
}

std::string SimScheduler::Describe() const {
  std::string text;
  for (const auto& fiber : fibers_) {
    if (!fiber->live()) continue;
    text.append("fiber ").append(std::to_string(fiber->id)).append(" '").append(fiber->name);
    text.append("' ");
    switch (fiber->waits_for) {
      case WaitsFor::kNothing:
        text.append(fiber.get() == current_ ? "is running" : "is ready");
        break;
      case WaitsFor::kMutex: {
        const uint64_t owner = static_cast<const SyncWord*>(fiber->subject)->value;
        text.append("waits for a mutex held by '");
        text.append(NameOf(static_cast<FiberId>(owner - 1))).append("'");
        break;
      }
      case WaitsFor::kCondition:
        text.append("waits on a condition variable");
        break;
      case WaitsFor::kTask:
        text.append("joins '").append(static_cast<const Fiber*>(fiber->subject)->name).append("'");
        break;
      case WaitsFor::kTime:
        text.append("sleeps");
        break;
    }
    if (fiber->state == State::kBlocked && fiber->deadline != Instant::Never()) {
      text.append(" until ").append(std::to_string(fiber->deadline.ns)).append(" ns");
    }
    text.append("\n");
  }
  return text;
}

}  // namespace aidb::io
