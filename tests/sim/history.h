#pragma once

// What the writers know, and which states of the store it allows.
//
// Sequence numbers are the key: Write returns the last one of its batch, so the place of every
// acknowledged batch in history is known exactly. A batch whose writer got no answer (it was in
// flight at the crash, or failed with an unknown outcome) has none; where it may stand are the
// gaps that the others leave:
//
//      1 ........ solid_                                        S, the store's last sequence
//      |aaaaabbbccc|????|ddddd|??|eeee|???|
//                    ^ some batch without an answer fills this exactly, or history has a hole
//
// A store that says its last sequence is S is right when the gaps up to S can be tiled by such
// batches so that replaying history up to S gives what the store holds.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aidb/base/clock.h"
#include "aidb/base/result.h"
#include "aidb/kv/types.h"
#include "aidb/kv/write_batch.h"

#include "tests/sim/key_states.h"

namespace aidb::sim {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Thread safety: none.
class History {
 public:
  explicit History(int keys);

  // ---- What happens, as it happens.

  // The clock starts again: times of earlier batches mean nothing any more.
  void BeginProcess() { timed_from_ = static_cast<int>(batches_.size()); }
  int Begin(int writer, std::vector<Operation> operations, Instant now);
  // Likewise, of operations that take one sequence together: a range delete at most, then keys that
  // rise.
  int BeginIngest(int writer, std::vector<Operation> operations, Instant now);
  // `synced`: the write was to be durable when it returned. `clock`: what the store's may have
  // said during the call.
  void End(int batch, const Result<kv::Sequence>& result, bool synced, Instant now,
           ClockSpan clock = {});
  // Everything acknowledged up to here is on the disk.
  void NoteDurable(uint64_t sequence);
  // The store was opened again and holds history up to `last`, which took `tiling` (from Match):
  // the batches without an answer have one now, and what is beyond `last` was lost, as a failing
  // disk may.
  void Settle(uint64_t last, const std::vector<std::pair<uint64_t, int>>& tiling);

  // ---- What must and may be.

  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t durable() const { return durable_; }
  // The last sequence that must survive a power cut at `now` when un-synced writes reach the
  // disk at the latest `bound` after they were acknowledged.
  uint64_t DurableWithin(Duration bound, Instant now) const;
  // Likewise when only the span of what is lost is bounded, not its age: for failing disks.
  uint64_t DurableWithinSpan(Duration bound) const;

  struct Matched {
    std::optional<std::string> complaint;
    std::vector<std::pair<uint64_t, int>> tiling;  // First sequence and batch.
  };
  // Whether a store whose last sequence is `last`, and whose clock says `now_ms`, may hold
  // `contents`.
  Matched Match(uint64_t last, const Pairs& contents, uint64_t now_ms = 0) const;
  // Whether a read of `key`, begun when `acknowledged_before` was acknowledged, may have given
  // `value`: the version then newest, or a later one.
  std::optional<std::string> CheckRead(int key, const std::optional<std::string>& value,
                                       uint64_t acknowledged_before, ClockSpan clock = {}) const;
  // Whether `key` was ever seen to hold `value`, or could have been.
  bool EverHeld(int key, const std::string& value) const;
  // `batch` was to be written on the condition that nobody had written `keys` behind `since`:
  // whether it may have been, and whether a refusal had a reason.
  std::optional<std::string> CheckCondition(int batch, uint64_t since,
                                            std::span<const int> keys) const;
  bool MayBeRefused(int batch, uint64_t since, std::span<const int> keys) const;

  int keys() const { return static_cast<int>(names_.size()); }
  const std::string& name(int key) const { return names_[static_cast<size_t>(key)]; }
  std::optional<int> KeyNamed(std::string_view name) const;
  bool any_unknown() const { return !open_.empty(); }
  size_t batches() const { return batches_.size(); }
  kv::WriteBatch Encode(int batch) const;

 private:
  enum class Outcome : unsigned char { kOpen, kPresent, kAbsent };
  struct Batch {
    int writer = 0;
    std::vector<Operation> operations;
    bool one_sequence = false;  // Of all operations: an ingest.
    Outcome outcome = Outcome::kOpen;
    uint64_t first = 0;  // Known once present.
    Instant begin{};
    Instant end = Instant::Never();
    ClockSpan clock{.end_ms = UINT64_MAX};  // When its merges were folded.

    uint64_t count() const { return one_sequence ? 1 : operations.size(); }
    // Of operation i, if the batch begins at `from`.
    uint64_t SequenceOf(size_t i, uint64_t from) const { return from + (one_sequence ? 0 : i); }
    uint64_t last() const { return first + count() - 1; }
  };
  struct Version {
    uint64_t sequence;
    const Operation* operation;
    int batch;
  };
  struct Search;
  // What a key may hold, by which of the unknown batches have been taken by then.
  using Possible = std::map<uint32_t, KeyStates>;

  const Batch& At(int batch) const { return batches_[static_cast<size_t>(batch)]; }
  void Place(int batch, uint64_t first);
  // Of everything beyond `last`.
  void Forget(uint64_t last);
  bool MayStandAt(int batch, uint64_t first) const;
  void Tile(Search& search, uint64_t at) const;
  std::optional<std::string> Compare(const Search& search) const;
  // What `key` holds at `last`, if `tiles` are its versions in the gaps.
  KeyStates StatesOf(int key, uint64_t last, std::span<const Version> tiles) const;
  std::vector<int> OpenOn(int key) const;
  void Take(Possible& possible, const Version& version) const;
  void Spread(Possible& possible, int key, std::span<const int> unknown) const;

  std::vector<std::string> names_;  // In byte order.
  std::deque<Batch> batches_;       // Pointers into it stay valid.
  std::vector<int> open_;           // Batches without an answer, oldest first.
  std::vector<std::vector<int>> by_writer_;
  std::map<uint64_t, int> placed_;              // By first sequence, all that are present.
  std::vector<std::vector<Version>> versions_;  // By key, ascending.
  uint64_t solid_ = 0;                          // No gap up to here.
  uint64_t acknowledged_ = 0;                   // The largest sequence of an acknowledged batch.
  uint64_t durable_ = 0;
  int timed_from_ = 0;  // The first batch of this process.
};

}  // namespace aidb::sim
