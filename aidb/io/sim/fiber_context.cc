#include "aidb/io/sim/fiber_context.h"

#include <cxxabi.h>

#include <cstring>

#include <boost/context/detail/fcontext.hpp>

#include "aidb/io/sim/sanitizers.h"

namespace aidb::io {

namespace fcontext = boost::context::detail;

struct FiberContext::Access {
  // The first thing done on the stack that was switched to.
  static void Arrive(fcontext::transfer_t transfer, FiberContext& self) {
    FiberContext& previous = *static_cast<FiberContext*>(transfer.data);
    previous.context_ = transfer.fctx;
    sanitizers::EnterStack(self.fake_frames_, &previous.stack_base_, &previous.stack_size_);
  }
  static void Start(fcontext::transfer_t transfer) {
    FiberContext& self = *static_cast<FiberContext*>(transfer.data)->target_;
    Arrive(transfer, self);
    self.entry_(self.argument_);
  }
};

void FiberContext::Prepare(FiberStack stack, void (*entry)(void*), void* argument) {
  stack_ = stack;
  stack_base_ = stack.base;
  stack_size_ = stack.size;
  entry_ = entry;
  argument_ = argument;
  context_ = fcontext::make_fcontext(stack.base + stack.size, stack.size, &Access::Start);
  thread_ = sanitizers::MakeThread();
}

void FiberContext::Switch(FiberContext& from, FiberContext& to, Leaving leaving) {
  from.target_ = &to;
  if (from.thread_ == nullptr) from.thread_ = sanitizers::ThisThread();
  auto* const exceptions = abi::__cxa_get_globals();
  static_assert(sizeof(Exceptions) == 16);
  std::memcpy(static_cast<void*>(&from.exceptions_), exceptions, sizeof(Exceptions));
  std::memcpy(static_cast<void*>(exceptions), &to.exceptions_, sizeof(Exceptions));
  sanitizers::LeaveStack(leaving == Leaving::kForNow ? &from.fake_frames_ : nullptr, to.stack_base_,
                         to.stack_size_);
  sanitizers::BecomeThread(to.thread_);
  Access::Arrive(fcontext::jump_fcontext(to.context_, &from), from);
}

void FiberContext::Release() {
  if (thread_ != nullptr) sanitizers::EndThread(thread_);
  thread_ = nullptr;
}

void FiberContext::Abandon() { sanitizers::KeepAsRoot(stack_.base, stack_.size, fake_frames_); }

}  // namespace aidb::io
