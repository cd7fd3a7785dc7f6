#include "aidb/lsm/table_format.h"

#include <array>
#include <cstdio>

#include "aidb/base/bytes.h"
#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/base/crc32c.h"
#include "aidb/base/escape.h"
#include "aidb/lsm/block_builder.h"
#include "aidb/lsm/codec.h"

namespace aidb::lsm {

namespace {

constexpr std::string_view kMagic = "AIDBSST1";
constexpr size_t kFooterChecked = 36;  // Bytes of the footer that its checksum covers.

std::string Hex(uint64_t number) {
  std::array<char, 20> text;
  std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(number));
  return text.data();
}

uint32_t TrailerChecksum(uint64_t salt, uint64_t offset, std::string_view stored,
                         std::string_view size_and_type) {
  char place[16];
  StoreLe(place, salt);
  StoreLe(place + 8, offset);
  const uint32_t crc = ExtendCrc32c(Crc32c({place, sizeof place}), stored);
  return MaskCrc(ExtendCrc32c(crc, size_and_type));
}

uint32_t FooterChecksum(std::string_view footer, uint64_t file_bytes) {
  char size[8];
  StoreLe(size, file_bytes);
  return ExtendCrc32c(Crc32c(footer.substr(0, kFooterChecked)), {size, sizeof size});
}

std::optional<BlockHandle> ReadHandle(ByteReader& reader) {
  const std::optional<uint64_t> offset = reader.Varint();
  const std::optional<uint64_t> size = reader.Varint();
  if (!offset || !size) return std::nullopt;
  return BlockHandle{*offset, *size};
}

void AppendHandle(std::string& to, BlockHandle handle) {
  AppendVarint(to, handle.offset);
  AppendVarint(to, handle.size);
}

}  // namespace

std::string KeyText(std::string_view key) {
  constexpr size_t kShownMax = 48;
  return '"' + EscapeForMessage(key, kShownMax) + '"';
}

std::string EncodeTrailer(uint64_t salt, uint64_t offset, std::string_view stored,
                          uint32_t raw_size, kv::Compression codec, BlockKind kind) {
  std::string trailer;
  AppendLe(trailer, raw_size);
  trailer.push_back(
      static_cast<char>(static_cast<unsigned>(codec) | static_cast<unsigned>(kind) << 4));
  AppendLe(trailer, TrailerChecksum(salt, offset, stored, trailer));
  return trailer;
}

TrailerSearch::TrailerSearch(uint64_t salt, uint64_t offset) {
  char place[16];
  StoreLe(place, salt);
  StoreLe(place + 8, offset);
  crc_ = Crc32c({place, sizeof place});
}

void TrailerSearch::Extend(char stored) { crc_ = ExtendCrc32c(crc_, {&stored, 1}); }

std::optional<BlockKind> TrailerSearch::KindIfTrailer(std::string_view trailer) const {
  const auto type = static_cast<uint8_t>(trailer[4]);
  const auto kind = type >> 4;
  if ((type & 0xF) > static_cast<unsigned>(kv::Compression::kZstd)) return std::nullopt;
  if (kind < 1 || kind >= static_cast<int>(kBlockKinds)) return std::nullopt;
  const uint32_t crc = MaskCrc(ExtendCrc32c(crc_, trailer.substr(0, 5)));
  if (crc != LoadLe<uint32_t>(trailer.data() + 5)) return std::nullopt;
  return static_cast<BlockKind>(kind);
}

Result<BlockTrailer> CheckTrailer(uint64_t salt, uint64_t offset,
                                  std::string_view stored_and_trailer, BlockKind kind) {
  AIDB_CHECK(stored_and_trailer.size() >= kTrailerBytes);
  const size_t stored_bytes = stored_and_trailer.size() - kTrailerBytes;
  const std::string_view stored = stored_and_trailer.substr(0, stored_bytes);
  const std::string_view trailer = stored_and_trailer.substr(stored_bytes);
  const uint32_t expected = TrailerChecksum(salt, offset, stored, trailer.substr(0, 5));
  const auto found = LoadLe<uint32_t>(trailer.data() + 5);
  if (expected != found && !AIDB_CANARY_HIT(kBlockNotChecked)) {
    return Corruption("block checksum is " + Hex(found) + ", its bytes give " + Hex(expected));
  }
  const auto type = static_cast<uint8_t>(trailer[4]);
  if (type >> 4 != static_cast<uint8_t>(kind)) {
    return Corruption("block is of kind " + std::to_string(type >> 4) + ", expected " +
                      std::to_string(static_cast<int>(kind)));
  }
  if (!IsKnownCodec(type & 15)) {
    return Corruption("block codec " + std::to_string(type & 15) +
                      " is not known: written by a newer version");
  }
  const BlockTrailer result{LoadLe<uint32_t>(trailer.data()),
                            static_cast<kv::Compression>(type & 15)};
  AIDB_RETURN_IF_ERROR(CheckRawSize(result.codec, stored_bytes, result.raw_size));
  return result;
}

bool HandleFits(BlockHandle handle, uint64_t file_bytes) {
  constexpr uint64_t kAround = kFooterBytes + kTrailerBytes;
  return file_bytes >= kAround && handle.offset <= file_bytes - kAround &&
         handle.size <= file_bytes - kAround - handle.offset;
}

std::string EncodeFooter(const Footer& footer, uint64_t file_bytes) {
  std::string bytes;
  AppendLe<uint64_t>(bytes, footer.index_root.offset);
  AppendLe<uint32_t>(bytes, static_cast<uint32_t>(footer.index_root.size));
  AppendLe<uint64_t>(bytes, footer.meta_index.offset);
  AppendLe<uint32_t>(bytes, static_cast<uint32_t>(footer.meta_index.size));
  AppendLe<uint64_t>(bytes, footer.salt);
  AppendLe<uint16_t>(bytes, footer.format);
  AppendLe<uint8_t>(bytes, kIndexLevels);
  AppendLe<uint8_t>(bytes, 0);  // Encryption key id.
  AppendLe<uint32_t>(bytes, FooterChecksum(bytes, file_bytes));
  bytes += kMagic;
  return bytes;
}

Result<Footer> DecodeFooter(std::string_view bytes, uint64_t file_bytes) {
  if (bytes.size() != kFooterBytes) {
    return Corruption("file of " + std::to_string(file_bytes) + " bytes is too short for a table");
  }
  if (bytes.substr(40) != kMagic) {
    return Corruption("footer ends with " + KeyText(bytes.substr(40)) + ", expected " +
                      KeyText(kMagic) + ": not a table, or cut short");
  }
  const uint32_t expected = FooterChecksum(bytes, file_bytes);
  const auto found = LoadLe<uint32_t>(bytes.data() + kFooterChecked);
  if (found != expected) {
    return Corruption("footer checksum is " + Hex(found) + ", its bytes give " + Hex(expected));
  }
  const auto format = LoadLe<uint16_t>(bytes.data() + 32);
  const auto levels = static_cast<uint8_t>(bytes[34]);
  const auto key_id = static_cast<uint8_t>(bytes[35]);
  const bool known = format >= kTableFormat && format <= kTableFormatOperands;
  if (!known || levels != kIndexLevels || key_id != 0) {
    return InvalidArgument("table format " + std::to_string(format) + ", index levels " +
                           std::to_string(levels) + ", encryption key " + std::to_string(key_id) +
                           "; this version reads 1 to 3, 2, 0: written by a newer version");
  }
  const Footer footer{
      .index_root = {LoadLe<uint64_t>(bytes.data()), LoadLe<uint32_t>(bytes.data() + 8)},
      .meta_index = {LoadLe<uint64_t>(bytes.data() + 12), LoadLe<uint32_t>(bytes.data() + 20)},
      .salt = LoadLe<uint64_t>(bytes.data() + 24),
      .format = format};
  if (!HandleFits(footer.index_root, file_bytes) || !HandleFits(footer.meta_index, file_bytes)) {
    return Corruption("footer names blocks outside of the file");
  }
  return footer;
}

std::string EncodeIndexEntry(const IndexEntry& entry, BlockKind kind) {
  std::string value;
  AppendHandle(value, entry.child);
  value.push_back(static_cast<char>(entry.delete_share));
  value.push_back(
      static_cast<char>((entry.exact ? kExactKey : 0) | (entry.continued ? kContinued : 0)));
  if (kind == BlockKind::kIndexRoot) AppendHandle(value, entry.filter);
  return value;
}

std::optional<IndexEntry> DecodeIndexEntry(std::string_view value, BlockKind kind,
                                           uint64_t file_bytes) {
  ByteReader reader(value);
  const std::optional<BlockHandle> child = ReadHandle(reader);
  const std::optional<uint8_t> share = reader.Le<uint8_t>();
  const std::optional<uint8_t> flags = reader.Le<uint8_t>();
  if (!child || !share || !flags || (*flags & ~kKnownIndexFlags) != 0) return std::nullopt;
  IndexEntry entry{.child = *child,
                   .delete_share = *share,
                   .exact = (*flags & kExactKey) != 0,
                   .continued = (*flags & kContinued) != 0,
                   .filter = {}};
  if (kind == BlockKind::kIndexRoot) {
    const std::optional<BlockHandle> filter = ReadHandle(reader);
    if (!filter || (filter->size != 0 && !HandleFits(*filter, file_bytes))) return std::nullopt;
    entry.filter = *filter;
  }
  if (!reader.empty() || !HandleFits(entry.child, file_bytes)) return std::nullopt;
  return entry;
}

std::optional<size_t> ChildOf(const EntryBlock& index, std::string_view key) {
  // All index entries have sequence 0, so this is the first whose key is not below `key`.
  const size_t at = index.LowerBound(key, kv::kSequenceMax);
  if (at < index.entries() && index.KeyEquals(at, key)) {
    const std::string_view value = index.At(at).value;
    ByteReader reader(value);
    const bool whole = ReadHandle(reader) && reader.Le<uint8_t>();
    const std::optional<uint8_t> flags = whole ? reader.Le<uint8_t>() : std::nullopt;
    if (!flags || (*flags & kContinued) == 0) return at;
  }
  if (at == 0) return std::nullopt;
  return at - 1;
}

std::string EncodeMetaIndex(const MetaIndex& meta) {
  BlockBuilder builder(BlockTags::kAbsent);
  std::string range_deletes;
  if (meta.range_deletes) {
    AppendHandle(range_deletes, *meta.range_deletes);
    builder.Add(kRangeDeletesName, range_deletes);
  }
  std::string properties;
  AppendHandle(properties, meta.properties);
  builder.Add(kPropertiesName, properties);
  return std::string(builder.Finish());
}

Result<MetaIndex> DecodeMetaIndex(const EntryBlock& block, uint64_t file_bytes) {
  std::optional<BlockHandle> properties;
  MetaIndex meta;
  for (size_t i = 0; i < block.entries(); ++i) {
    const std::string name = block.KeyAt(i);
    if (name == kPropertiesName || name == kRangeDeletesName) {
      ByteReader reader(block.At(i).value);
      const auto handle = ReadHandle(reader);
      if (!handle || !reader.empty() || !HandleFits(*handle, file_bytes)) {
        return Corruption("meta index has a bad handle for " + KeyText(name));
      }
      (name == kPropertiesName ? properties : meta.range_deletes) = handle;
    } else if (name.starts_with(kRequiredMark)) {
      return Corruption("meta index requires " + KeyText(name) +
                        ", which this version does not know: written by a newer version");
    }
  }
  if (!properties) return Corruption("meta index names no properties");
  meta.properties = *properties;
  return meta;
}

}  // namespace aidb::lsm
