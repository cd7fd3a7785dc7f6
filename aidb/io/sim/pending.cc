#include "aidb/io/sim/pending.h"

#include <cstring>
#include <span>
#include <utility>

#include "aidb/base/bytes.h"

namespace aidb::io::pending {
namespace {

using Writes = std::vector<SimDisk::PendingWrite>;

// One sector that some pending writes touch.
struct Sector {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::span<const std::pair<uint64_t, uint32_t>> touches;  // {sector number, index of the write}
};

// {sector, write} for every sector a write touches, by sector, then by age.
std::vector<std::pair<uint64_t, uint32_t>> Touches(const Writes& writes, uint32_t sector_bytes) {
  std::vector<std::pair<uint64_t, uint32_t>> touches;
  for (uint32_t i = 0; i < writes.size(); ++i) {
    if (writes[i].length == 0) continue;
    const uint64_t last = (writes[i].offset + writes[i].length - 1) / sector_bytes;
    for (uint64_t s = writes[i].offset / sector_bytes; s <= last; ++s) touches.emplace_back(s, i);
  }
  std::sort(touches.begin(), touches.end());
  return touches;
}

// The part of a write that lies in [begin, end), put there.
void ApplyWithin(const SimDisk::PendingWrite& write, uint64_t begin, uint64_t end,
                 SimContent& content) {
  const uint64_t from = std::max(begin, write.offset);
  const uint64_t to = std::min(end, write.offset + write.length);
  if (from >= to) return;
  if (write.bytes == nullptr) {
    content.Zero(from, to - from);
  } else {
    content.Write(from,
                  AsBytes(std::string_view(*write.bytes).substr(from - write.offset, to - from)));
  }
}

bool CoversWhole(const Writes& writes, const Sector& sector) {
  for (const auto& [number, index] : sector.touches) {
    const SimDisk::PendingWrite& write = writes[index];
    if (write.offset <= sector.begin && write.offset + write.length >= sector.end) return true;
  }
  return false;
}

// How many of the touching writes the sector shows, at least and at most. A truncation is
// metadata: it holds exactly when the surviving size (that after the `size_version` oldest
// changes) says so, and takes what came before it along.
std::pair<size_t, size_t> LegalVersions(const Writes& writes, const Sector& sector,
                                        size_t size_version) {
  size_t low = 0;
  for (size_t i = 0; i < sector.touches.size(); ++i) {
    const uint32_t index = sector.touches[i].second;
    if (writes[index].bytes != nullptr) continue;
    if (index >= size_version) return {low, i};
    low = i + 1;
  }
  return {low, sector.touches.size()};
}

void FillWithGarbage(const Sector& sector, const SectorModel& model, Rng& rng,
                     SimContent& content) {
  std::vector<std::byte> bytes(sector.end - sector.begin);
  const SimContent& source = *model.garbage[rng.Below(model.garbage.size())];
  if (source.size() >= bytes.size() && rng.OneIn(2)) {
    const uint64_t sectors = source.size() / bytes.size();
    source.Read(rng.Below(sectors) * bytes.size(), bytes);
  } else {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng.Next());
  }
  content.Write(sector.begin, bytes);
}

}  // namespace

void Apply(const SimDisk::PendingWrite& write, SimContent& content) {
  if (write.bytes == nullptr) {
    content.Resize(write.size_after);
  } else {
    content.Write(write.offset, AsBytes(*write.bytes));
  }
}

void Apply(const SimDisk::PendingName& change, SimDisk::Names& names) {
  switch (change.kind) {
    case SimDisk::PendingName::Kind::kAdd:
      names.insert_or_assign(change.name, change.inode);
      return;
    case SimDisk::PendingName::Kind::kRemove:
      names.erase(change.name);
      return;
    case SimDisk::PendingName::Kind::kRename:
      names.erase(change.name);
      names.insert_or_assign(change.to, change.inode);
      return;
  }
}

// Whether the sector, durable to its end, was only ever overwritten with the bytes it holds. Then
// a torn write of it cannot be told from none: some of the same bytes over the same bytes.
bool HoldsTheSame(const SimContent& durable, const Writes& writes, const Sector& sector) {
  if (sector.end > durable.size()) return false;
  SimContent rewritten = durable;
  for (const auto& [number, index] : sector.touches) {
    ApplyWithin(writes[index], sector.begin, sector.end, rewritten);
  }
  std::vector<std::byte> before(sector.end - sector.begin);
  std::vector<std::byte> after(before.size());
  durable.Read(sector.begin, before);
  rewritten.Read(sector.begin, after);
  return before == after;
}

SimContent SurviveBySector(const SimContent& durable, const Writes& writes, Rng& rng,
                           const SectorModel& model) {
  // The size is metadata: any that the file had, whatever became of its bytes.
  const size_t size_version = rng.OneIn(2) ? writes.size() : rng.Below(writes.size() + 1);
  const uint64_t final_size =
      size_version == 0 ? durable.size() : writes[size_version - 1].size_after;
  // New sectors are rare in one cut and the rule in another.
  const uint64_t new_of_16 = rng.Between(1, 15);
  const uint64_t allocated = (durable.size() + SimContent::kPageBytes - 1) /
                             SimContent::kPageBytes * SimContent::kPageBytes;

  SimContent survived = durable;
  survived.Resize(std::max(durable.size(), final_size));
  const auto touches = Touches(writes, model.sector_bytes);
  for (size_t i = 0; i < touches.size();) {
    size_t next = i + 1;
    while (next < touches.size() && touches[next].first == touches[i].first) ++next;
    const uint64_t begin = touches[i].first * model.sector_bytes;
    Sector sector{begin, begin + model.sector_bytes, std::span(touches).subspan(i, next - i)};
    i = next;
    const auto [low, high] = LegalVersions(writes, sector, size_version);
    sector.touches = sector.touches.first(high);
    if (sector.begin >= final_size || sector.touches.empty()) continue;

    const bool likely_new = rng.Below(16) < new_of_16;
    const size_t version = likely_new ? high : rng.Between(low, high);
    for (const auto& [number, index] : sector.touches.first(version)) {
      ApplyWithin(writes[index], sector.begin, sector.end, survived);
    }
    if (likely_new || version > 0 || !model.zeros) continue;
    // Not written at all: old, zero or, where no block was before, garbage. Durable bytes that
    // nobody overwrote stay: a sector is written whole.
    const uint64_t fate = rng.Below(4);
    if (fate == 0 && !HoldsTheSame(durable, writes, sector)) {
      const bool whole = CoversWhole(writes, sector);
      const uint64_t from = whole ? sector.begin : std::max(sector.begin, durable.size());
      if (from < sector.end) survived.Zero(from, sector.end - from);
    } else if (fate == 1 && !model.garbage.empty() && sector.begin >= allocated) {
      FillWithGarbage(sector, model, rng, survived);
    }
  }
  survived.Resize(final_size);
  return survived;
}

}  // namespace aidb::io::pending
