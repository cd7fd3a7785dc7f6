#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "aidb/lsm/table_cache.h"
#include "aidb/lsm/uncovered_cursor.h"
#include "aidb/lsm/version.h"

namespace aidb::lsm {

// The range deletes of a run. A table is opened when the scan comes to its keys; what it has of
// range deletes is kept then, and the table is not.
//
// Lifetime: borrows tables and cache.
class RunRangeDeletes final : public RangeDeleteSource {
 public:
  // `tables` are those of the run that have some, ascending.
  RunRangeDeletes(std::span<const TableRef> tables, TableCache& cache, Sequence at);

  Result<RangeStretch> StretchFor(std::string_view key) override;

 private:
  using List = std::shared_ptr<const RangeDeleteList>;

  Result<RangeDeletes> ListOf(size_t table);
  std::string_view BehindTable(size_t table);

  const std::span<const TableRef> tables_;
  TableCache& cache_;
  const Sequence at_;
  // By index of table, once they were asked for. Where they are does not change.
  std::map<size_t, std::string> behind_;  // The first key behind the table.
  std::map<size_t, List> lists_;
};

// The first key in `range` that a range delete above `since` covers, of a table in `run`.
Result<std::optional<std::string>> FirstDeletedAbove(const Run& run, TableCache& cache,
                                                     const kv::ScanRange& range, Sequence since);

}  // namespace aidb::lsm
