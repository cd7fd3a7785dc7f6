// TableReader::Check: reads every byte of a table and believes none of it.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "aidb/base/crc32c.h"
#include "aidb/base/hash.h"
#include "aidb/io/transfer.h"
#include "aidb/lsm/block_reader.h"
#include "aidb/lsm/table_reader.h"

namespace aidb::lsm {

// One pass over the blocks of a table, in the order of its keys.
class TableCheck {
 public:
  TableCheck(const TableReader& table, const TableReader::Progress& progress)
      : table_(table), progress_(progress) {}

  Status Run() {
    AIDB_RETURN_IF_ERROR(CheckFileChecksum());
    AIDB_RETURN_IF_ERROR(CheckProperties());
    for (size_t i = 0; i < table_.partitions(); ++i) AIDB_RETURN_IF_ERROR(CheckPartition(i));
    AIDB_RETURN_IF_ERROR(CheckFacts());
    return CheckNoGaps();
  }

 private:
  void Report(uint64_t bytes) {
    done_ += bytes;
    if (progress_) progress_(done_);
  }

  Status CheckFileChecksum() {
    std::vector<std::byte> piece(ReadAhead::kWindowMax);
    uint32_t crc = 0;
    const uint64_t size = table_.facts().size_bytes;
    for (uint64_t at = 0; at < size; at += piece.size()) {
      const auto part = std::span(piece).first(std::min<uint64_t>(piece.size(), size - at));
      if (Status status = io::ReadExact(*table_.file_, at, part); !status.ok()) {
        return table_.Damaged(at, status);
      }
      crc = ExtendCrc32c(crc, AsView(part));
      Report(part.size());
    }
    if (crc == table_.facts().crc) return {};
    file_is_damaged_ = true;  // The blocks will say where.
    return {};
  }

  Result<Block> Read(BlockKind kind, BlockHandle handle) {
    handles_.push_back(handle);
    ReadAhead* const ahead = kind == BlockKind::kData ? &ahead_ : nullptr;
    AIDB_ASSIGN_OR_RETURN(Block block, table_.ReadBlock(kind, handle, ahead));
    Report(handle.size + kTrailerBytes);
    return block;
  }

  Status CheckProperties() {
    AIDB_ASSIGN_OR_RETURN(const Block meta, Read(BlockKind::kMetaIndex, table_.footer_.meta_index));
    const auto handles = DecodeMetaIndex(meta.entries(), table_.facts().size_bytes);
    if (!handles.ok()) {
      return table_.Damaged(table_.footer_.meta_index.offset, handles.status());
    }
    AIDB_ASSIGN_OR_RETURN(const Block block, Read(BlockKind::kProperties, handles->properties));
    if (table_.footer_.index_root.size != 0) {
      AIDB_RETURN_IF_ERROR(Read(BlockKind::kIndexRoot, table_.footer_.index_root).status());
    }
    if (handles->range_deletes) {
      AIDB_RETURN_IF_ERROR(CheckRangeDeletes(*handles->range_deletes));
    }
    auto decoded = DecodeProperties(block.entries());
    if (!decoded.ok()) return table_.Damaged(handles->properties.offset, decoded.status());
    expiry_lowest_ms_said_ = decoded->expiry_lowest_ms;
    expiry_highest_ms_said_ = decoded->expiry_highest_ms;
    TableFacts said = std::move(decoded->facts);
    said.salt = table_.facts().salt;
    said.size_bytes = table_.facts().size_bytes;
    said.crc = table_.facts().crc;
    if (table_.facts().ingested) {  // The one sequence of all blocks is checked as they are read.
      said.ingested = said.lowest == said.highest;
      said.number = table_.facts().number;
      said.lowest = said.highest = table_.facts().highest;
    }
    if (said != table_.facts()) {
      return table_.Damaged(handles->properties.offset,
                            Corruption("properties differ from what the manifest says"));
    }
    return {};
  }

  // Decoding checks order, and that fragments share no key.
  Status CheckRangeDeletes(BlockHandle handle) {
    AIDB_ASSIGN_OR_RETURN(const Block block, Read(BlockKind::kRangeDeletes, handle));
    auto list = RangeDeleteList::Decode(block.entries());
    if (!list.ok()) return table_.Damaged(handle.offset, list.status());
    if (table_.footer_.format == kTableFormat) {
      return table_.Damaged(handle.offset,
                            Corruption("there are range deletes; the format says there are none"));
    }
    range_deletes_ = *std::move(list);
    return {};
  }

  Status CheckPartition(size_t i) {
    const IndexEntry& partition = table_.root_entries_[i];
    filter_.reset();
    if (partition.filter.size != 0) {
      AIDB_ASSIGN_OR_RETURN(filter_, Read(BlockKind::kFilter, partition.filter));
    }
    AIDB_ASSIGN_OR_RETURN(const Block index, Read(BlockKind::kIndex, partition.child));
    const EntryBlock& children = index.entries();
    if (children.KeyAt(0) != table_.root_->entries().KeyAt(i)) {
      return table_.Damaged(partition.child.offset,
                            Corruption("index partition does not begin with its key in the root"));
    }
    const uint64_t hiding_before = hiding_;
    const uint64_t entries_before = entries_;
    for (size_t child = 0; child < children.entries(); ++child) {
      AIDB_ASSIGN_OR_RETURN(const IndexEntry entry, table_.ChildAt(i, children, child));
      if (child == 0 &&
          (entry.exact != partition.exact || entry.continued != partition.continued)) {
        return table_.Damaged(partition.child.offset,
                              Corruption("index partition does not begin as the root says"));
      }
      const Status status = CheckDataBlock(entry, children.KeyAt(child));
      if (!status.ok()) return table_.Lost(status, i, &children, child);
    }
    const uint64_t entries = entries_ - entries_before;
    if (partition.delete_share != ((hiding_ - hiding_before) * 255 + entries - 1) / entries) {
      return table_.Damaged(partition.child.offset,
                            Corruption("index partition has another share of deletes than the "
                                       "root says"));
    }
    return {};
  }

  Status CheckDataBlock(const IndexEntry& expected, const std::string& index_key) {
    const uint64_t offset = expected.child.offset;
    AIDB_ASSIGN_OR_RETURN(const Block block, Read(BlockKind::kData, expected.child));
    Entry entry;
    BlockCursor cursor(entry);
    cursor.Attach(block.entries());
    cursor.SeekToFirst();
    const bool continued = entries_ > 0 && entry.key == last_key_;
    const bool between =
        (entries_ == 0 || index_key > last_key_ || continued) && index_key <= entry.key;
    if (continued != expected.continued || !between || expected.exact != (index_key == entry.key)) {
      return table_.Damaged(offset, Corruption("block begins with " + KeyText(entry.key) +
                                               ", its index entry says " + KeyText(index_key)));
    }
    uint64_t hiding = 0;
    bool several_versions = false;
    for (bool more = true; more; more = cursor.Next()) {
      const bool same_key = entries_ > 0 && entry.key == last_key_;
      if (cursor.index() > 0) several_versions = several_versions || same_key;
      hiding += MayHide(entry.kind);
      const Status status = CheckEntry(block.entries().tag(cursor.index()), entry, same_key);
      if (!status.ok()) return table_.Damaged(offset, status);
    }
    hiding_ += hiding;
    const size_t n = block.entries().entries();
    const bool flagged = (block.entries().flags() & kSeveralVersions) != 0;
    if (flagged != several_versions || expected.delete_share != (hiding * 255 + n - 1) / n) {
      return table_.Damaged(offset, Corruption("block differs from its flags or its index entry"));
    }
    return {};
  }

  Status CheckEntry(uint8_t tag, const Entry& entry, bool same_key) {
    if (entries_ == 0) {
      first_key_ = entry.key;
      lowest_ = highest_ = entry.sequence;
    } else if (same_key ? entry.sequence >= last_sequence_ : entry.key < last_key_) {
      return Corruption("key " + KeyText(entry.key) + " is out of order");
    }
    const uint64_t hash = Hash64(entry.key);
    if (tag != TagOf(hash)) return Corruption("key " + KeyText(entry.key) + " has a wrong tag");
    if (filter_ && !filter_->filter().MayContain(hash)) {
      return Corruption("key " + KeyText(entry.key) + " is not in its filter");
    }
    lowest_ = std::min(lowest_, entry.sequence);
    highest_ = std::max(highest_, entry.sequence);
    ++entries_;
    deletes_ += entry.kind == OpKind::kDelete;
    operands_ += entry.kind == OpKind::kMerge;
    if (kv::Expires(entry.kind)) {
      expiry_lowest_ms_ =
          expiring_++ == 0 ? entry.expires_at_ms : std::min(expiry_lowest_ms_, entry.expires_at_ms);
      expiry_highest_ms_ = std::max(expiry_highest_ms_, entry.expires_at_ms);
    }
    raw_bytes_ += entry.key.size() + entry.value.size();
    last_key_ = entry.key;
    last_sequence_ = entry.sequence;
    return {};
  }

  Status CheckFacts() {
    TableFacts found = table_.facts();
    found.first_key = first_key_;
    found.last_key = last_key_;
    found.lowest = lowest_;
    found.highest = highest_;
    found.entries = entries_;
    found.deletes = deletes_;
    found.operands = operands_;
    found.raw_bytes = raw_bytes_;
    if (range_deletes_ != nullptr) AddRangeDeletes(found);
    if (expiry_lowest_ms_ != expiry_lowest_ms_said_ ||
        expiry_highest_ms_ != expiry_highest_ms_said_) {
      return Corruption("table " + std::string(table_.path()) + " holds entries that expire from " +
                        std::to_string(expiry_lowest_ms_) + " to " +
                        std::to_string(expiry_highest_ms_) + ", its properties say " +
                        std::to_string(expiry_lowest_ms_said_) + " to " +
                        std::to_string(expiry_highest_ms_said_));
    }
    if (found == table_.facts()) return {};
    return Corruption(
        "table " + std::string(table_.path()) + " holds " + std::to_string(entries_) +
        " entries and " + std::to_string(found.range_deletes) + " range deletes from " +
        KeyText(found.first_key) + " to " + KeyText(found.last_key) + ", the manifest says " +
        std::to_string(table_.facts().entries) + " and " +
        std::to_string(table_.facts().range_deletes) + " from " +
        KeyText(table_.facts().first_key) + " to " + KeyText(table_.facts().last_key));
  }

  void AddRangeDeletes(TableFacts& facts) const {
    const bool alone = entries_ == 0;
    const RangeDeleteFragment& first = range_deletes_->deletes().fragments().front();
    const RangeDeleteFragment& last = range_deletes_->deletes().fragments().back();
    if (alone || first.begin < facts.first_key) facts.first_key = first.begin;
    if (alone || LiesBehind(last.end, facts.last_key)) facts.last_key = LastKeyOf(last.end);
    facts.lowest = alone ? range_deletes_->lowest() : std::min(lowest_, range_deletes_->lowest());
    facts.highest = std::max(highest_, range_deletes_->highest());
    facts.range_deletes = range_deletes_->versions();
  }

  // Every byte belongs to one block, a trailer or the footer.
  Status CheckNoGaps() {
    std::ranges::sort(handles_, {}, &BlockHandle::offset);
    uint64_t end = 0;
    for (const BlockHandle& handle : handles_) {
      if (handle.offset != end) {
        return table_.Damaged(end, Corruption("no block begins here, the next one at " +
                                              std::to_string(handle.offset)));
      }
      end = handle.offset + handle.size + kTrailerBytes;
    }
    if (end != table_.facts().size_bytes - kFooterBytes) {
      return table_.Damaged(end, Corruption("no block begins here, and neither does the footer"));
    }
    if (file_is_damaged_) {
      return Corruption("table " + std::string(table_.path()) +
                        ": checksum of the file is not the one in the manifest, though every "
                        "block passes its own: the file was rewritten");
    }
    return {};
  }

  const TableReader& table_;
  const TableReader::Progress& progress_;
  ReadAhead ahead_;
  bool file_is_damaged_ = false;
  uint64_t done_ = 0;
  std::vector<BlockHandle> handles_;
  std::optional<Block> filter_;  // Of the partition at hand.
  std::shared_ptr<const RangeDeleteList> range_deletes_;
  uint64_t entries_ = 0;
  uint64_t deletes_ = 0;
  uint64_t operands_ = 0;
  uint64_t hiding_ = 0;  // Deletes, operands and entries that expire.
  uint64_t expiring_ = 0;
  uint64_t expiry_lowest_ms_ = 0;
  uint64_t expiry_highest_ms_ = 0;
  uint64_t expiry_lowest_ms_said_ = 0;  // By the properties.
  uint64_t expiry_highest_ms_said_ = 0;
  uint64_t raw_bytes_ = 0;
  std::string first_key_;
  std::string last_key_;
  Sequence last_sequence_{};
  Sequence lowest_{};
  Sequence highest_{};
};

Status TableReader::Check(const Progress& progress) const {
  return TableCheck(*this, progress).Run();
}

}  // namespace aidb::lsm
