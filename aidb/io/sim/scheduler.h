#pragma once

// Threads as fibers in one thread, and every choice between them made by a seed.
//
// A fiber runs until it makes a call on the world: takes or gives back a lock, waits, notifies,
// yields, sleeps, reads the clock, touches a file, starts or joins a task. There the scheduler
// may go on with any other fiber that is ready. Time is a number: it jumps to the earliest
// deadline when nobody is ready, and creeps a little with every look at the clock.
//
// Death. Kill, a deadlock and a limit all end the world in the same way: no fiber takes another
// step of its own. To give the memory back, each fiber is unwound from the place where it
// stands by an exception that no engine code may catch; while it unwinds
//   - files are detached: every call answers kUnavailable and changes nothing;
//   - a lock is still a lock: whoever holds it is unwound first;
//   - joining a task, and waiting on a condition, unwinds the others first, then returns.
// A fiber that stands inside a destructor cannot be unwound past it (a destructor is noexcept).
// It is *parked*: left for ever as it is. Its memory is lost, as in a real kill, and is not
// reported as a leak because its stack stays mapped and known to the leak checker.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/clock.h"
#include "aidb/base/random.h"
#include "aidb/base/sync.h"
#include "aidb/io/sim/fiber_stacks.h"
#include "aidb/io/sim/trace.h"

namespace aidb::io {

struct SchedulerOptions {
  // One call on the world in this many really goes on with a fiber drawn anew; 1: each.
  uint32_t switch_one_in = 3;
  // One wait in this many returns without a reason; 0: none, so that no spurious wake-up
  // hides a lost one.
  uint32_t spurious_wake_one_in = 0;
  // More calls on the world than this means that no progress is made any more.
  uint64_t steps_max = 20'000'000;
  Duration time_max = std::chrono::hours(24);
  // Sanitizers triple a frame. Only touched pages cost memory.
  size_t stack_bytes = 256 * 1024;
  // What becomes of fibers when the world dies.
  enum class Death : unsigned char {
    kUnwind,   // As above.
    kAbandon,  // Every fiber is parked: no engine code runs at all, and all its memory is lost.
  };
  Death death = Death::kUnwind;
};

enum class RunEnd : unsigned char {
  kFinished,   // The first fiber and all tasks returned.
  kKilled,     // Kill was called.
  kDeadlock,   // Nobody is ready, nobody sleeps, and work is left.
  kStepLimit,  // steps_max: somebody spins.
  kTimeLimit,  // time_max: somebody only ever sleeps.
};

struct RunReport {
  RunEnd end = RunEnd::kFinished;
  // For all but kFinished: each live fiber, and what it waits for. One per line.
  std::string fibers;
  // Fibers that died inside a destructor, and so kept their memory.
  int parked_fibers = 0;

  bool finished() const { return end == RunEnd::kFinished; }
};

// Thread safety: none; this is the only thread.
// Lifetime: outlives every task and every lock used in it.
class SimScheduler final : public SyncHook {
 public:
  using FiberId = uint32_t;

  SimScheduler(uint64_t seed, const SchedulerOptions& options, FiberStackPool& stacks,
               SimTrace& trace);
  ~SimScheduler() override;

  // Runs `main` as the first fiber until it and all fibers it started have ended, or the world
  // died. May be called again unless the world died. Worlds nest: a fiber, or a callback on
  // one, may run another world to its end.
  RunReport Run(std::function<void()> main);

  // Stops every fiber where it stands, the caller included: its next call does not return.
  void Kill() { Die(RunEnd::kKilled); }
  bool dead() const { return dead_; }
  // Called once, at the instant of death, before any fiber is unwound.
  void set_on_death(std::function<void()> callback) { on_death_ = std::move(callback); }

  // From here on the calls are made by fibers; outside Run they act at once and never block.

  FiberId Start(std::string_view name, std::function<void()> body);
  enum class From : unsigned char {
    kCall,
    kDestructor,  // Never throws: a fiber that dies here goes on to the end of the destructor.
  };
  void Join(FiberId fiber, From from);

  Instant Now();
  Instant PeekNow() const { return now_; }  // Without a choice, a creep or a trace.
  void SleepFor(Duration duration);
  // A place where others may run. Does not return on a fiber that is being killed, except from
  // a destructor.
  void Point(From from = From::kCall);

  // While one exists, the code of a test runs on a fiber: no switches, no steps, no tracing.
  class Pause {
   public:
    explicit Pause(SimScheduler& scheduler) : scheduler_(scheduler) { ++scheduler_.paused_; }
    ~Pause() { --scheduler_.paused_; }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    SimScheduler& scheduler_;
  };
  bool paused() const { return paused_ > 0; }
  uint64_t steps() const { return steps_; }

  void Lock(SyncWord& mutex) override;
  bool TryLock(SyncWord& mutex) override;
  void Unlock(SyncWord& mutex) override;
  bool Wait(SyncWord& cond, SyncWord& mutex, Instant deadline) override;
  void Notify(SyncWord& cond, bool all) override;
  void Yield() override;

 private:
  struct Fiber;
  enum class State : unsigned char { kReady, kBlocked, kDone, kParked };
  enum class WaitsFor : unsigned char { kNothing, kMutex, kCondition, kTask, kTime };

  static void Enter(void* fiber);
  static void OnTerminate();

  bool OnFiber() const;
  uint64_t OwnerMark() const;
  // Choosing.
  Fiber* PickNext();
  void SwitchTo(Fiber& to);
  void Block(WaitsFor what, const void* subject, Instant deadline);
  void MakeReady(Fiber& fiber);
  void RemoveFromReady(Fiber& fiber);
  void AdvanceTo(Instant time);
  void WakeBlocked(WaitsFor what, const void* subject, bool all);
  void AcquireNow(SyncWord& mutex);
  void Release(SyncWord& mutex);
  // Dying.
  void Die(RunEnd end);
  void Perish(From from);
  void LockWhileDying(SyncWord& mutex);
  void KillAll();
  bool DriveToDeath(Fiber& fiber);
  [[noreturn]] void Park(Fiber& fiber);
  [[noreturn]] void LeaveForEver(Fiber& fiber);
  void RecycleEnded();
  std::string Describe() const;
  std::string_view NameOf(FiberId fiber) const;

  const SchedulerOptions options_;
  FiberStackPool& stacks_;
  SimTrace& trace_;
  Rng rng_;
  std::vector<std::unique_ptr<Fiber>> fibers_;  // By id.
  std::vector<Fiber*> ready_;                   // Order: by history, so the same for each seed.
  std::vector<Fiber*> blocked_;
  std::unique_ptr<Fiber> root_;  // Whoever called Run.
  Fiber* current_;
  Fiber* ended_ = nullptr;  // Its stack is given back by whoever runs next.
  Instant now_{1'000'000'000};
  Instant next_deadline_ = Instant::Never();
  uint64_t steps_ = 0;
  int paused_ = 0;
  bool dead_ = false;
  bool running_ = false;
  RunReport report_;
  std::function<void()> on_death_;
  std::terminate_handler previous_terminate_ = nullptr;
};

}  // namespace aidb::io
