#include "aidb/lsm/table_builder.h"

#include <algorithm>
#include <limits>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/base/crc32c.h"
#include "aidb/base/hash.h"
#include "aidb/io/transfer.h"
#include "aidb/lsm/block_format.h"
#include "aidb/lsm/key_prefix.h"

namespace aidb::lsm {

namespace {

uint8_t ShareOf(uint64_t hiding, uint64_t entries) {
  return static_cast<uint8_t>((hiding * 255 + entries - 1) / entries);
}

// A filter is always built, so that there is one code path; with 0 bits it is thrown away.
int FilterBits(int bits_per_key) { return std::max(bits_per_key, 1); }

}  // namespace

TableBuilder::TableBuilder(io::File& file, uint64_t number, uint64_t salt,
                           const TableOptions& options)
    : file_(file),
      options_(options),
      filter_(FilterBits(options.filter_bits_per_key)),
      packer_(options.compression) {
  facts_.number = number;
  facts_.salt = salt;
  out_.reserve(kWriteBytes + kWriteBytes / 4);
}

uint64_t TableBuilder::size_bytes() const {
  return flushed_ + out_.size() + block_.EstimatedBytes() + index_.EstimatedBytes() +
         partitions_bytes_ + (range_block_.empty() ? 0 : range_block_.EstimatedBytes());
}

size_t TableBuilder::memory_bytes() const {
  return out_.capacity() + block_.memory_bytes() + range_block_.memory_bytes() +
         index_.memory_bytes() + filter_.memory_bytes() + partitions_bytes_;
}

Status TableBuilder::Add(const Entry& entry) {
  if (!status_.ok()) return status_;
  AIDB_CHECK(entry.kind == OpKind::kPut || entry.kind == OpKind::kDelete ||
             entry.kind == OpKind::kPutExpiring || entry.kind == OpKind::kMerge);
  AIDB_CHECK(entry.sequence <= kv::kSequenceMax);
  const bool first = facts_.entries == 0;
  const int order = first ? -1 : facts_.last_key.compare(entry.key);
  const bool same_key = order == 0;
  AIDB_CHECK(order < 0 || (same_key && entry.sequence < last_sequence_));
  if (!same_key) last_hash_ = Hash64(entry.key);
  if (block_.empty()) BeginBlock(entry, same_key);
  // A key that goes on in the next partition is in both filters.
  if (options_.filter_bits_per_key > 0 && (!same_key || filter_.empty())) filter_.Add(last_hash_);
  block_.Add(entry, last_hash_);

  if (first) facts_.first_key = entry.key;
  NoteSequence(entry.sequence);
  ++facts_.entries;
  facts_.deletes += entry.kind == OpKind::kDelete;
  facts_.operands += entry.kind == OpKind::kMerge;
  if (kv::Expires(entry.kind)) NoteExpiry(entry.expires_at_ms);
  facts_.raw_bytes += entry.key.size() + entry.value.size();
  if (!same_key) facts_.last_key = entry.key;
  last_sequence_ = entry.sequence;
  if (block_.full() || block_.EstimatedBytes() >= options_.block_bytes) status_ = FinishBlock();
  return status_;
}

void TableBuilder::NoteSequence(Sequence sequence) {
  if (empty()) facts_.lowest = facts_.highest = sequence;
  facts_.lowest = std::min(facts_.lowest, sequence);
  facts_.highest = std::max(facts_.highest, sequence);
}

Status TableBuilder::AddRangeDelete(const RangeDelete& range) {
  if (!status_.ok()) return status_;
  AIDB_CHECK(range.begin < range.end && range.sequence <= kv::kSequenceMax);
  if (range_block_.full() || range_block_.EstimatedBytes() > kBlockRawBytesMax / 4) {
    status_ = ResourceExhausted("table " + std::string(file_.path()) + " has " +
                                std::to_string(facts_.range_deletes) +
                                " range deletes, more than one block holds");
    return status_;
  }
  range_block_.Add({.key = range.begin,
                    .value = range.end,
                    .sequence = range.sequence,
                    .kind = OpKind::kDeleteRange},
                   0);
  if (facts_.range_deletes == 0) ranges_begin_ = range.begin;
  ranges_end_ = range.end;
  NoteSequence(range.sequence);
  ++facts_.range_deletes;
  return {};
}

// Widens the bounds of the table to what its range deletes cover.
void TableBuilder::CoverRangeDeletes() {
  if (facts_.range_deletes == 0) return;
  const bool alone = facts_.entries == 0;
  if (alone || ranges_begin_ < facts_.first_key) facts_.first_key = ranges_begin_;
  if (alone || LiesBehind(ranges_end_, facts_.last_key)) facts_.last_key = LastKeyOf(ranges_end_);
}

void TableBuilder::NoteExpiry(uint64_t expires_at_ms) {
  expiry_lowest_ms_ = expires_ ? std::min(expiry_lowest_ms_, expires_at_ms) : expires_at_ms;
  expiry_highest_ms_ = std::max(expiry_highest_ms_, expires_at_ms);
  expires_ = true;
}

// Called while facts_.last_key is still the last key of the block before.
void TableBuilder::BeginBlock(const Entry& entry, bool same_key) {
  std::string_view key = entry.key;
  if (!same_key && facts_.entries > 0 && key.size() > kIndexKeyBytesMax) {
    // One byte more than what it shares with the key before is above that one.
    key = key.substr(0, SharedBytes(facts_.last_key, key) + 1);
  }
  block_key_ = key;
  block_entry_ = {.exact = key.size() == entry.key.size(), .continued = same_key};
}

Status TableBuilder::FinishBlock() {
  const uint64_t entries = block_.entries();
  const uint64_t hiding = block_.hiding();
  block_entry_.delete_share = ShareOf(hiding, entries);
  AIDB_ASSIGN_OR_RETURN(block_entry_.child,
                        WriteBlock(BlockKind::kData, block_.Finish(), Packing::kIfItPays));
  if (index_.empty()) {
    partition_.first_key = block_key_;
    partition_.entry = {.exact = block_entry_.exact, .continued = block_entry_.continued};
  }
  index_.Add(block_key_, EncodeIndexEntry(block_entry_, BlockKind::kIndex));
  partition_entries_ += entries;
  partition_hiding_ += hiding;
  if (index_.full() || index_.EstimatedBytes() >= kIndexPartitionBytes) FinishPartition();
  return {};
}

void TableBuilder::FinishPartition() {
  partition_.entry.delete_share = ShareOf(partition_hiding_, partition_entries_);
  partition_.index = index_.Finish();
  if (options_.filter_bits_per_key > 0) partition_.filter = filter_.Finish();
  partitions_bytes_ +=
      partition_.index.size() + partition_.filter.size() + partition_.first_key.size();
  partitions_.push_back(std::move(partition_));
  partition_ = {};
  partition_entries_ = partition_hiding_ = 0;
}

Result<TableFacts> TableBuilder::Finish() {
  if (!status_.ok()) return status_;
  AIDB_CHECK(!empty());
  status_ = Unavailable("table is finished");
  if (!block_.empty()) AIDB_RETURN_IF_ERROR(FinishBlock());
  if (!index_.empty()) FinishPartition();

  Footer footer{.salt = facts_.salt, .format = TableFormatFor(facts_)};
  MetaIndex meta;
  if (!range_block_.empty()) {
    CoverRangeDeletes();
    AIDB_ASSIGN_OR_RETURN(
        meta.range_deletes,
        WriteBlock(BlockKind::kRangeDeletes, range_block_.Finish(), Packing::kIfItPays));
  }
  if (!partitions_.empty()) AIDB_RETURN_IF_ERROR(WritePartitions(&footer.index_root));
  const std::string properties =
      EncodeProperties({.facts = facts_,
                        .codec = options_.compression,
                        .filter_bits_per_key = options_.filter_bits_per_key,
                        .level = options_.level,
                        .run = options_.run,
                        .expiry_lowest_ms = expiry_lowest_ms_,
                        .expiry_highest_ms = expiry_highest_ms_});
  AIDB_ASSIGN_OR_RETURN(meta.properties,
                        WriteBlock(BlockKind::kProperties, properties, Packing::kNever));
  AIDB_ASSIGN_OR_RETURN(footer.meta_index,
                        WriteBlock(BlockKind::kMetaIndex, EncodeMetaIndex(meta), Packing::kNever));
  facts_.size_bytes = flushed_ + out_.size() + kFooterBytes;
  out_ += EncodeFooter(footer, facts_.size_bytes);
  AIDB_RETURN_IF_ERROR(Flush());
  return facts_;
}

Status TableBuilder::WritePartitions(BlockHandle* root) {
  for (Partition& partition : partitions_) {
    if (partition.filter.empty()) continue;
    AIDB_ASSIGN_OR_RETURN(partition.entry.filter,
                          WriteBlock(BlockKind::kFilter, partition.filter, Packing::kNever));
  }
  BlockBuilder root_builder(BlockTags::kAbsent);
  for (Partition& partition : partitions_) {
    AIDB_ASSIGN_OR_RETURN(partition.entry.child,
                          WriteBlock(BlockKind::kIndex, partition.index, Packing::kIfItPays));
    if (root_builder.full()) {
      return ResourceExhausted("table " + std::string(file_.path()) +
                               " is too large for an index of two levels");
    }
    root_builder.Add(partition.first_key, EncodeIndexEntry(partition.entry, BlockKind::kIndexRoot));
  }
  AIDB_ASSIGN_OR_RETURN(
      *root, WriteBlock(BlockKind::kIndexRoot, root_builder.Finish(), Packing::kIfItPays));
  return {};
}

Result<BlockHandle> TableBuilder::WriteBlock(BlockKind kind, std::string_view raw,
                                             Packing packing) {
  AIDB_CHECK(raw.size() <= kBlockRawBytesMax);
  std::string_view stored = raw;
  kv::Compression codec = kv::Compression::kNone;
  if (packing == Packing::kIfItPays) {
    if (const auto packed = packer_.Pack(raw)) {
      stored = *packed;
      codec = packer_.codec();
    }
  }
  const BlockHandle handle{.offset = flushed_ + out_.size(), .size = stored.size()};
  out_ += stored;
  out_ += EncodeTrailer(facts_.salt, handle.offset, stored, static_cast<uint32_t>(raw.size()),
                        codec, kind);
  if (out_.size() >= kWriteBytes) AIDB_RETURN_IF_ERROR(Flush());
  return handle;
}

Status TableBuilder::Flush() {
  AIDB_RETURN_IF_ERROR(io::WriteFully(file_, flushed_, AsBytes(out_)));
  facts_.crc = ExtendCrc32c(facts_.crc, out_);
  flushed_ += out_.size();
  out_.clear();
  return {};
}

}  // namespace aidb::lsm
