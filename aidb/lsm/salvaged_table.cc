#include "aidb/lsm/salvaged_table.h"

#include <algorithm>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/io/transfer.h"
#include "aidb/lsm/table_reader.h"

namespace aidb::lsm {
namespace {

std::optional<Footer> ReadFooter(const io::File& file, uint64_t file_bytes) {
  if (file_bytes < kFooterBytes) return std::nullopt;
  char bytes[kFooterBytes];
  const Status read =
      io::ReadExact(file, file_bytes - kFooterBytes, std::as_writable_bytes(std::span(bytes)));
  if (!read.ok()) return std::nullopt;
  const auto footer = DecodeFooter({bytes, sizeof bytes}, file_bytes);
  return footer.ok() ? std::optional(*footer) : std::nullopt;
}

}  // namespace

SalvagedTable::SalvagedTable(std::unique_ptr<io::File> file, uint64_t file_bytes,
                             std::string last_key, OnLoss on_loss)
    : file_(std::move(file)),
      file_bytes_(file_bytes),
      last_key_(std::move(last_key)),
      on_loss_(std::move(on_loss)),
      cursor_(entry_) {}

Result<std::unique_ptr<SalvagedTable>> SalvagedTable::Open(std::unique_ptr<io::File> file,
                                                           std::optional<uint64_t> salt,
                                                           std::string last_key, OnLoss on_loss,
                                                           std::optional<Sequence> every) {
  AIDB_ASSIGN_OR_RETURN(const uint64_t file_bytes, file->Size());
  std::unique_ptr<SalvagedTable> table(
      new SalvagedTable(std::move(file), file_bytes, std::move(last_key), std::move(on_loss)));
  table->every_ = every;
  std::optional<Footer> footer = ReadFooter(*table->file_, file_bytes);
  if (footer && salt && footer->salt != *salt) footer.reset();  // Of another table.
  if (!footer && !salt) {
    return Corruption("table " + std::string(table->file_->path()) +
                      ": its footer is damaged, and no manifest tells its salt, without which no "
                      "block proves itself");
  }
  table->salt_ = footer ? footer->salt : *salt;
  table->footer_ = footer;
  table->FindBlocks(footer);
  return table;
}

Result<Block> SalvagedTable::Read(BlockKind kind, BlockHandle handle) {
  if (!HandleFits(handle, file_bytes_)) return Corruption("it lies outside of the file");
  AIDB_ASSIGN_OR_RETURN(
      Block block, ReadTableBlock(*file_, file_bytes_, salt_, kind, handle, unpacker_, nullptr));
  if (every_) AIDB_RETURN_IF_ERROR(GiveSequence(block, *every_));
  return block;
}

void SalvagedTable::FindBlocks(const std::optional<Footer>& footer) {
  const uint64_t blocks_end = file_bytes_ - std::min<uint64_t>(file_bytes_, kFooterBytes);
  if (!footer) {
    Lose(blocks_end, Corruption("the footer is damaged"), "none, if all blocks are found");
    return Search(0, blocks_end);
  }
  const bool entries = footer->format != kTableFormatRangeDeletes || footer->index_root.size != 0;
  if (!entries) return;
  const auto root = Read(BlockKind::kIndexRoot, footer->index_root);
  if (!root.ok()) {
    Lose(footer->index_root.offset, root.status(), "none, if all blocks are found");
    return Search(0, footer->index_root.offset);
  }
  uint64_t end = 0;     // Of the last block that was added.
  bool search = false;  // Partitions since then cannot be read.
  uint64_t data_end = footer->index_root.offset;
  for (size_t i = 0; i < root->entries().entries(); ++i) {
    const auto partition =
        DecodeIndexEntry(root->entries().At(i).value, BlockKind::kIndexRoot, file_bytes_);
    if (!partition) {
      search = true;
      continue;
    }
    data_end = std::min({data_end, partition->child.offset,
                         partition->filter.size > 0 ? partition->filter.offset : data_end});
    const size_t before = blocks_.size();
    const Status added = AddPartition(*partition);
    if (!added.ok()) {
      Lose(partition->child.offset, added, "none, if all blocks are found");
      search = true;
      continue;
    }
    if (search && blocks_.size() > before) {
      std::vector<Found> behind(blocks_.begin() + static_cast<ptrdiff_t>(before), blocks_.end());
      blocks_.resize(before);
      Search(end, behind.front().handle.offset);
      blocks_.insert(blocks_.end(), behind.begin(), behind.end());
    }
    search = false;
    end = blocks_.back().handle.offset + blocks_.back().handle.size + kTrailerBytes;
  }
  if (search) Search(end, data_end);
}

Status SalvagedTable::AddPartition(const IndexEntry& partition) {
  AIDB_ASSIGN_OR_RETURN(const Block index, Read(BlockKind::kIndex, partition.child));
  std::vector<Found> found;
  for (size_t i = 0; i < index.entries().entries(); ++i) {
    const auto entry =
        DecodeIndexEntry(index.entries().At(i).value, BlockKind::kIndex, file_bytes_);
    if (!entry) return Corruption("the index has a bad entry " + std::to_string(i));
    found.push_back({entry->child, index.entries().KeyAt(i)});
  }
  blocks_.insert(blocks_.end(), found.begin(), found.end());
  return {};
}

void SalvagedTable::Search(uint64_t from, uint64_t to) {
  if (from >= to) return;
  std::string bytes(to - from, '\0');
  const Status read = io::ReadExact(*file_, from, std::as_writable_bytes(std::span(bytes)));
  if (!read.ok()) return Lose(from, read, "unknown");
  for (uint64_t at = 0; at < bytes.size();) {
    auto place = BlockAt(bytes, from, at, bytes.size());
    if (!place) {
      Lose(from + at, Corruption("no block begins here that passes its check"),
           KeysOf(blocks_.size()));
      const uint64_t give_up = std::min<uint64_t>(bytes.size(), at + kSearchBytesMax);
      while (!place && ++at < give_up) place = BlockAt(bytes, from, at, kSearchBytesMax);
      if (!place) return;
    }
    if (place->kind == BlockKind::kData) {
      std::string key;
      if (auto block = Read(BlockKind::kData, place->handle); block.ok()) {
        key = block->entries().KeyAt(0);
      }
      blocks_.push_back({place->handle, std::move(key)});
    }
    if (place->kind == BlockKind::kRangeDeletes) range_deletes_ = place->handle;
    at = place->handle.offset + place->handle.size + kTrailerBytes - from;
  }
}

std::optional<SalvagedTable::Place> SalvagedTable::BlockAt(std::string_view bytes, uint64_t offset,
                                                           uint64_t from, uint64_t size_max) const {
  const std::string_view rest = bytes.substr(from);
  if (rest.size() < kTrailerBytes) return std::nullopt;
  const uint64_t last = std::min<uint64_t>(rest.size() - kTrailerBytes, size_max);
  TrailerSearch search(salt_, offset + from);
  for (uint64_t size = 0; size <= last; ++size) {
    if (const auto kind = search.KindIfTrailer(rest.substr(size, kTrailerBytes))) {
      return Place{{offset + from, size}, *kind};
    }
    search.Extend(rest[size]);
  }
  return std::nullopt;
}

void SalvagedTable::Lose(uint64_t offset, const Status& why, std::string keys) {
  if (!lost_.insert(offset).second) return;
  on_loss_({.offset = offset, .what = std::string(why.message()), .keys = std::move(keys)});
}

std::string SalvagedTable::KeysOf(size_t block) const {
  const auto key_at = [&](size_t i) {
    return i < blocks_.size() && !blocks_[i].key.empty() ? KeyText(blocks_[i].key) : std::string();
  };
  std::string from = key_at(block);
  if (from.empty() && block > 0) from = "behind " + key_at(block - 1);
  std::string to = key_at(block + 1);
  if (to.empty() && !last_key_.empty()) to = KeyText(last_key_);
  if (from.empty()) from = "the first";
  return from + " to " + (to.empty() ? "the last" : to);
}

Result<std::optional<BlockHandle>> SalvagedTable::FindRangeDeletes(const Footer& footer) {
  AIDB_ASSIGN_OR_RETURN(const Block meta, Read(BlockKind::kMetaIndex, footer.meta_index));
  AIDB_ASSIGN_OR_RETURN(const MetaIndex index, DecodeMetaIndex(meta.entries(), file_bytes_));
  if (!index.range_deletes && footer.format == kTableFormatRangeDeletes) {
    return Corruption("the meta index does not name the range deletes");
  }
  return index.range_deletes;
}

std::shared_ptr<const RangeDeleteList> SalvagedTable::TakeRangeDeletes() {
  constexpr std::string_view kLost = "none; but keys that its range deletes hid may be back";
  if (footer_ && footer_->format == kTableFormat) return nullptr;
  if (footer_ && !range_deletes_) {
    const auto found = FindRangeDeletes(*footer_);
    if (!found.ok()) {
      Lose(footer_->meta_index.offset, found.status(), std::string(kLost));
      return nullptr;
    }
    range_deletes_ = *found;
  }
  if (!range_deletes_) return nullptr;
  const auto block = Read(BlockKind::kRangeDeletes, *range_deletes_);
  const auto list = block.ok() ? RangeDeleteList::Decode(block->entries()) : block.status();
  if (list.ok()) return *list;
  Lose(range_deletes_->offset, list.status(), std::string(kLost));
  return nullptr;
}

bool SalvagedTable::Load(size_t block) {
  auto loaded = Read(BlockKind::kData, blocks_[block].handle);
  if (!loaded.ok()) {
    Lose(blocks_[block].handle.offset, loaded.status(), KeysOf(block));
    return false;
  }
  block_ = *std::move(loaded);
  cursor_.Attach(block_->entries());
  at_ = block;
  return true;
}

bool SalvagedTable::LoadFrom(size_t block) {
  for (; block < blocks_.size(); ++block) {
    if (!Load(block)) continue;
    if (!Continues()) {
      Lose(blocks_[block].handle.offset, Corruption("its keys are out of order"), KeysOf(block));
      continue;
    }
    if (cursor_.SeekToFirst()) return true;
  }
  return false;
}

bool SalvagedTable::Continues() {
  auto last = walked_;
  Entry entry;
  BlockCursor cursor(entry);
  cursor.Attach(block_->entries());
  for (bool more = cursor.SeekToFirst(); more; more = cursor.Next()) {
    if (last) {
      const int order = last->first.compare(entry.key);
      if (order > 0 || (order == 0 && entry.sequence >= last->second)) return false;
    }
    last.emplace(entry.key, entry.sequence);
  }
  walked_ = std::move(last);
  return true;
}

bool SalvagedTable::LoadDownFrom(size_t block) {
  for (; block != SIZE_MAX; --block) {
    if (Load(block) && cursor_.SeekToLast()) return true;
  }
  return false;
}

void SalvagedTable::SeekToFirst() {
  walked_.reset();
  valid_ = LoadFrom(0);
}
void SalvagedTable::SeekToLast() { valid_ = LoadDownFrom(blocks_.size() - 1); }

void SalvagedTable::Seek(std::string_view key, Sequence sequence) {
  for (SeekToFirst(); valid_ && !cursor_.Seek(key, sequence);) valid_ = LoadFrom(at_ + 1);
}

void SalvagedTable::Next() {
  if (!cursor_.Next()) valid_ = LoadFrom(at_ + 1);
}

void SalvagedTable::Prev() {
  if (!cursor_.Prev()) valid_ = LoadDownFrom(at_ - 1);
}

}  // namespace aidb::lsm
