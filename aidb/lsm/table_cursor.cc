#include "aidb/lsm/table_cursor.h"

#include <utility>

#include "aidb/base/check.h"

namespace aidb::lsm {

bool TableCursor::Fail(Status why) {
  status_ = std::move(why);
  valid_ = false;
  partition_ = child_ = kNowhere;
  return false;
}

bool TableCursor::LoadPartition(size_t partition) {
  if (partition == partition_) return true;
  child_ = kNowhere;
  auto index = table_->Fetch(BlockKind::kIndex, table_->root_entries_[partition].child,
                             table_->root_hints_[partition].index, fill_, nullptr, nullptr);
  if (!index.ok()) return Fail(table_->Lost(std::move(index).status(), partition, nullptr, 0));
  index_ = *std::move(index);
  partition_ = partition;
  return true;
}

bool TableCursor::LoadBlock(size_t child) {
  if (child == child_) return true;
  const EntryBlock& children = index_->entries();
  const auto entry = table_->ChildAt(partition_, children, child);
  if (!entry.ok()) return Fail(entry.status());
  ReadAhead* const ahead = fill_ == CacheFill::kPassBy ? &ahead_ : nullptr;
  auto block =
      table_->Fetch(BlockKind::kData, entry->child, index_->hint(child), fill_, ahead, nullptr);
  if (!block.ok()) {
    return Fail(table_->Lost(std::move(block).status(), partition_, &children, child));
  }
  block_ = *std::move(block);
  block_->entries().PrefetchSearch();
  cursor_.Attach(block_->entries());
  child_ = child;
  return true;
}

bool TableCursor::LoadNextBlock() {
  if (child_ + 1 < index_->entries().entries()) return LoadBlock(child_ + 1);
  if (partition_ + 1 >= table_->partitions()) return false;
  return LoadPartition(partition_ + 1) && LoadBlock(0);
}

bool TableCursor::LoadPrevBlock() {
  if (child_ > 0) return LoadBlock(child_ - 1);
  if (partition_ == 0) return false;
  return LoadPartition(partition_ - 1) && LoadBlock(index_->entries().entries() - 1);
}

void TableCursor::SeekToFirst() {
  status_ = {};
  valid_ = table_->partitions() > 0 && LoadPartition(0) && LoadBlock(0) && cursor_.SeekToFirst();
}

void TableCursor::SeekToLast() {
  status_ = {};
  valid_ = table_->partitions() > 0 && LoadPartition(table_->partitions() - 1) &&
           LoadBlock(index_->entries().entries() - 1) && cursor_.SeekToLast();
}

void TableCursor::Seek(std::string_view key, Sequence sequence) {
  status_ = {};
  valid_ = false;
  if (table_->partitions() == 0) return;
  if (!LoadPartition(ChildOf(table_->root_->entries(), key).value_or(0))) return;
  if (!LoadBlock(ChildOf(index_->entries(), key).value_or(0))) return;
  // Versions of one key may go on in the next block, so that one is searched, not just entered.
  while (!cursor_.Seek(key, sequence)) {
    if (!LoadNextBlock()) return;
  }
  valid_ = true;
}

void TableCursor::Next() {
  AIDB_CHECK(valid_);
  if (cursor_.Next()) [[likely]]
    return;
  valid_ = LoadNextBlock() && cursor_.SeekToFirst();
}

void TableCursor::Prev() {
  AIDB_CHECK(valid_);
  if (cursor_.Prev()) [[likely]]
    return;
  valid_ = LoadPrevBlock() && cursor_.SeekToLast();
}

}  // namespace aidb::lsm
