#include "aidb/lsm/version.h"

#include <algorithm>
#include <map>
#include <utility>

#include "aidb/base/escape.h"
#include "aidb/lsm/key_prefix.h"

namespace aidb::lsm {
namespace {

constexpr size_t kKeyBytesShown = 48;

std::string Shown(std::string_view key) {
  return "\"" + EscapeForMessage(key, kKeyBytesShown) + "\"";
}

Status DoesNotFit(const std::string& what) { return Corruption("an edit that " + what); }

// The tables of one level while a version is made: run number -> tables by number.
using LevelDraft = std::map<uint64_t, std::map<uint64_t, TableRef>, std::greater<>>;

}  // namespace

TableFile::~TableFile() {
  if (obsolete_.load(std::memory_order_relaxed) && unused_) unused_(number());
}

// ── Run ─────────────────────────────────────────────────────────────────────────────────────

Run::Run(uint64_t number, std::vector<TableRef> tables)
    : number_(number), tables_(std::move(tables)) {
  last_prefixes_.reserve(tables_.size());
  for (const TableRef& table : tables_) {
    size_bytes_ += table->size_bytes();
    if (table->facts().range_deletes > 0) range_delete_tables_.push_back(table);
    last_prefixes_.push_back(KeyPrefix(table->facts().last_key));
  }
}

Result<Run> Run::Build(int level, uint64_t number, std::vector<TableRef> tables) {
  std::ranges::sort(tables, {}, [](const TableRef& table) -> const std::string& {
    return table->facts().first_key;
  });
  for (size_t i = 1; i < tables.size(); ++i) {
    const TableFacts& before = tables[i - 1]->facts();
    const TableFacts& after = tables[i]->facts();
    if (before.last_key < after.first_key) continue;
    return Corruption("tables " + std::to_string(before.number) + " and " +
                      std::to_string(after.number) + " of level " + std::to_string(level) +
                      " overlap: one ends at " + Shown(before.last_key) + ", the next begins at " +
                      Shown(after.first_key));
  }
  return Run(number, std::move(tables));
}

size_t Run::IndexFor(std::string_view key) const {
  const uint64_t prefix = KeyPrefix(key);
  auto index = static_cast<size_t>(std::ranges::lower_bound(last_prefixes_, prefix) -
                                   last_prefixes_.begin());
  // Among equal prefixes the whole keys decide; such stretches are short unless keys share
  // more than 8 leading bytes, so search these by halves too.
  const auto equal_end =
      static_cast<size_t>(std::upper_bound(last_prefixes_.begin() + static_cast<ptrdiff_t>(index),
                                           last_prefixes_.end(), prefix) -
                          last_prefixes_.begin());
  const auto stretch = tables().subspan(index, equal_end - index);
  const auto at = std::ranges::lower_bound(
      stretch, key, {},
      [](const TableRef& table) -> std::string_view { return table->facts().last_key; });
  return index + static_cast<size_t>(at - stretch.begin());
}

const TableFile* Run::TableFor(std::string_view key) const {
  const size_t index = IndexFor(key);
  if (index == tables_.size() || tables_[index]->facts().first_key > key) return nullptr;
  return tables_[index].get();
}

std::span<const TableRef> Run::Overlapping(std::string_view first, std::string_view last) const {
  const size_t begin = IndexFor(first);
  size_t end = begin;
  while (end < tables_.size() && tables_[end]->facts().first_key <= last) ++end;
  return tables().subspan(begin, end - begin);
}

// ── Version ─────────────────────────────────────────────────────────────────────────────────

std::shared_ptr<const Version> Version::Empty(TableUnused unused) {
  return std::shared_ptr<const Version>(new Version(std::move(unused)));
}

Result<std::shared_ptr<const Version>> Version::Apply(const VersionEdit& edit) const {
  std::array<LevelDraft, kLevels> draft;
  for (size_t level = 0; level < kLevels; ++level) {
    for (const Run& run : levels_[level])
      for (const TableRef& table : run.tables())
        draft[level][run.number()][table->number()] = table;
  }
  std::map<uint64_t, TableRef> moving;
  for (const RemovedTable& removed : edit.removed) {
    LevelDraft& level = draft[static_cast<size_t>(removed.level)];
    TableRef table;
    for (auto& [number, tables] : level) {
      const auto it = tables.find(removed.number);
      if (it == tables.end()) continue;
      table = it->second;
      tables.erase(it);
      break;
    }
    if (table == nullptr) {
      return DoesNotFit("removes table " + std::to_string(removed.number) + " from level " +
                        std::to_string(removed.level) + ", which does not have it");
    }
    moving[removed.number] = table;
  }
  std::map<uint64_t, TableRef> added;
  for (const AddedTable& table : edit.added) {
    const uint64_t number = table.facts.number;
    const auto moved = moving.find(number);
    const TableRef file = moved != moving.end()
                              ? moved->second
                              : std::make_shared<const TableFile>(table.facts, unused_);
    if (!(file->facts() == table.facts))
      return DoesNotFit("moves table " + std::to_string(number) + " and changes its facts");
    draft[static_cast<size_t>(table.level)][table.run][number] = file;
    added[number] = file;
  }

  std::shared_ptr<Version> next(new Version(unused_));
  for (int level = 0; level < kLevels; ++level) {
    AIDB_RETURN_IF_ERROR([&]() -> Status {
      for (auto& [number, tables] : draft[static_cast<size_t>(level)]) {
        if (tables.empty()) continue;
        std::vector<TableRef> refs;
        for (auto& [table_number, table] : tables) refs.push_back(table);
        AIDB_ASSIGN_OR_RETURN(Run run, Run::Build(level, number, std::move(refs)));
        next->levels_[static_cast<size_t>(level)].push_back(std::move(run));
      }
      return next->CheckLevel(level);
    }());
  }
  for (const uint64_t number : edit.damaged) {
    const auto it = added.find(number);
    const TableFile* table = it != added.end() ? it->second.get() : nullptr;
    for (int level = 0; level < kLevels && table == nullptr; ++level)
      table = next->Find(level, number);
    if (table == nullptr)
      return DoesNotFit("marks table " + std::to_string(number) + ", which is not there");
    table->MarkDamaged();
  }
  return std::shared_ptr<const Version>(std::move(next));
}

Status Version::CheckLevel(int level) const {
  const std::span<const Run> all = runs(level);
  if (level > 0 && all.size() > 1) {
    return Corruption("level " + std::to_string(level) + " has " + std::to_string(all.size()) +
                      " runs; only level 0 may have several");
  }
  for (size_t i = 1; i < all.size(); ++i) {
    const auto [newer, older] = std::pair(all[i - 1].tables(), all[i].tables());
    const auto lowest =
        std::ranges::min(newer, {}, [](const TableRef& t) { return t->facts().lowest; })
            ->facts()
            .lowest;
    const auto highest =
        std::ranges::max(older, {}, [](const TableRef& t) { return t->facts().highest; })
            ->facts()
            .highest;
    if (lowest > highest) continue;
    return Corruption("run " + std::to_string(all[i - 1].number()) +
                      " of level 0 begins at sequence " + std::to_string(ToNumber(lowest)) +
                      ", not behind run " + std::to_string(all[i].number()) + ", which ends at " +
                      std::to_string(ToNumber(highest)));
  }
  return {};
}

void Version::MarkRemoved(const VersionEdit& edit) const {
  for (const RemovedTable& removed : edit.removed) {
    const bool moved = std::ranges::any_of(
        edit.added, [&](const AddedTable& table) { return table.facts.number == removed.number; });
    const TableFile* table = Find(removed.level, removed.number);
    if (!moved && table != nullptr) table->MarkObsolete();
  }
}

uint64_t Version::LevelBytes(int level) const {
  uint64_t bytes = 0;
  for (const Run& run : runs(level)) bytes += run.size_bytes();
  return bytes;
}

size_t Version::TableCount(int level) const {
  size_t count = 0;
  for (const Run& run : runs(level)) count += run.tables().size();
  return count;
}

int Version::DeepestLevel() const {
  for (int level = kLevels - 1; level > 0; --level)
    if (!runs(level).empty()) return level;
  return 0;
}

std::vector<TableRef> Version::Overlapping(int level, std::string_view first,
                                           std::string_view last) const {
  std::vector<TableRef> tables;
  for (const Run& run : runs(level)) {
    const auto found = run.Overlapping(first, last);
    tables.insert(tables.end(), found.begin(), found.end());
  }
  return tables;
}

const TableFile* Version::Find(int level, uint64_t number) const {
  for (const Run& run : runs(level))
    for (const TableRef& table : run.tables())
      if (table->number() == number) return table.get();
  return nullptr;
}

}  // namespace aidb::lsm
