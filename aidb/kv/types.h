#pragma once

#include <cstdint>
#include <string_view>

namespace aidb::kv {

// The number of a write. Every operation of a batch takes one; they rise without a gap and
// become visible in order. 0 is "before the first write"; at most 2^56 - 1.
enum class Sequence : uint64_t {};

inline constexpr Sequence kSequenceNone{0};
inline constexpr Sequence kSequenceMax{(uint64_t{1} << 56) - 1};

constexpr uint64_t ToNumber(Sequence sequence) { return static_cast<uint64_t>(sequence); }
constexpr Sequence operator+(Sequence sequence, uint64_t n) {
  return Sequence{ToNumber(sequence) + n};
}

// What an operation does to its key. The numbers are part of the log and table formats
// (docs/formats); 0 is never valid, so zeros never decode. A reader that meets a kind it does
// not know refuses the file: it was written by a newer version.
enum class OpKind : uint8_t {
  kPut = 1,
  kDelete = 2,
  kPutExpiring = 5,  // A put with the instant from which its value is absent.
  kMerge = 3,        // An operand: changes what its key holds, and hides nothing.
  kDeleteRange = 4,  // A delete of all keys in a range.
  // Reserved in the formats, not written yet, but for the last:
  kSingleDelete = 6,
  kPutReference = 7,
  kPutReferenceExpiring = 8,
  kMergeExpiring = 9,
  kPrepare = 12,
  kCommit = 13,
  kRollback = 14,
  kNote = 15,  // In logs and feeds alone: what happened there that is no write (ingester.h).
};

// Whether the operation carries an instant `expires_at_ms`: milliseconds since 1970 by the wall
// clock, eight bytes in each format.
constexpr bool Expires(OpKind kind) { return kind == OpKind::kPutExpiring; }
// Whether stores write operations of this kind.
constexpr bool IsStored(OpKind kind) {
  return kind == OpKind::kPut || kind == OpKind::kDelete || kind == OpKind::kPutExpiring ||
         kind == OpKind::kMerge || kind == OpKind::kDeleteRange;
}

// How an operand of a merge changes what its key holds (merge.h). Each is total: whatever the
// bytes, there is a value. From kUserMergeMin on they are the user's.
enum class MergeOperator : uint8_t {
  kAddI64 = 1,  // Decimal numbers, added with wrap-around; bytes that are none count as 0.
  kAppend = 2,
  kMax = 3,  // In byte order; from nothing, the operand.
  kMin = 4,
};
inline constexpr uint8_t kUserMergeMin = 128;

constexpr bool IsBuiltIn(MergeOperator op) {
  return op >= MergeOperator::kAddI64 && op <= MergeOperator::kMin;
}
constexpr bool IsUsers(MergeOperator op) { return static_cast<uint8_t>(op) >= kUserMergeMin; }

inline constexpr uint64_t kKeyBytesMax = uint64_t{1} << 20;  // 1 MiB.
inline constexpr uint32_t kBatchOperationsMax = uint32_t{1} << 31;

}  // namespace aidb::kv
