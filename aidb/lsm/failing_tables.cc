#include "aidb/lsm/failing_tables.h"

#include <algorithm>
#include <ranges>
#include <string>

#include "aidb/lsm/file_names.h"

namespace aidb::lsm {

void FailingTables::Failed(std::span<const TableRef> tables, const Status& why, Instant now) {
  const bool may_avoid = AvoidedCount() < kAvoidedMax;
  for (const TableRef& table : tables) {
    Entry& entry = entries_[table->number()];
    entry.table = table;
    entry.failures = std::min(entry.failures + 1, kFailuresMax);
    entry.why = why;
    if (entry.failures < kFailuresMax || !may_avoid) continue;
    entry.try_again_at = now + kAvoidTime;
    table->SetAvoided(true);
  }
}

void FailingTables::Succeeded(uint64_t number) {
  const auto entry = entries_.find(number);
  if (entry == entries_.end()) return;
  entry->second.table->SetAvoided(false);
  entries_.erase(entry);
}

void FailingTables::TryAgain(Instant now) {
  for (const Entry& entry : std::views::values(entries_)) {
    if (entry.table->avoided() && now >= entry.try_again_at) entry.table->SetAvoided(false);
  }
}

Status FailingTables::trouble() const {
  const auto failed = std::ranges::find_if(
      entries_, [](const auto& numbered) { return numbered.second.failures >= kFailuresMax; });
  if (failed == entries_.end()) return {};
  return Status(failed->second.why)
      .Annotate("compaction leaves out " + TableName(failed->first) + ", on which it fails");
}

size_t FailingTables::AvoidedCount() const {
  return static_cast<size_t>(std::ranges::count_if(
      std::views::values(entries_), [](const Entry& entry) { return entry.table->avoided(); }));
}

}  // namespace aidb::lsm
