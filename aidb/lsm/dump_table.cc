#include "aidb/lsm/dump_table.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "aidb/io/transfer.h"
#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/table_format.h"
#include "aidb/lsm/table_reader.h"

namespace aidb::lsm {
namespace {

std::string Number(uint64_t number) { return std::to_string(number); }

std::string HandleText(BlockHandle handle) {
  return "offset " + Number(handle.offset) + ", " + Number(handle.size) + " bytes";
}

// Goes down from the footer; each block proves itself, and a bad one ends only its own branch.
class TableDump {
 public:
  TableDump(const io::File& file, uint64_t file_bytes, const Footer& footer, const DumpLine& line)
      : file_(file), file_bytes_(file_bytes), footer_(footer), line_(line) {}

  void Run() {
    line_("footer: index root at " + HandleText(footer_.index_root) + "; meta index at " +
          HandleText(footer_.meta_index) + "; salt " + Number(footer_.salt));
    PrintProperties();
    if (footer_.index_root.size == 0) return;
    const auto root = Read(BlockKind::kIndexRoot, footer_.index_root, "index root");
    if (!root) return;
    for (size_t i = 0; i < root->entries().entries(); ++i) {
      const auto entry = ChildOf(root->entries(), i, BlockKind::kIndexRoot);
      if (entry) PrintPartition(*entry);
    }
  }

 private:
  std::optional<Block> Read(BlockKind kind, BlockHandle handle, const std::string& what) {
    auto block = ReadTableBlock(file_, file_bytes_, footer_.salt, kind, handle, unpacker_, nullptr);
    if (!block.ok()) {
      line_(what + " at " + HandleText(handle) +
            ": DAMAGED: " + std::string(block.status().message()));
      return std::nullopt;
    }
    return *std::move(block);
  }

  std::optional<IndexEntry> ChildOf(const EntryBlock& index, size_t i, BlockKind kind) {
    const auto entry = DecodeIndexEntry(index.At(i).value, kind, file_bytes_);
    if (!entry) line_("DAMAGED: entry " + Number(i) + " of an index leads nowhere");
    return entry;
  }

  void PrintProperties() {
    const auto meta = Read(BlockKind::kMetaIndex, footer_.meta_index, "meta index");
    if (!meta) return;
    const auto handles = DecodeMetaIndex(meta->entries(), file_bytes_);
    if (!handles.ok()) {
      line_("meta index: DAMAGED: " + std::string(handles.status().message()));
      return;
    }
    if (handles->range_deletes) PrintRangeDeletes(*handles->range_deletes);
    const auto block = Read(BlockKind::kProperties, handles->properties, "properties");
    if (!block) return;
    const auto properties = DecodeProperties(block->entries());
    if (!properties.ok()) {
      line_("properties: DAMAGED: " + std::string(properties.status().message()));
      return;
    }
    const TableFacts& facts = properties->facts;
    line_("properties: number " + Number(facts.number) + ", " + Number(facts.entries) +
          " entries, " + Number(facts.deletes) + " deletes, " +
          (facts.range_deletes == 0 ? std::string()
                                    : Number(facts.range_deletes) + " range deletes, ") +
          (facts.operands == 0 ? std::string() : Number(facts.operands) + " operands, ") +
          Number(facts.raw_bytes) + " raw bytes, sequences " + Number(ToNumber(facts.lowest)) +
          " to " + Number(ToNumber(facts.highest)) + ", keys " + KeyText(facts.first_key) + " to " +
          KeyText(facts.last_key) + ", codec " + Number(static_cast<uint64_t>(properties->codec)) +
          ", " + std::to_string(properties->filter_bits_per_key) + " filter bits per key, level " +
          std::to_string(properties->level) + ", run " + Number(properties->run) +
          (properties->expiry_highest_ms == 0
               ? std::string()
               : ", values that expire from " + Number(properties->expiry_lowest_ms) + " to " +
                     Number(properties->expiry_highest_ms)) +
          ", writer " + properties->writer);
  }

  void PrintRangeDeletes(BlockHandle handle) {
    const auto block = Read(BlockKind::kRangeDeletes, handle, "range deletes");
    if (!block) return;
    line_("range deletes at " + HandleText(handle) + ": " + Number(block->entries().entries()));
    PrintEntries(block->entries());
  }

  void PrintEntries(const EntryBlock& entries) {
    Entry entry;
    BlockCursor cursor(entry);
    cursor.Attach(entries);
    for (bool more = cursor.SeekToFirst(); more; more = cursor.Next()) {
      line_("  " + Number(ToNumber(entry.sequence)) + " " +
            EntryText(entry.kind, entry.key, entry.value, entry.expires_at_ms));
    }
  }

  void PrintPartition(const IndexEntry& partition) {
    if (partition.filter.size != 0) {
      const auto filter = Read(BlockKind::kFilter, partition.filter, "filter");
      if (filter) {
        line_("filter at " + HandleText(partition.filter) + ": " +
              std::to_string(filter->filter().bits_per_key()) + " bits per key");
      }
    }
    const auto index = Read(BlockKind::kIndex, partition.child, "index partition");
    if (!index) return;
    line_("index partition at " + HandleText(partition.child) + ": " +
          Number(index->entries().entries()) + " blocks");
    for (size_t i = 0; i < index->entries().entries(); ++i) {
      const auto child = ChildOf(index->entries(), i, BlockKind::kIndex);
      if (child) PrintData(*child);
    }
  }

  void PrintData(const IndexEntry& child) {
    const auto block = Read(BlockKind::kData, child.child, "block");
    if (!block) return;
    const EntryBlock& entries = block->entries();
    line_("block at " + HandleText(child.child) + ": " + Number(entries.entries()) +
          " entries, restart interval " + Number(entries.interval()));
    PrintEntries(entries);
  }

  const io::File& file_;
  const uint64_t file_bytes_;
  const Footer footer_;
  const DumpLine& line_;
  Unpacker unpacker_;
};

}  // namespace

Status DumpTable(io::FileSystem& files, std::string_view path, const DumpLine& line) {
  AIDB_ASSIGN_OR_RETURN(const auto file, files.Open(path, io::OpenMode::kRead));
  AIDB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  line(Number(size) + " bytes");
  char bytes[kFooterBytes];
  const uint64_t at = size - std::min<uint64_t>(size, kFooterBytes);
  const auto span = std::as_writable_bytes(std::span(bytes)).first(size - at);
  AIDB_RETURN_IF_ERROR(io::ReadExact(*file, at, span));
  const auto footer = DecodeFooter({bytes, span.size()}, size);
  if (!footer.ok()) {
    line("footer at offset " + Number(at) + ": DAMAGED: " + std::string(footer.status().message()));
    return {};
  }
  TableDump(*file, size, *footer, line).Run();
  return {};
}

}  // namespace aidb::lsm
