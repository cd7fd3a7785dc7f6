#include "aidb/lsm/run_range_deletes.h"

#include <algorithm>

#include "aidb/kv/range_delete.h"

namespace aidb::lsm {

RunRangeDeletes::RunRangeDeletes(std::span<const TableRef> tables, TableCache& cache, Sequence at)
    : tables_(tables), cache_(cache), at_(at), lists_(tables.size()) {
  behind_.reserve(tables.size());
  for (const TableRef& table : tables_) behind_.push_back(kv::NextKey(table->facts().last_key));
}

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
  if (stretch.begin.empty() && table > 0) stretch.begin = behind_[table - 1];
  const size_t next = inside ? table + 1 : table;
  if (!stretch.end && next < tables_.size()) stretch.end = tables_[next]->facts().first_key;
  return stretch;
}

Result<RangeDeletes> RunRangeDeletes::ListOf(size_t table) {
  List& list = lists_[table];
  if (list == nullptr) {
    AIDB_ASSIGN_OR_RETURN(const OpenTable reader, cache_.Open(*tables_[table]));
    list = reader->range_deletes();
  }
  return list->deletes();
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
