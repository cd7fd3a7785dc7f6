#pragma once

// A table file (NNNNNN.sst) outside of its blocks' entries:
//
//   [data blocks][range deletes?][filter partitions][index partitions][index root]
//   [properties][meta index][footer]
//
// Every stored block is followed by a trailer of 9 bytes:
//
//   0 u32 raw_size   bytes when unpacked
//   4 u8  type       low 4 bits: codec (0 none, 1 snappy, 2 lz4, 3 zstd); high 4 bits: BlockKind
//   5 u32 checksum   masked crc32c over u64 salt, u64 block offset, stored bytes, raw_size, type
//
// so that a block that is misread, misplaced, of another table or of another kind fails its
// check. The footer is the last 48 bytes:
//
//    0 u64 index root offset     8 u32 its stored size
//   12 u64 meta index offset    20 u32 its stored size
//   24 u64 salt                 random per table, repeated in the manifest
//   32 u16 format: 1, 2 if the table has range deletes, 3 if it has operands
//                               34 u8 index levels = 2     35 u8 encryption key id = 0
//   36 u32 crc32c over footer bytes 0..35 and the u64 file size
//   40 u64 magic "AIDBSST1"
//
// docs/formats/table.md says the same at length.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/kv/options.h"
#include "aidb/lsm/block_format.h"
#include "aidb/lsm/block_reader.h"
#include "aidb/lsm/entry.h"
#include "aidb/lsm/table_facts.h"

namespace aidb::lsm {

inline constexpr size_t kTrailerBytes = 9;
inline constexpr size_t kFooterBytes = 48;
inline constexpr uint16_t kTableFormat = 1;
// Of a table with range deletes, which a reader that does not know them must not read: it would
// show what they hide. Such a table may have no entries; it has no index root then, and the
// handle's size is 0.
inline constexpr uint16_t kTableFormatRangeDeletes = 2;
// Of a table with operands of merges, and with range deletes or without: a reader that does not
// know them must not open it.
inline constexpr uint16_t kTableFormatOperands = 3;
constexpr uint16_t TableFormatFor(const TableFacts& facts) {
  if (facts.operands > 0) return kTableFormatOperands;
  return facts.range_deletes > 0 ? kTableFormatRangeDeletes : kTableFormat;
}
inline constexpr uint8_t kIndexLevels = 2;
// Names of properties and of meta index entries that begin so must be understood by whoever
// reads the table; others may be passed over.
inline constexpr char kRequiredMark = '!';

// A key for a message: quoted, escaped, at most 48 bytes of it.
std::string KeyText(std::string_view key);

// Where a stored block lies; its trailer follows.
struct BlockHandle {
  uint64_t offset = 0;
  uint64_t size = 0;  // Stored bytes, without the trailer.

  bool operator==(const BlockHandle&) const = default;
};

// The trailer of `stored`, which goes to `offset`.
std::string EncodeTrailer(uint64_t salt, uint64_t offset, std::string_view stored,
                          uint32_t raw_size, kv::Compression codec, BlockKind kind);

struct BlockTrailer {
  uint32_t raw_size;
  kv::Compression codec;
};
// Checks `stored_and_trailer`, read at `offset`, and that it is a block of `kind`. kCorruption
// saying what was expected and found.
Result<BlockTrailer> CheckTrailer(uint64_t salt, uint64_t offset,
                                  std::string_view stored_and_trailer, BlockKind kind);

// Looks for the end of a block whose beginning is known: byte by byte, until the bytes behind are
// its trailer.
class TrailerSearch {
 public:
  TrailerSearch(uint64_t salt, uint64_t offset);
  void Extend(char stored);
  // The kind of the block that ends here, if `trailer`, of kTrailerBytes, is its trailer.
  std::optional<BlockKind> KindIfTrailer(std::string_view trailer) const;

 private:
  uint32_t crc_;
};

struct Footer {
  BlockHandle index_root = {};
  BlockHandle meta_index = {};
  uint64_t salt = 0;
  uint16_t format = kTableFormat;
};
std::string EncodeFooter(const Footer& footer, uint64_t file_bytes);
// `bytes` are the last kFooterBytes of a file of `file_bytes`. The handles it gives lie inside.
Result<Footer> DecodeFooter(std::string_view bytes, uint64_t file_bytes);

// Whether block and trailer lie in the part of a file of `file_bytes` that is before its footer.
bool HandleFits(BlockHandle handle, uint64_t file_bytes);

// An entry of the index: its key is the first key of the child, or, where that is longer than
// kIndexKeyBytesMax, a shorter one above every key before the child and not above any in it.
//
//   varint offset | varint size | u8 share | u8 flags | root only: varint filter offset, size
struct IndexEntry {
  BlockHandle child = {};
  // Deletes and entries that expire among the entries below, in 255ths, rounded up.
  uint8_t delete_share = 0;
  bool exact = false;       // The key is the child's first key.
  bool continued = false;   // Versions of that key stand at the end of the child before, too.
  BlockHandle filter = {};  // Root only; size 0 = none.
};
inline constexpr size_t kIndexKeyBytesMax = 64;

enum IndexFlags : uint8_t { kExactKey = 1, kContinued = 2, kKnownIndexFlags = 3 };

// `kind` is kIndex or kIndexRoot.
std::string EncodeIndexEntry(const IndexEntry& entry, BlockKind kind);
// Nothing when the bytes are no such entry or a handle does not fit the file.
std::optional<IndexEntry> DecodeIndexEntry(std::string_view value, BlockKind kind,
                                           uint64_t file_bytes);

// The child in which the versions of `key` begin if the table has any; nothing when the key
// lies before the first child.
std::optional<size_t> ChildOf(const EntryBlock& index, std::string_view key);

// What a table says of itself, for a repair without manifest.
struct TableProperties {
  TableFacts facts = {};  // Without size_bytes and crc, which the file cannot hold.
  kv::Compression codec{};
  int filter_bits_per_key = 0;
  int level = 0;     // At birth.
  uint64_t run = 0;  // At birth.
  // Of the entries that expire; both 0 when there are none.
  uint64_t expiry_lowest_ms = 0;
  uint64_t expiry_highest_ms = 0;
  std::string writer = {};
};
// The properties block, unpacked.
std::string EncodeProperties(const TableProperties& properties);
Result<TableProperties> DecodeProperties(const EntryBlock& block);

inline constexpr std::string_view kPropertiesName = "properties";
inline constexpr std::string_view kRangeDeletesName = "!range_deletes";
// Where each further block lies.
struct MetaIndex {
  BlockHandle properties = {};
  std::optional<BlockHandle> range_deletes = std::nullopt;
};
// Unpacked, by name.
std::string EncodeMetaIndex(const MetaIndex& meta);
Result<MetaIndex> DecodeMetaIndex(const EntryBlock& block, uint64_t file_bytes);

}  // namespace aidb::lsm
