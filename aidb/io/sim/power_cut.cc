// What a disk is after its process, its power or its host has gone, and what time does to it.

#include <algorithm>
#include <utility>

#include "aidb/io/sim/disk.h"
#include "aidb/io/sim/pending.h"

namespace aidb::io {
namespace {

constexpr uint32_t kSectorBytes = 512;
constexpr uint32_t kPageBytes = 4096;

SimContent SurvivingFile(const SimDisk::Inode& file, Rng& rng, const pending::SectorModel& model) {
  if (file.writes.empty()) return file.durable;
  switch (rng.Below(4)) {
    case 0:  // Nothing arrived.
      return file.durable;
    case 1: {  // The oldest so many arrived, whole; all of them as often as not.
      const size_t count = rng.OneIn(2) ? file.writes.size() : rng.Below(file.writes.size() + 1);
      SimContent content = file.durable;
      for (size_t i = 0; i < count; ++i) pending::Apply(file.writes[i], content);
      return content;
    }
    default:
      return pending::SurviveBySector(file.durable, file.writes, rng, model);
  }
}

SimContent SurvivingRegion(const SimDisk::Inode& region, Rng& rng, uint32_t unit_bytes) {
  SimContent content = region.durable;
  std::vector<std::byte> unit(unit_bytes);
  for (uint64_t page = 0; page < content.pages(); ++page) {
    if (content.SamePage(region.cache, page)) continue;
    const uint64_t end = (page + 1) * kPageBytes;
    for (uint64_t at = page * kPageBytes; at < end; at += unit_bytes) {
      if (rng.OneIn(2)) continue;
      region.cache.Read(at, unit);
      content.Write(at, unit);
    }
  }
  return content;
}

SimDisk::Names SurvivingNames(const SimDisk::Inode& directory, Rng& rng,
                              PowerCutModel::Names model) {
  SimDisk::Names names = directory.durable_entries;
  const size_t prefix = rng.Below(directory.names.size() + 1);
  for (size_t i = 0; i < directory.names.size(); ++i) {
    const bool survives = model == PowerCutModel::Names::kPrefix ? i < prefix : rng.OneIn(2);
    if (survives) pending::Apply(directory.names[i], names);
  }
  return names;
}

}  // namespace

PowerCutModel PowerCutModel::Draw(Rng& rng) {
  return {.sector_bytes = rng.OneIn(4) ? kPageBytes : kSectorBytes,
          .names = rng.OneIn(4) ? Names::kPrefix : Names::kSubset,
          .garbage = rng.OneIn(2),
          .region_bytes = rng.OneIn(2) ? kPageBytes : kSectorBytes};
}

SimDisk SimDisk::PowerCut(Rng& rng, const PowerCutModel& model) const {
  pending::SectorModel sectors{.sector_bytes = model.sector_bytes, .zeros = true, .garbage = {}};
  if (model.garbage) {
    for (const auto& inode : inodes_) {
      if (inode != nullptr && !inode->is_directory) sectors.garbage.push_back(&inode->durable);
    }
  }
  SimDisk after = *this;
  for (auto& slot : after.inodes_) {
    if (slot == nullptr) continue;
    if (slot->writes.empty() && slot->names.empty() && !slot->cache_diverged && !slot->is_region) {
      continue;  // Nothing at stake.
    }
    const Inode& before = *slot;
    auto inode = std::make_shared<Inode>();
    inode->is_directory = before.is_directory;
    inode->is_region = before.is_region;
    inode->reserved = before.reserved;
    inode->before_last_sync = before.before_last_sync;
    if (before.is_directory) {
      inode->durable_entries = SurvivingNames(before, rng, model.names);
      inode->entries = inode->durable_entries;
    } else {
      inode->durable = before.is_region ? SurvivingRegion(before, rng, model.region_bytes)
                                        : SurvivingFile(before, rng, sectors);
      inode->cache = inode->durable;
    }
    slot = std::move(inode);
  }
  ++after.boot_;
  after.Collect({});
  return after;
}

SimDisk SimDisk::Kill() const {
  SimDisk after = *this;
  after.Collect({});
  return after;
}

SimDisk SimDisk::Move() const {
  SimDisk after = *this;
  for (uint32_t i = 0; i < after.inodes_.size(); ++i) {
    if (after.inodes_[i] == nullptr) continue;
    const InodeId id{i};
    after.EvictCache(id);  // What a failed sync left in the cache only does not travel.
    after.CompleteSync(id, after.sequence_);
    if (after.Get(id).is_region) {
      Inode& region = after.Mutable(id);
      region.durable = region.cache;
    }
  }
  ++after.boot_;
  after.Collect({});
  return after;
}

std::optional<std::string> SimDisk::Damage(std::string_view path, Rot rot, Rng& rng) {
  const std::optional<InodeId> id = Find(path);
  if (!id || Get(*id).is_directory || Get(*id).cache.size() == 0) return std::nullopt;
  Inode& inode = Mutable(*id);
  SimContent& content = inode.cache;
  const SimContent before = content;
  const uint64_t page = rng.Below(content.pages());
  std::string what;
  switch (rot) {
    case Rot::kFlipBit: {
      const uint64_t offset = rng.Below(content.size());
      std::byte byte{};
      content.Read(offset, {&byte, 1});
      byte ^= std::byte{1} << rng.Below(8);
      content.Write(offset, {&byte, 1});
      what = "flipped a bit at offset " + std::to_string(offset);
      break;
    }
    case Rot::kZeroPage:
      content.Zero(page * kPageBytes, kPageBytes);
      what = "zeroed the page at offset " + std::to_string(page * kPageBytes);
      break;
    case Rot::kTruncate:
      content.Resize(rng.Below(content.size()));
      what = "truncated to " + std::to_string(content.size());
      break;
    case Rot::kSwapPages: {
      if (content.pages() < 2) return std::nullopt;
      const uint64_t other = (page + 1 + rng.Below(content.pages() - 1)) % content.pages();
      std::vector<std::byte> a(std::min<uint64_t>(kPageBytes, before.size() - page * kPageBytes));
      std::vector<std::byte> b(std::min<uint64_t>(kPageBytes, before.size() - other * kPageBytes));
      const size_t count = std::min(a.size(), b.size());
      before.Read(page * kPageBytes, a);
      before.Read(other * kPageBytes, b);
      content.Write(page * kPageBytes, std::span(b).first(count));
      content.Write(other * kPageBytes, std::span(a).first(count));
      what = "swapped the pages at offsets " + std::to_string(page * kPageBytes) + " and " +
             std::to_string(other * kPageBytes);
      break;
    }
    case Rot::kStalePage:
      content.CopyPage(inode.before_last_sync, page);
      what =
          "returned the page at offset " + std::to_string(page * kPageBytes) + " to an older state";
      break;
  }
  bool changed = content.size() != before.size();
  for (uint64_t i = 0; i < content.pages() && !changed; ++i) {
    changed = !content.SamePage(before, i);
  }
  if (!changed) return std::nullopt;
  inode.durable = content;
  inode.writes.clear();
  return what;
}

}  // namespace aidb::io
