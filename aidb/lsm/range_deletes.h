#pragma once

// Range deletes as memtables, tables and merges look at them: cut into fragments.
//
//   written        [a ──────── 7 ──────── m)
//                         [f ──── 9 ──── k)
//   fragments      [a  7 )[f   9, 7     k)[k 7 m)
//
// Fragments share no key and stand in key order, so that one search finds what covers a key. A
// range delete of sequence s hides every version below s of the keys that it covers, from readers
// that stand at s or behind it.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/lsm/block_reader.h"
#include "aidb/lsm/entry.h"

namespace aidb::lsm {

// The keys in [begin, end), which are some.
struct RangeDelete {
  std::string_view begin;
  std::string_view end;
  Sequence sequence{};
};

// One of the range deletes that cover a fragment.
struct RangeDeleteVersion {
  Sequence sequence{};
  const RangeDeleteVersion* older = nullptr;
  // In a memtable: whether it holds, of keys that this covers, versions above `sequence`. Set
  // before a reader can see such a version. In a table: false if it holds nothing newer at all.
  mutable std::atomic<bool> hides_not_all{true};
};

struct RangeDeleteFragment {
  std::string_view begin;
  std::string_view end;
  const RangeDeleteVersion* newest = nullptr;

  // The newest one not above `at`; null if there is none.
  const RangeDeleteVersion* VersionAt(Sequence at) const {
    const RangeDeleteVersion* version = newest;
    while (version != nullptr && version->sequence > at) version = version->older;
    return version;
  }
};

// Fragments in key order.
//
// Thread safety: immutable, but for the flag of RangeDeleteVersion.
// Lifetime: a view.
class RangeDeletes {
 public:
  RangeDeletes() = default;
  explicit RangeDeletes(std::span<const RangeDeleteFragment> fragments) : fragments_(fragments) {}

  bool empty() const { return fragments_.empty(); }
  std::span<const RangeDeleteFragment> fragments() const { return fragments_; }
  // Index of the first fragment that does not end before `key`, or at it.
  size_t IndexFor(std::string_view key) const;
  // The one that covers `key`, or null.
  const RangeDeleteFragment* FragmentFor(std::string_view key) const;
  // The newest sequence not above `at` that covers `key`; kSequenceNone if there is none.
  Sequence Covering(std::string_view key, Sequence at) const;
  // Whether a version above `since` covers a key in [lower, upper); if so, the first such key.
  std::optional<std::string_view> FirstAbove(Sequence since, std::string_view lower,
                                             const std::optional<std::string>& upper) const;
  // Each version of each fragment not above `at`, for a merge.
  void AppendTo(std::vector<RangeDelete>& deletes, Sequence at = kv::kSequenceMax) const;

 private:
  std::span<const RangeDeleteFragment> fragments_;
};

// Those of a batch, encoded as kv::WriteBatch has it, whose first operation is at `first`; up to
// the first that does not decode.
std::vector<RangeDelete> RangeDeletesIn(std::string_view operations, Sequence first);

// A fragment by itself.
struct OwnedFragment {
  std::string begin;
  std::string end;
  std::vector<Sequence> sequences;  // Newest first.

  bool operator==(const OwnedFragment&) const = default;
};

// How many snapshots are older than `sequence`: readers of equal numbers see the same version.
size_t IntervalOf(std::span<const Sequence> snapshots, Sequence sequence);

// The fragments of `deletes`, in whatever order they come. Of the versions of each the newest in
// every interval between `snapshots`, which ascend: the others hide nothing that it does not.
std::vector<OwnedFragment> Fragmented(std::span<const RangeDelete> deletes,
                                      std::span<const Sequence> snapshots);

// Fragments that somebody owns: those of an open table.
//
// Thread safety: immutable.
// Lifetime: what deletes() returns lives as long as this.
class RangeDeleteList {
 public:
  // `newest`: nothing that they could hide is newer.
  explicit RangeDeleteList(std::vector<OwnedFragment> fragments,
                           Sequence newest = kv::kSequenceMax);
  RangeDeleteList(const RangeDeleteList&) = delete;
  RangeDeleteList& operator=(const RangeDeleteList&) = delete;

  // From a block of kind kRangeDeletes: an entry for each version of each fragment, the key is
  // where it begins, the value where it ends. kCorruption when it holds anything else.
  static Result<std::shared_ptr<const RangeDeleteList>> Decode(const EntryBlock& block,
                                                               Sequence newest = kv::kSequenceMax);

  RangeDeletes deletes() const { return RangeDeletes(fragments_); }
  // Of all fragments; at least 1.
  uint64_t versions() const { return version_count_; }
  Sequence lowest() const { return lowest_; }
  Sequence highest() const { return highest_; }
  size_t memory_bytes() const;

 private:
  const std::vector<OwnedFragment> owned_;
  std::unique_ptr<RangeDeleteVersion[]> versions_;
  std::vector<RangeDeleteFragment> fragments_;
  uint64_t version_count_ = 0;
  Sequence lowest_ = kv::kSequenceMax;
  Sequence highest_ = kv::kSequenceNone;
};

// The bounds of a table include what its range deletes cover. Its last key is a key that nothing
// in it lies behind, so where the last range ends: the key in front of `end` if there is a short
// one, as `end` is where an output of a merge was cut, else `end` itself, which is one too many.
std::string LastKeyOf(std::string_view end);
// Whether a range that ends at `end` may cover a key behind `key`.
bool LiesBehind(std::string_view end, std::string_view key);

}  // namespace aidb::lsm
