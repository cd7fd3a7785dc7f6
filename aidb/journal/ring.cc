#include "aidb/journal/ring.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/base/crc32c.h"
#include "aidb/base/hash.h"

namespace aidb::journal {
namespace {

constexpr uint64_t kMagic = 0x474E495242444941;      // "AIDBRING"
constexpr uint64_t kResetting = 0x474E495445534552;  // "RESETING"
constexpr uint16_t kVersion = 1;
constexpr uint64_t kHeaderCrcAt = 56;
constexpr uint64_t kFileCrcAt = 24;

std::string_view View(const std::byte* from, uint64_t count) {
  return {reinterpret_cast<const char*>(from), count};
}

}  // namespace

Result<Ring> Ring::Open(io::FileSystem& files, std::string_view directory, uint64_t ring_bytes) {
  AIDB_CHECK(ring_bytes >= 4096 && (ring_bytes & (ring_bytes - 1)) == 0);
  const uint64_t total = kHeaderBytes + ring_bytes;
  if (files.RegionSupportAt(directory) == io::RegionSupport::kTrusted) {
    auto region = files.OpenRegion(io::JoinPath(directory, "ring"), total);
    if (region.ok()) {
      std::byte* base = (*region)->bytes().data();
      return Ring(*std::move(region), nullptr, base, ring_bytes);
    }
    if (region.status().code() != StatusCode::kResourceExhausted) {
      return std::move(region).status().Annotate("open the log ring");
    }
  }
  auto memory = std::make_unique<std::byte[]>(total);
  std::byte* base = memory.get();
  return Ring(nullptr, std::move(memory), base, ring_bytes);
}

std::optional<uint64_t> Ring::Load(uint64_t at, uint64_t generation) const {
  std::optional<uint64_t> best;
  for (uint64_t slot = at; slot <= at + 16; slot += 16) {
    const uint64_t value = Word(slot).load(std::memory_order_relaxed);
    const uint64_t check = Word(slot + 8).load(std::memory_order_relaxed);
    if ((~value ^ generation) == check) best = std::max(best.value_or(0), value);
  }
  return best;
}

Result<std::optional<RingRemains>> Ring::Remains(std::string_view boot_id) const {
  const uint64_t magic = LoadLe<uint64_t>(base_);
  const bool all_zero =
      std::all_of(base_, base_ + kHeaderCrcAt + 8, [](std::byte b) { return b == std::byte{0}; });
  if (all_zero || magic == kResetting) return std::optional<RingRemains>();
  if (magic != kMagic ||
      LoadLe<uint32_t>(base_ + kHeaderCrcAt) != Crc32c(View(base_, kHeaderCrcAt))) {
    return Corruption("ring: the header at offset 0 fails its checksum");
  }
  if (LoadLe<uint16_t>(base_ + 8) != kVersion) {
    return InvalidArgument("ring: version " + std::to_string(LoadLe<uint16_t>(base_ + 8)) +
                           " was written by a newer release; this one reads version 1");
  }
  if (LoadLe<uint64_t>(base_ + 40) != size_) {
    return Corruption("ring: the header at offset 40 names another size than the file has");
  }
  RingRemains remains;
  std::memcpy(remains.uuid.data(), base_ + 16, remains.uuid.size());
  remains.same_boot = LoadLe<uint64_t>(base_ + 32) == Hash64(boot_id);
  remains.generation = LoadLe<uint64_t>(base_ + 48);
  remains.published = Load(kPublishedAt, remains.generation);
  remains.written = Load(kWrittenAt, remains.generation);
  remains.durable = Load(kDurableAt, remains.generation);
  std::vector<std::pair<uint64_t, RingFile>> by_turn;
  for (int i = 0; i < kFileSlots; ++i) {
    const std::byte* entry = base_ + kFilesAt + static_cast<uint64_t>(i) * kFileEntryBytes;
    if (LoadLe<uint32_t>(entry + kFileCrcAt + 8) != Crc32c(View(entry, kFileCrcAt + 8))) continue;
    if (LoadLe<uint64_t>(entry + 16) != remains.generation) continue;
    by_turn.emplace_back(LoadLe<uint64_t>(entry + kFileCrcAt),
                         RingFile{LoadLe<uint64_t>(entry), LoadLe<uint64_t>(entry + 8)});
  }
  std::sort(by_turn.begin(), by_turn.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [turn, file] : by_turn) remains.files.push_back(file);
  return std::optional<RingRemains>(std::move(remains));
}

void Ring::Reset(const std::array<uint8_t, 16>& uuid, uint64_t generation,
                 std::string_view boot_id) {
  Word(0).store(kResetting, std::memory_order_release);
  std::memset(base_ + 8, 0, kHeaderBytes - 8);
  generation_ = generation;
  published_turn_ = written_turn_ = durable_turn_ = 0;
  SetPublished(0);
  SetWritten(0);
  SetDurable(0);

  std::byte header[kHeaderCrcAt] = {};
  StoreLe<uint64_t>(header, kMagic);
  StoreLe<uint16_t>(header + 8, kVersion);
  std::memcpy(header + 16, uuid.data(), uuid.size());
  StoreLe<uint64_t>(header + 32, Hash64(boot_id));
  StoreLe<uint64_t>(header + 40, size_);
  StoreLe<uint64_t>(header + 48, generation);
  std::memcpy(base_ + 8, header + 8, sizeof header - 8);
  StoreLe<uint32_t>(base_ + kHeaderCrcAt, Crc32c(View(header, sizeof header)));
  Word(0).store(kMagic, std::memory_order_release);
}

void Ring::SetFile(uint64_t turn, const RingFile& file) {
  std::byte* entry = base_ + kFilesAt + (turn % kFileSlots) * kFileEntryBytes;
  std::byte fields[kFileCrcAt + 8];
  StoreLe<uint64_t>(fields, file.start);
  StoreLe<uint64_t>(fields + 8, file.number);
  StoreLe<uint64_t>(fields + 16, generation_);
  StoreLe<uint64_t>(fields + kFileCrcAt, turn);
  std::memcpy(entry, fields, sizeof fields);
  StoreLe<uint32_t>(entry + sizeof fields, Crc32c(View(fields, sizeof fields)));
}

Ring::Pieces Ring::At(uint64_t position, uint64_t count) {
  AIDB_CHECK(count <= size_);
  const uint64_t at = position & (size_ - 1);
  const uint64_t first = std::min(count, size_ - at);
  std::byte* bytes = base_ + kHeaderBytes;
  return {{bytes + at, first}, {bytes, count - first}};
}

void Ring::CopyOut(uint64_t position, std::span<std::byte> out) {
  const Pieces pieces = At(position, out.size());
  std::memcpy(out.data(), pieces.first.data(), pieces.first.size());
  if (!pieces.second.empty()) {
    std::memcpy(out.data() + pieces.first.size(), pieces.second.data(), pieces.second.size());
  }
}

void Ring::CopyIn(uint64_t position, std::span<const std::byte> bytes) {
  const Pieces pieces = At(position, bytes.size());
  std::memcpy(pieces.first.data(), bytes.data(), pieces.first.size());
  if (!pieces.second.empty()) {
    std::memcpy(pieces.second.data(), bytes.data() + pieces.first.size(), pieces.second.size());
  }
}

}  // namespace aidb::journal
