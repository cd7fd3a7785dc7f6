#pragma once

// The bytes of a block of entries (data, range deletes, index, properties, meta index), unpacked:
//
//    0 u16 n            entries, at least 1
//    2 u8  flags        BlockFlags below; a bit that has no name here is refused
//    3 u8  interval     restart interval, 1..16
//    4 u16 common       bytes that all keys share
//    6 u64 base         lowest sequence
//   14 common bytes | u8 tag[n] if kTags | u64 prefix[n] | u16 or u32 offset[n] | entries
//
//   entry i: varint suffix_len      key bytes behind the common ones
//            [varint shared]        only if i mod interval != 0
//            rest                   key bytes behind the 8 prefix bytes, without the first `shared`
//                                   ones, which are those of entry i-1's rest
//            varint (sequence - base) << 4 | kind        u8 kind if kOneSequence
//            [u64 expires_at_ms]    if the kind has one
//            varint value_len, value
//
// prefix[i] is the 8 key bytes behind the common ones as a number (first byte highest, short
// keys padded with zeros), so that numbers order as keys do; suffix_len settles ties. tag[i] is
// the top byte of the key's hash. offset[i] counts from the first byte behind the offsets.
// Entries stand in internal order: keys ascending, versions of a key from new to old.
//
// Why not LevelDB's restart points: a Get compares tags, 16 to 64 in one instruction, and then
// as a rule one key; a Seek is a branchless search in an array of numbers. Neither decodes
// entries it does not want.

#include <cstddef>
#include <cstdint>

#include "aidb/kv/types.h"

namespace aidb::lsm {

// What a stored block is; the high half of its trailer's type byte.
enum class BlockKind : uint8_t {
  kData = 1,
  kRangeDeletes = 2,
  kFilter = 3,
  kIndex = 4,
  kIndexRoot = 5,
  kProperties = 6,
  kMetaIndex = 7,
};
inline constexpr size_t kBlockKinds = 8;  // Size of an array indexed by BlockKind.

enum BlockFlags : uint8_t {
  kWideOffsets = 1,       // Offsets are u32, not u16.
  kTags = 2,              // Tags are present: data blocks, and only those.
  kOneSequence = 4,       // Every sequence equals `base`.
  kHasDeletes = 8,        // Deletes, of ranges as well, operands, or entries that expire inside.
  kSeveralVersions = 16,  // Some key occurs more than once.
  kKnownBlockFlags = 31,
};

inline constexpr size_t kBlockHeaderBytes = 14;
inline constexpr size_t kBlockEntriesMax = 0xFFFF;
inline constexpr size_t kBlockCommonMax = 0xFFFF;
inline constexpr size_t kRestartInterval = 16;  // What the builder uses when not 1.
inline constexpr size_t kRestartIntervalMax = 16;
inline constexpr size_t kPrefixBytes = 8;

// The low half of an entry's word; the rest is its sequence.
inline constexpr int kKindBits = 4;

// What counts for kHasDeletes and for the shares in the index: what is no value, or will be none.
constexpr bool MayHide(kv::OpKind kind) {
  return kind == kv::OpKind::kDelete || kind == kv::OpKind::kDeleteRange ||
         kind == kv::OpKind::kMerge || kv::Expires(kind);
}

inline uint8_t TagOf(uint64_t hash) { return static_cast<uint8_t>(hash >> 56); }

}  // namespace aidb::lsm
