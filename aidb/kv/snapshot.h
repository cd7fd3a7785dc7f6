#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "aidb/kv/types.h"

namespace aidb::kv {

// What a backend keeps for a live snapshot; destroyed with it, on any thread.
class SnapshotState {
 public:
  virtual ~SnapshotState() = default;
  virtual Sequence sequence() const = 0;
  virtual uint64_t now_ms() const = 0;
  // Identifies the store that made it: another store refuses the snapshot with
  // kInvalidArgument. The address must not be used again while the snapshot lives.
  virtual const void* owner() const = 0;
};

// The state of a store after one sequence. Every read through it repeats for ever: across
// writes, flush, compaction, and the Close of other handles; expiry is judged by the clock at its
// creation. Not persistent.
//
// Thread safety: a move-only value; const methods may run concurrently.
// Lifetime: may outlive Close and the store; reads then give kUnavailable. One taken after Close
// serves no read.
class Snapshot {
 public:
  explicit Snapshot(std::unique_ptr<const SnapshotState> state) : state_(std::move(state)) {}

  Sequence sequence() const { return state_->sequence(); }
  // The clock at its creation, by which reads through it judge expiry: milliseconds since 1970.
  uint64_t now_ms() const { return state_->now_ms(); }
  const SnapshotState& state() const { return *state_; }

 private:
  std::unique_ptr<const SnapshotState> state_;
};

}  // namespace aidb::kv
