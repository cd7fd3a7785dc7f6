#pragma once

// One flow of control with a stack of its own, and the switch between two of them: 20 lines of
// assembly borrowed from Boost.Context (fcontext), plus what a C++ runtime keeps per thread and
// must keep per fiber: the chain of exceptions in flight, and the sanitizers' view of the stack.
//
// Not boost::context::fiber: destroying one of those unwinds it with an exception, which is
// the one thing a killed process must not do on its own accord.

#include <cstddef>

#include "aidb/io/sim/fiber_stacks.h"

namespace aidb::io {

// Thread safety: none.
class FiberContext {
 public:
  enum class Leaving : unsigned char {
    kForNow,
    kForEver,  // Never switched to again; its stack may be given away after the switch.
  };

  // The caller's own stack: something to come back to.
  FiberContext() = default;
  FiberContext(const FiberContext&) = delete;
  FiberContext& operator=(const FiberContext&) = delete;

  // Makes this a new flow: the first switch to it calls entry(argument), which never returns.
  void Prepare(FiberStack stack, void (*entry)(void*), void* argument);
  // Stops here and goes on in `to`. Returns when somebody switches back to `from`.
  static void Switch(FiberContext& from, FiberContext& to, Leaving leaving);
  // After the last switch away: frees what the tools keep for this flow.
  void Release();
  // After the last switch away from a flow that has not ended: it stays as it is for ever, and
  // what it holds counts as held.
  void Abandon();

  FiberStack stack() const { return stack_; }

 private:
  struct Access;  // The parts that name Boost's types.

  // The part of __cxa_eh_globals that the ABI fixes: exceptions caught, and how many in flight.
  struct Exceptions {
    void* caught = nullptr;
    unsigned int uncaught = 0;
  };

  void* context_ = nullptr;
  FiberStack stack_;
  const void* stack_base_ = nullptr;  // As the sanitizer knows it; learned for a caller's stack.
  size_t stack_size_ = 0;
  void* fake_frames_ = nullptr;
  void* thread_ = nullptr;
  Exceptions exceptions_;
  FiberContext* target_ = nullptr;
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
};

}  // namespace aidb::io
