#include "aidb/lsm/table_cache.h"

#include <utility>

#include "aidb/base/check.h"
#include "aidb/lsm/file_names.h"

namespace aidb::lsm {

TableCache::TableCache(io::FileSystem& files, std::string directory, BlockCache& blocks,
                       size_t tables_max)
    : files_(files),
      directory_(std::move(directory)),
      blocks_(blocks),
      tables_max_(tables_max),
      residents_max_(tables_max - (tables_max + 3) / 4) {
  AIDB_CHECK(tables_max_ >= 1);
}

Result<std::shared_ptr<const TableReader>> TableCache::Get(const TableFacts& facts) {
  {
    const MutexLock lock(mu_);
    if (const auto it = slot_of_.find(facts.number); it != slot_of_.end()) {
      slots_[it->second].used = true;
      return slots_[it->second].table;
    }
  }
  AIDB_ASSIGN_OR_RETURN(auto file, files_.Open(io::JoinPath(directory_, TableName(facts.number)),
                                               io::OpenMode::kRead));
  AIDB_ASSIGN_OR_RETURN(std::shared_ptr<const TableReader> opened,
                        TableReader::Open(std::move(file), facts, blocks_));
  std::shared_ptr<const TableReader> displaced;  // Closed after the lock is gone.
  const MutexLock lock(mu_);
  // Another thread may have opened it meanwhile: then both use that one.
  if (const auto it = slot_of_.find(facts.number); it != slot_of_.end()) {
    return slots_[it->second].table;
  }
  const size_t at = FreeSlot();
  displaced = std::exchange(slots_[at].table, opened);
  if (displaced != nullptr) slot_of_.erase(displaced->facts().number);
  slots_[at].used = false;
  slot_of_.emplace(facts.number, at);
  return opened;
}

Result<OpenTable> TableCache::OpenSlowly(const TableFile& file) {
  {
    const MutexLock lock(mu_);
    if (const auto it = slot_of_.find(file.number()); it != slot_of_.end()) {
      Slot& slot = slots_[it->second];
      slot.used = true;
      if (!slot.resident && residents_ == residents_max_) return OpenTable(slot.table);
      if (!std::exchange(slot.resident, true)) ++residents_;
      file.SetResident(slot.table.get());
      return OpenTable(slot.table.get());
    }
  }
  AIDB_ASSIGN_OR_RETURN(auto reader, Get(file.facts()));
  return OpenTable(std::move(reader));
}

size_t TableCache::FreeSlot() {
  if (slots_.size() < tables_max_) {
    slots_.emplace_back();
    return slots_.size() - 1;
  }
  // Ends within two rounds: there is a place for others than residents, and the first round
  // clears every bit.
  while (true) {
    const size_t at = hand_;
    hand_ = (hand_ + 1) % slots_.size();
    if (slots_[at].resident) continue;
    if (slots_[at].table == nullptr || !std::exchange(slots_[at].used, false)) return at;
  }
}

void TableCache::Evict(uint64_t number) {
  std::shared_ptr<const TableReader> evicted;  // Closed after the lock is gone.
  const MutexLock lock(mu_);
  const auto it = slot_of_.find(number);
  if (it == slot_of_.end()) return;
  if (slots_[it->second].resident) --residents_;
  evicted = std::move(slots_[it->second].table);
  slots_[it->second] = {};
  slot_of_.erase(it);
}

size_t TableCache::size() const {
  const MutexLock lock(mu_);
  return slot_of_.size();
}

size_t TableCache::memory_bytes() const {
  const MutexLock lock(mu_);
  size_t bytes = 0;
  for (const Slot& slot : slots_) {
    if (slot.table != nullptr) bytes += slot.table->memory_bytes();
  }
  return bytes;
}

}  // namespace aidb::lsm
