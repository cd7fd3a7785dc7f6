#include "aidb/lsm/table_lookup.h"

#include <utility>

#include "aidb/lsm/table_format.h"

namespace aidb::lsm {

bool TableLookup::Enter() {
  const std::optional<size_t> partition = ChildOf(table_->root_->entries(), key_->bytes);
  if (!partition) return false;
  partition_ = *partition;
  filtered_ = filter_handle().size != 0;
  return true;
}

void TableLookup::PrefetchFilter() const {
  if (filtered_) table_->root_hints_[partition_].filter.Prefetch();
}

Status TableLookup::PinFilter() {
  if (!filtered_) return {};
  auto filter =
      table_->Fetch(BlockKind::kFilter, filter_handle(), table_->root_hints_[partition_].filter,
                    CacheFill::kFill, nullptr, counters_);
  if (!filter.ok()) return table_->Lost(std::move(filter).status(), partition_, nullptr, 0);
  filter_ = *std::move(filter);
  filter_->filter().Prefetch(key_->hash);
  return {};
}

Result<bool> TableLookup::AskFilter() {
  if (!filtered_) return true;
  if (filter_ == nullptr) AIDB_RETURN_IF_ERROR(PinFilter());
  const bool maybe = filter_->filter().MayContain(key_->hash);
  filter_ = nullptr;
  if (!maybe && counters_ != nullptr) ++counters_->filter_useful;
  return maybe;
}

void TableLookup::PrefetchIndex() const { table_->root_hints_[partition_].index.Prefetch(); }

Status TableLookup::FetchIndex() {
  auto index =
      table_->Fetch(BlockKind::kIndex, table_->root_entries_[partition_].child,
                    table_->root_hints_[partition_].index, CacheFill::kFill, nullptr, counters_);
  if (!index.ok()) return table_->Lost(std::move(index).status(), partition_, nullptr, 0);
  index_ = *std::move(index);
  return {};
}

Status TableLookup::FindChild() {
  AIDB_RETURN_IF_ERROR(FetchIndex());
  child_ = ChildOf(index_->entries(), key_->bytes).value_or(0);
  return {};
}

void TableLookup::PrefetchBlock() const { index_->hint(child_).Prefetch(); }

Status TableLookup::FetchBlock() {
  const EntryBlock& children = index_->entries();
  AIDB_ASSIGN_OR_RETURN(const IndexEntry child, table_->ChildAt(partition_, children, child_));
  auto block = table_->Fetch(BlockKind::kData, child.child, index_->hint(child_), CacheFill::kFill,
                             nullptr, counters_);
  if (!block.ok()) return table_->Lost(std::move(block).status(), partition_, &children, child_);
  block_ = *std::move(block);
  block_->entries().PrefetchSearch();
  return {};
}

// False: there is none.
Result<bool> TableLookup::NextChild() {
  if (++child_ < index_->entries().entries()) return true;
  child_ = 0;
  if (++partition_ == table_->partitions()) return false;
  AIDB_RETURN_IF_ERROR(FetchIndex());
  return true;
}

Result<std::optional<TableReader::Found>> TableLookup::Search() {
  while (true) {
    const EntryBlock::Lookup lookup = block_->entries().Find(key_->bytes, key_->hash, at_);
    if (lookup.found) {
      return std::optional(TableReader::Found{lookup.found->kind, lookup.found->sequence,
                                              std::move(block_).PinValue(lookup.found->value),
                                              lookup.found->expires_at_ms});
    }
    if (!lookup.goes_on) break;
    AIDB_ASSIGN_OR_RETURN(const bool more, NextChild());
    if (!more) return std::optional<TableReader::Found>();
    AIDB_RETURN_IF_ERROR(FetchBlock());
  }
  if (filtered_ && counters_ != nullptr) ++counters_->filter_false;
  return std::optional<TableReader::Found>();
}

}  // namespace aidb::lsm
