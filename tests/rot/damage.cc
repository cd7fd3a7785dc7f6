#include "tests/rot/damage.h"

#include <algorithm>
#include <utility>

#include "aidb/base/check.h"

namespace aidb::campaign {
namespace {

constexpr int kTries = 16;
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kRingHeaderBytes = 4096;

std::string PathOf(std::string_view name) {
  return std::string(kStoreDirectory) + "/" + std::string(name);
}

// Names of the store's files of one kind.
std::vector<std::string> FilesOf(const io::SimDisk& disk, Target target) {
  std::vector<std::string> names;
  for (const std::string& path : disk.AllFiles()) {
    const size_t slash = path.rfind('/');
    const std::string name = path.substr(slash + 1);
    if (path.find("quarantine") == std::string::npos && StoreFileOf(name) == target) {
      names.push_back(name);
    }
  }
  return names;
}

// Two places in three are where something is: a ring's header, a log in front of the zeros that
// were written ahead.
uint64_t Place(Target target, const std::string& bytes, Rng& rng) {
  const uint64_t used = bytes.find_last_not_of('\0') + 1;
  if (used == 0 || rng.OneIn(3)) return rng.Below(bytes.size());
  if (target == Target::kRing) return rng.Below(std::min(used, kRingHeaderBytes));
  return rng.Below(used);
}

void SwapBlocks(std::string& bytes, Rng& rng) {
  const uint64_t block = std::min<uint64_t>(kPageBytes, bytes.size() / 2);
  if (block == 0) return;
  const uint64_t count = bytes.size() / block;
  const uint64_t a = rng.Below(count) * block;
  const uint64_t b = rng.Below(count) * block;
  if (a != b)
    std::swap_ranges(bytes.begin() + static_cast<long>(a),
                     bytes.begin() + static_cast<long>(a + block),
                     bytes.begin() + static_cast<long>(b));
}

// What the bytes of the file become; unchanged when the damage does not apply.
std::string Change(const Sample& sample, Target target, Damage damage, const std::string& name,
                   std::string bytes, Rng& rng) {
  switch (damage) {
    case Damage::kFlipBit:
      if (!bytes.empty()) {
        char& byte = bytes[Place(target, bytes, rng)];
        byte = static_cast<char>(byte ^ (1 << rng.Below(8)));
      }
      break;
    case Damage::kZeroPage:
      if (!bytes.empty()) {
        const uint64_t page = Place(target, bytes, rng) / kPageBytes * kPageBytes;
        const uint64_t count = std::min<uint64_t>(kPageBytes, bytes.size() - page);
        bytes.replace(page, count, count, '\0');
      }
      break;
    case Damage::kTruncate:
      if (!bytes.empty()) bytes.resize(Place(target, bytes, rng));
      break;
    case Damage::kSwapBlocks:
      SwapBlocks(bytes, rng);
      break;
    case Damage::kStaleCopy:
      return sample.earlier[rng.Below(sample.earlier.size())]
          .ReadFile(PathOf(name))
          .value_or(std::move(bytes));
    case Damage::kForeign:
      return sample.foreign.ReadFile(PathOf(name)).value_or(std::move(bytes));
    case Damage::kDelete:
    case Damage::kDuplicate:
      AIDB_CHECK(false);
  }
  return bytes;
}

// A name for a second copy: a number that is free, or one that another file of the kind has.
std::string CopyName(const io::SimDisk& disk, Target target, const std::string& name, Rng& rng) {
  const auto names = FilesOf(disk, target);
  if (names.size() > 1 && rng.OneIn(2)) return names[rng.Below(names.size())];
  return AnotherName(target, 1'000 + rng.Below(1'000), name);
}

std::optional<Damaged> TryOnce(const Sample& sample, Target target, Damage damage, Rng& rng) {
  const auto names = FilesOf(sample.disk, target);
  if (names.empty()) return std::nullopt;
  const std::string name = names[rng.Below(names.size())];
  const std::string bytes = *sample.disk.ReadFile(PathOf(name));
  Damaged damaged{.disk = sample.disk, .file = name, .what = name};
  if (damage == Damage::kDelete) {
    const auto place = damaged.disk.FindPlace(PathOf(name));
    damaged.disk.Remove(*place);
    damaged.disk.CompleteSync(place->directory, damaged.disk.sequence());
    return damaged;
  }
  if (damage == Damage::kDuplicate) {
    const std::string copy = CopyName(sample.disk, target, name, rng);
    if (sample.disk.ReadFile(PathOf(copy)) == bytes) return std::nullopt;
    damaged.disk.PlaceFile(PathOf(copy), bytes);
    damaged.file = copy;
    damaged.what = name + " copied to " + copy;
    return damaged;
  }
  const std::string changed = Change(sample, target, damage, name, bytes, rng);
  if (changed == bytes) return std::nullopt;
  const auto first = std::ranges::mismatch(changed, bytes);
  damaged.what += ", " + std::to_string(bytes.size()) + " bytes now " +
                  std::to_string(changed.size()) + ", first change at " +
                  std::to_string(first.in1 - changed.begin());
  damaged.disk.PlaceFile(PathOf(name), changed);
  return damaged;
}

}  // namespace

std::optional<Damaged> Inflict(const Sample& sample, Target target, Damage damage, Rng& rng) {
  for (int i = 0; i < kTries; ++i) {
    if (auto damaged = TryOnce(sample, target, damage, rng)) return damaged;
  }
  return std::nullopt;
}

}  // namespace aidb::campaign
