#include "aidb/io/sim/disk.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/io/sim/pending.h"

namespace aidb::io {
namespace {

constexpr InodeId kRoot{0};

// "a//b/./c" → {"a", "b", "c"}.
std::vector<std::string_view> Split(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    if (!part.empty() && part != ".") parts.push_back(part);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

}  // namespace

SimDisk::SimDisk() { NewInode(true); }

SimDisk::Inode& SimDisk::Mutable(InodeId inode) {
  std::shared_ptr<Inode>& slot = inodes_[static_cast<uint32_t>(inode)];
  if (slot.use_count() > 1) slot = std::make_shared<Inode>(*slot);
  return *slot;
}

InodeId SimDisk::NewInode(bool is_directory) {
  inodes_.push_back(std::make_shared<Inode>());
  inodes_.back()->is_directory = is_directory;
  return InodeId{static_cast<uint32_t>(inodes_.size() - 1)};
}

// ---- Names ------------------------------------------------------------------------------

std::optional<InodeId> SimDisk::Find(std::string_view path) const {
  InodeId at = kRoot;
  for (const std::string_view part : Split(path)) {
    const Inode& directory = Get(at);
    const auto entry = directory.entries.find(part);
    if (!directory.is_directory || entry == directory.entries.end()) return std::nullopt;
    at = entry->second;
  }
  return at;
}

std::optional<SimDisk::Place> SimDisk::FindPlace(std::string_view path) const {
  const std::vector<std::string_view> parts = Split(path);
  if (parts.empty()) return std::nullopt;
  InodeId at = kRoot;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    const auto entry = Get(at).entries.find(parts[i]);
    if (entry == Get(at).entries.end()) return std::nullopt;
    at = entry->second;
  }
  if (!Get(at).is_directory) return std::nullopt;
  return Place{at, std::string(parts.back())};
}

void SimDisk::AddPendingName(InodeId directory, PendingName change) {
  Inode& inode = Mutable(directory);
  change.sequence = ++sequence_;
  pending::Apply(change, inode.entries);
  inode.names.push_back(std::move(change));
}

InodeId SimDisk::Create(const Place& place, bool is_directory) {
  const InodeId inode = NewInode(is_directory);
  Add(place, inode);
  return inode;
}

void SimDisk::Add(const Place& place, InodeId inode) {
  AddPendingName(place.directory,
                 {.kind = PendingName::Kind::kAdd, .name = place.name, .to = {}, .inode = inode});
}

void SimDisk::Remove(const Place& place) {
  AddPendingName(place.directory,
                 {.kind = PendingName::Kind::kRemove, .name = place.name, .to = {}});
}

void SimDisk::Rename(const Place& from, const Place& to) {
  AIDB_CHECK(from.directory == to.directory);
  const InodeId inode = Get(from.directory).entries.at(from.name);
  AddPendingName(
      from.directory,
      {.kind = PendingName::Kind::kRename, .name = from.name, .to = to.name, .inode = inode});
}

// ---- Bytes ------------------------------------------------------------------------------

void SimDisk::Write(InodeId id, uint64_t offset, std::span<const std::byte> bytes) {
  Inode& inode = Mutable(id);
  inode.cache.Write(offset, bytes);
  inode.writes.push_back({.sequence = ++sequence_,
                          .offset = offset,
                          .length = bytes.size(),
                          .bytes = std::make_shared<const std::string>(AsView(bytes)),
                          .size_after = inode.cache.size()});
  if (inode.writes.size() > kPendingMax) {
    CompleteSync(id, inode.writes[inode.writes.size() / 2].sequence);
  }
}

void SimDisk::Truncate(InodeId id, uint64_t size) {
  Inode& inode = Mutable(id);
  const uint64_t before = inode.cache.size();
  inode.cache.Resize(size);
  inode.writes.push_back({.sequence = ++sequence_,
                          .offset = size,
                          .length = before > size ? before - size : 0,
                          .bytes = nullptr,
                          .size_after = size});
}

void SimDisk::Reserve(InodeId id, uint64_t size) {
  Inode& inode = Mutable(id);
  inode.reserved = std::max(inode.reserved, size);
}

void SimDisk::CompleteSync(InodeId id, uint64_t up_to) {
  if (inodes_[static_cast<uint32_t>(id)] == nullptr) return;
  Inode& inode = Mutable(id);
  if (inode.is_directory) {
    const auto end = pending::End(inode.names, up_to);
    for (auto change = inode.names.begin(); change != end; ++change) {
      pending::Apply(*change, inode.durable_entries);
    }
    inode.names.erase(inode.names.begin(), end);
    return;
  }
  const auto end = pending::End(inode.writes, up_to);
  if (end == inode.writes.begin()) return;
  inode.before_last_sync = inode.durable;
  if (end == inode.writes.end() && !inode.cache_diverged) {
    inode.durable = inode.cache;
  } else {
    for (auto write = inode.writes.begin(); write != end; ++write) {
      pending::Apply(*write, inode.durable);
    }
  }
  inode.writes.erase(inode.writes.begin(), end);
}

void SimDisk::FailSync(InodeId id, uint64_t up_to, SyncFailure failure, Rng& rng) {
  Inode& inode = Mutable(id);
  if (inode.is_directory) {
    const auto end = pending::End(inode.names, up_to);
    for (auto change = inode.names.begin(); change != end; ++change) {
      if (rng.OneIn(2)) pending::Apply(*change, inode.durable_entries);
    }
    inode.names.erase(inode.names.begin(), end);
    inode.cache_diverged = true;
    if (failure == SyncFailure::kDropsCache) EvictCache(id);
    return;
  }
  const auto end = pending::End(inode.writes, up_to);
  const std::vector<PendingWrite> refused(inode.writes.begin(), end);
  inode.writes.erase(inode.writes.begin(), end);
  // Nothing new was allocated for what did not arrive: no garbage, no zeros over old bytes.
  inode.durable = pending::SurviveBySector(inode.durable, refused, rng,
                                           {.sector_bytes = 512, .zeros = false, .garbage = {}});
  inode.cache_diverged = true;
  if (failure == SyncFailure::kDropsCache) EvictCache(id);
}

void SimDisk::EvictCache(InodeId id) {
  if (!Get(id).cache_diverged) return;
  Inode& inode = Mutable(id);
  inode.cache = inode.durable;
  for (const PendingWrite& write : inode.writes) pending::Apply(write, inode.cache);
  inode.entries = inode.durable_entries;
  for (const PendingName& change : inode.names) pending::Apply(change, inode.entries);
  inode.cache_diverged = false;
}

// ---- Regions ----------------------------------------------------------------------------

void SimDisk::FormatRegion(InodeId id, uint64_t size) {
  Inode& inode = Mutable(id);
  inode.is_region = true;
  inode.cache_diverged = false;
  inode.writes.clear();
  inode.cache = SimContent();
  inode.cache.Resize(size);
  inode.durable = inode.cache;
}

void SimDisk::StoreRegion(InodeId id, std::span<const std::byte> bytes) {
  for (uint64_t at = 0; at < bytes.size(); at += SimContent::kPageBytes) {
    const auto now = bytes.subspan(at, SimContent::kPageBytes);
    if (!Get(id).cache.SamePage(now, at / SimContent::kPageBytes)) Mutable(id).cache.Write(at, now);
  }
}

void SimDisk::WriteBackRegion(InodeId id, Rng& rng) {
  for (uint64_t page = 0; page < Get(id).cache.pages(); ++page) {
    if (rng.OneIn(2) && !Get(id).durable.SamePage(Get(id).cache, page)) {
      Inode& inode = Mutable(id);
      inode.durable.CopyPage(inode.cache, page);
    }
  }
}

// ---- Space ------------------------------------------------------------------------------

void SimDisk::Collect(const std::vector<InodeId>& open) {
  std::vector<bool> used(inodes_.size());
  std::vector<InodeId> to_visit = open;
  to_visit.push_back(kRoot);
  while (!to_visit.empty()) {
    const InodeId id = to_visit.back();
    to_visit.pop_back();
    if (used[static_cast<uint32_t>(id)]) continue;
    used[static_cast<uint32_t>(id)] = true;
    const Inode& inode = Get(id);
    for (const auto& [name, entry] : inode.entries) to_visit.push_back(entry);
    for (const auto& [name, entry] : inode.durable_entries) to_visit.push_back(entry);
    for (const PendingName& change : inode.names) {
      if (change.kind != PendingName::Kind::kRemove) to_visit.push_back(change.inode);
    }
  }
  for (size_t i = 0; i < inodes_.size(); ++i) {
    if (!used[i]) inodes_[i] = nullptr;
  }
}

uint64_t SimDisk::UsedBytes(const std::vector<InodeId>& open) const {
  std::vector<bool> seen(inodes_.size());
  uint64_t bytes = 0;
  std::vector<InodeId> to_visit = open;
  to_visit.push_back(kRoot);
  while (!to_visit.empty()) {
    const InodeId id = to_visit.back();
    to_visit.pop_back();
    if (seen[static_cast<uint32_t>(id)]) continue;
    seen[static_cast<uint32_t>(id)] = true;
    const Inode& inode = Get(id);
    bytes += std::max(inode.cache.size(), inode.reserved);
    for (const auto& [name, entry] : inode.entries) to_visit.push_back(entry);
  }
  return bytes;
}

// ---- For tests --------------------------------------------------------------------------

std::optional<std::string> SimDisk::ReadFile(std::string_view path) const {
  const std::optional<InodeId> inode = Find(path);
  if (!inode || Get(*inode).is_directory) return std::nullopt;
  return Get(*inode).cache.ToString();
}

std::vector<std::string> SimDisk::AllFiles() const {
  std::vector<std::string> files;
  std::vector<std::pair<std::string, InodeId>> to_visit{{"", kRoot}};
  while (!to_visit.empty()) {
    const auto [path, id] = std::move(to_visit.back());
    to_visit.pop_back();
    if (!Get(id).is_directory) {
      files.push_back(path);
      continue;
    }
    for (const auto& [name, entry] : Get(id).entries) {
      to_visit.emplace_back(path.empty() ? name : path + "/" + name, entry);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

void SimDisk::PlaceFile(std::string_view path, std::string_view bytes) {
  const std::vector<std::string_view> parts = Split(path);
  AIDB_CHECK(!parts.empty());
  InodeId at = kRoot;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Place place{at, std::string(parts[i])};
    const auto entry = Get(at).entries.find(parts[i]);
    const InodeId next =
        entry != Get(at).entries.end() ? entry->second : Create(place, i + 1 < parts.size());
    CompleteSync(at, sequence_);
    at = next;
  }
  Truncate(at, 0);
  Write(at, 0, AsBytes(bytes));
  CompleteSync(at, sequence_);
}

}  // namespace aidb::io
