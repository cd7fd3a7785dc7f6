// Tables, by the first byte: 0 a footer, with its checksum put right; 1 a properties block; 2 a
// meta index; 3 a list of patches (u16 offset, u8 byte) to a small table in which then every
// checksum is put right, so that what is behind the checksums is reached: it must be refused or
// read without harm; 4 the block of range deletes. What a salvage finds, before and after, is in
// order.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "aidb/base/crc32c.h"
#include "aidb/lsm/memory_files_for_test.h"
#include "aidb/lsm/salvaged_table.h"
#include "aidb/lsm/table_for_test.h"

namespace aidb::lsm {
namespace {

void PutFooterRight(std::string& footer, uint64_t file_bytes) {
  std::string checked = footer.substr(0, 36);
  AppendLe(checked, file_bytes);
  StoreLe(footer.data() + 36, Crc32c(checked));
}

void ReadFooter(std::string footer) {
  if (footer.size() != kFooterBytes) return;
  constexpr uint64_t kFileBytes = 1 << 16;
  footer.replace(40, 8, "AIDBSST1");
  PutFooterRight(footer, kFileBytes);
  const auto decoded = DecodeFooter(footer, kFileBytes);
  if (decoded.ok()) AIDB_CHECK(EncodeFooter(*decoded, kFileBytes) == footer);
}

void ReadProperties(std::string_view bytes) {
  const auto block = Block::Parse(BlockKind::kProperties, BlockBuffer::CopyOf(bytes));
  if (!block.ok()) return;
  const auto properties = DecodeProperties(block->entries());
  if (!properties.ok()) return;
  const auto again =
      Block::Parse(BlockKind::kProperties, BlockBuffer::CopyOf(EncodeProperties(*properties)));
  AIDB_CHECK(again.ok());
  const auto decoded = DecodeProperties(again->entries());
  AIDB_CHECK(decoded.ok() && decoded->facts == properties->facts);
}

void ReadMetaIndex(std::string_view bytes) {
  const auto block = Block::Parse(BlockKind::kMetaIndex, BlockBuffer::CopyOf(bytes));
  if (!block.ok()) return;
  const auto meta = DecodeMetaIndex(block->entries(), 1 << 16);
  if (!meta.ok()) return;
  AIDB_CHECK(HandleFits(meta->properties, 1 << 16));
  if (meta->range_deletes) AIDB_CHECK(HandleFits(*meta->range_deletes, 1 << 16));
}

// What decodes is a list of fragments, and a search in it finds what a walk over it does.
void ReadRangeDeletes(std::string_view bytes) {
  const auto block = Block::Parse(BlockKind::kRangeDeletes, BlockBuffer::CopyOf(bytes));
  if (!block.ok()) return;
  const auto list = RangeDeleteList::Decode(block->entries());
  if (!list.ok()) return AIDB_CHECK(list.status().code() == StatusCode::kCorruption);
  const RangeDeletes deletes = (*list)->deletes();
  AIDB_CHECK((*list)->versions() == block->entries().entries());
  std::string_view end;
  for (const RangeDeleteFragment& fragment : deletes.fragments()) {
    AIDB_CHECK(fragment.begin < fragment.end && end <= fragment.begin);
    end = fragment.end;
    AIDB_CHECK(deletes.Covering(fragment.begin, kv::kSequenceMax) == fragment.newest->sequence);
    const RangeDeleteFragment* const at_end = deletes.FragmentFor(fragment.end);
    AIDB_CHECK(at_end == nullptr || at_end->begin == fragment.end);
  }
}

BuiltTable Small() {
  std::vector<OwnedEntry> entries;
  for (int i = 100; i < 140; ++i) {
    entries.push_back({"key" + std::to_string(i), Sequence{static_cast<uint64_t>(i)},
                       i % 5 == 0 ? OpKind::kDelete : OpKind::kPut,
                       i % 5 == 0 ? "" : std::string(20, 'v')});
  }
  MemoryFile file{std::string()};
  TableBuilder builder(file, kTestNumber, kTestSalt,
                       {.block_bytes = 300, .compression = kv::Compression::kNone});
  for (const OwnedEntry& entry : entries) AIDB_CHECK(builder.Add(entry.view()).ok());
  AIDB_CHECK(builder.AddRangeDelete({"key110", "key115", Sequence{500}}).ok());
  AIDB_CHECK(builder.AddRangeDelete({"key110", "key115", Sequence{112}}).ok());
  AIDB_CHECK(builder.AddRangeDelete({"key115", "keyz", Sequence{130}}).ok());
  auto facts = builder.Finish();
  AIDB_CHECK(facts.ok());
  return {file.bytes(), *facts};
}

struct PlacedBlock {
  BlockHandle handle;
  BlockKind kind;
};

// Nothing is packed, so a block ends where a trailer with its size passes its check.
std::vector<PlacedBlock> BlocksOf(const std::string& table) {
  std::vector<PlacedBlock> blocks;
  const std::string_view all = std::string_view(table).substr(0, table.size() - kFooterBytes);
  for (size_t offset = 0; offset < all.size();) {
    for (size_t size = 1;; ++size) {
      const std::string_view stored = all.substr(offset, size + kTrailerBytes);
      const auto kind = static_cast<BlockKind>(static_cast<uint8_t>(stored[size + 4]) >> 4);
      if (LoadLe<uint32_t>(&stored[size]) != size) continue;
      if (!CheckTrailer(kTestSalt, offset, stored, kind).ok()) continue;
      blocks.push_back({{offset, size}, kind});
      offset += stored.size();
      break;
    }
  }
  return blocks;
}

void PutChecksumsRight(std::string& bytes, const std::vector<PlacedBlock>& blocks) {
  for (const auto& [handle, kind] : blocks) {
    const std::string_view stored = std::string_view(bytes).substr(handle.offset, handle.size);
    bytes.replace(handle.offset + handle.size, kTrailerBytes,
                  EncodeTrailer(kTestSalt, handle.offset, stored,
                                static_cast<uint32_t>(handle.size), kv::Compression::kNone, kind));
  }
  const size_t end = bytes.size() - kFooterBytes;
  std::string footer = bytes.substr(end);
  PutFooterRight(footer, bytes.size());
  bytes.replace(end, kFooterBytes, footer);
}

// Every block that is found is in order, and of a whole table all are found.
void Salvage(const std::string& bytes, std::optional<uint64_t> salt, uint64_t entries, bool whole) {
  uint64_t lost = 0;
  const auto table = SalvagedTable::Open(std::make_unique<MemoryFile>(bytes), salt, "",
                                         [&](const LostStretch&) { ++lost; });
  if (!table.ok()) return AIDB_CHECK(!whole && !salt);
  uint64_t count = 0;
  std::string last;
  for ((*table)->SeekToFirst(); (*table)->valid(); (*table)->Next()) {
    AIDB_CHECK(count++ == 0 || last <= (*table)->entry().key);
    last = (*table)->entry().key;
  }
  if (whole) AIDB_CHECK(count == entries && lost == 0);
}

void ReadPatched(std::string_view patches) {
  static const BuiltTable original = Small();
  static const std::vector<PlacedBlock> blocks = BlocksOf(original.bytes);
  BuiltTable table = original;
  ByteReader reader(patches);
  while (reader.left() >= 3) {
    const size_t at = *reader.Le<uint16_t>() % table.bytes.size();
    table.bytes[at] = static_cast<char>(*reader.Le<uint8_t>());
  }
  for (const std::optional<uint64_t> salt : {std::optional(kTestSalt), std::optional<uint64_t>()}) {
    Salvage(table.bytes, salt, 0, /*whole=*/false);
  }
  PutChecksumsRight(table.bytes, blocks);
  table.facts.crc = Crc32c(table.bytes);
  BlockCache cache(64 << 10);
  const auto opened = OpenTable(table, cache);
  if (!opened.ok()) return;
  const bool whole = (*opened)->Check().ok();
  Salvage(table.bytes, kTestSalt, table.facts.entries, whole);
  const auto cursor = (*opened)->NewCursor(CacheFill::kFill);
  // A damaged index may lead round in circles no longer than itself.
  size_t count = 0;
  for (cursor->SeekToFirst(); cursor->valid(); cursor->Next()) {
    const auto found = (*opened)->Get(cursor->entry().key, cursor->entry().sequence);
    if (whole) AIDB_CHECK(found.ok() && found->has_value());
    AIDB_CHECK(++count < 100'000);
  }
  if (whole) AIDB_CHECK(count == table.facts.entries);
  cursor->Seek("key120", kv::kSequenceMax);
  while (cursor->valid()) cursor->Prev();
}

}  // namespace
}  // namespace aidb::lsm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace aidb::lsm;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  switch (bytes[0] % 5) {
    case 0:
      ReadFooter(std::string(rest));
      break;
    case 1:
      ReadProperties(rest);
      break;
    case 2:
      ReadMetaIndex(rest);
      break;
    case 3:
      ReadPatched(rest);
      break;
    case 4:
      ReadRangeDeletes(rest);
      break;
  }
  return 0;
}
