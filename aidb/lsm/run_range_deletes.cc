#include "aidb/lsm/run_range_deletes.h"

#include <algorithm>

#include "aidb/kv/range_delete.h"

namespace aidb::lsm {

RunRangeDeletes::RunRangeDeletes(std::span<const TableRef> tables, TableCache& cache, Sequence at)
    : tables_(tables), cache_(cache), at_(at) {}

Result<RangeStretch> RunRangeDeletes::StretchFor(std::string_view key) {
  const auto at = std::ranges::partition_point(
      tables_, [&](const TableRef& table) { return table->facts().last_key < key; });
  const auto table = static_cast<size_t>(at - tables_.begin());
  RangeStretch stretch;
  const bool inside = table < tables_.size() && tables_[table]->facts().first_key <= key;
  if (inside) {
    AIDB_ASSIGN_OR_RETURN(const RangeDeletes deletes, ListOf(table));
    stretch = StretchIn(deletes, at_, key);
    if (stretch.version != nullptr) return stretch;
  }
  // Nothing covers what lies between two tables, or at either end of one.
  if (stretch.begin.empty() && table > 0) stretch.begin = BehindTable(table - 1);
  const size_t next = inside ? table + 1 : table;
  if (!stretch.end && next < tables_.size()) stretch.end = tables_[next]->facts().first_key;
  return stretch;
}

std::string_view RunRangeDeletes::BehindTable(size_t table) {
  std::string& key = behind_[table];
  if (key.empty()) key = kv::NextKey(tables_[table]->facts().last_key);
  return key;
}

Result<RangeDeletes> RunRangeDeletes::ListOf(size_t table) {
  if (const auto known = lists_.find(table); known != lists_.end()) {
    return known->second->deletes();
  }
  AIDB_ASSIGN_OR_RETURN(const OpenTable reader, cache_.Open(*tables_[table]));
  return lists_.emplace(table, reader->range_deletes()).first->second->deletes();
}

Result<std::optional<std::string>> FirstDeletedAbove(const Run& run, TableCache& cache,
                                                     const kv::ScanRange& range, Sequence since) {
  for (const TableRef& table : run.range_delete_tables()) {
    const TableFacts& facts = table->facts();
    if (facts.highest <= since || facts.last_key < range.lower) continue;
    if (range.upper && facts.first_key >= *range.upper) break;
    AIDB_ASSIGN_OR_RETURN(const OpenTable reader, cache.Open(*table));
    const auto first =
        reader->range_deletes()->deletes().FirstAbove(since, range.lower, range.upper);
    if (first) return std::optional(std::string(*first));
  }
  return std::optional<std::string>();
}

}  // namespace aidb::lsm
