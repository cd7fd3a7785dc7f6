#include "aidb/lsm/damage_notes.h"

#include <set>

#include "aidb/lsm/file_names.h"
#include "aidb/lsm/repair_command.h"

namespace aidb::lsm {
namespace {

template <typename Visit>
void ForEachTable(const Version& version, Visit visit) {
  for (int level = 0; level < kLevels; ++level) {
    for (const Run& run : version.runs(level)) {
      for (const TableRef& table : run.tables()) visit(*table);
    }
  }
}

}  // namespace

bool DamageNotes::Note(uint64_t number, const Status& why, int64_t now_ms) {
  std::string what(why.message());
  const std::string command = RepairCommand(directory_);
  if (what.find(command) == std::string::npos) what += command;
  const MutexLock lock(mu_);
  const auto [found, fresh] = found_.try_emplace(number, Found{.at_ms = now_ms});
  found->second.what = std::move(what);
  return fresh;
}

void DamageNotes::Forget(uint64_t number) {
  const MutexLock lock(mu_);
  found_.erase(number);
}

void DamageNotes::KeepThoseOf(const Version& version) {
  std::set<uint64_t> numbers;
  ForEachTable(version, [&](const TableFile& table) { numbers.insert(table.number()); });
  const MutexLock lock(mu_);
  std::erase_if(found_, [&](const auto& found) { return !numbers.contains(found.first); });
}

std::vector<kv::DamagedFile> DamageNotes::In(const Version& version) const {
  std::vector<kv::DamagedFile> damaged;
  std::vector<const TableFile*> tables;
  ForEachTable(version, [&](const TableFile& table) { tables.push_back(&table); });
  const MutexLock lock(mu_);
  for (const TableFile* const table : tables) {
    const std::string name = TableName(table->number());
    const auto found = found_.find(table->number());
    if (found != found_.end()) {
      damaged.push_back({name, found->second.what, found->second.at_ms});
    } else if (table->damaged()) {
      damaged.push_back({name,
                         "marked as damaged before the store was opened; `aidb check` tells what "
                         "is lost" +
                             RepairCommand(directory_),
                         0});
    }
  }
  return damaged;
}

}  // namespace aidb::lsm
