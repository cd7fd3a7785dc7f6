#include "aidb/journal/ring.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/base/crc32c.h"
#include "aidb/base/hash.h"
#include "aidb/io/transfer.h"

namespace aidb::journal {
namespace {

constexpr uint64_t kMagic = 0x474E495242444941;      // "AIDBRING"
constexpr uint64_t kResetting = 0x474E495445534552;  // "RESETING"
constexpr uint16_t kVersion = 1;
constexpr uint64_t kHeaderCrcAt = 56;
constexpr uint64_t kTurnAt = 24;

std::string_view View(const std::byte* from, uint64_t count) {
  return {reinterpret_cast<const char*>(from), count};
}

// The newest value of the mark at `at`; nullopt when neither slot is valid.
std::optional<uint64_t> MarkAt(std::string_view header, uint64_t at, uint64_t generation) {
  std::optional<uint64_t> best;
  for (uint64_t slot = at; slot <= at + 16; slot += 16) {
    const auto value = LoadLe<uint64_t>(header.data() + slot);
    const auto check = LoadLe<uint64_t>(header.data() + slot + 8);
    if ((~value ^ generation) == check) best = std::max(best.value_or(0), value);
  }
  return best;
}

void DecodeMarks(std::string_view header, std::string_view boot_id, RingRemains& remains) {
  std::memcpy(remains.uuid.data(), header.data() + 16, remains.uuid.size());
  remains.same_boot = LoadLe<uint64_t>(header.data() + 32) == Hash64(boot_id);
  remains.generation = LoadLe<uint64_t>(header.data() + 48);
  remains.published = MarkAt(header, Ring::kPublishedAt, remains.generation);
  remains.written = MarkAt(header, Ring::kWrittenAt, remains.generation);
  remains.durable = MarkAt(header, Ring::kDurableAt, remains.generation);
  std::vector<std::pair<uint64_t, RingFile>> by_turn;
  for (uint64_t i = 0; i < Ring::kFileSlots; ++i) {
    const std::string_view entry = header.substr(Ring::kFilesAt + i * Ring::kFileEntryBytes);
    if (LoadLe<uint32_t>(entry.data() + kTurnAt + 8) != Crc32c(entry.substr(0, kTurnAt + 8)) ||
        LoadLe<uint64_t>(entry.data() + 16) != remains.generation) {
      continue;
    }
    by_turn.emplace_back(
        LoadLe<uint64_t>(entry.data() + kTurnAt),
        RingFile{LoadLe<uint64_t>(entry.data()), LoadLe<uint64_t>(entry.data() + 8)});
  }
  std::sort(by_turn.begin(), by_turn.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [turn, file] : by_turn) remains.files.push_back(file);
}

}  // namespace

Result<std::optional<RingRemains>> RingRemains::Read(io::FileSystem& files,
                                                     std::string_view directory,
                                                     std::string_view boot_id) {
  const std::string path = io::JoinPath(directory, Ring::kName);
  AIDB_ASSIGN_OR_RETURN(const bool exists, files.Exists(path));
  if (!exists) return std::optional<RingRemains>();
  RingRemains remains;
  AIDB_ASSIGN_OR_RETURN(remains.file, files.Open(path, io::OpenMode::kRead));
  AIDB_ASSIGN_OR_RETURN(const uint64_t size, remains.file->Size());
  std::string header(Ring::kHeaderBytes, '\0');
  AIDB_ASSIGN_OR_RETURN(const size_t got,
                        io::ReadUpTo(*remains.file, 0, std::as_writable_bytes(std::span(header))));
  header.resize(got);
  const bool untouched =
      header.substr(0, kHeaderCrcAt + 8).find_first_not_of('\0') == std::string::npos;
  if (untouched || (got >= 8 && LoadLe<uint64_t>(header.data()) == kResetting)) {
    return std::optional<RingRemains>();
  }
  const std::string advice =
      "; the newest acknowledged records may be in it and nowhere else. Restore the file "
      "from a copy";
  if (got < Ring::kHeaderBytes || LoadLe<uint64_t>(header.data()) != kMagic ||
      LoadLe<uint32_t>(header.data() + kHeaderCrcAt) !=
          Crc32c(std::string_view(header).substr(0, kHeaderCrcAt))) {
    return Corruption(path + ": the header at offset 0 fails its checksum" + advice);
  }
  if (LoadLe<uint16_t>(header.data() + 8) != kVersion) {
    return InvalidArgument(path + ": version " +
                           std::to_string(LoadLe<uint16_t>(header.data() + 8)) +
                           " at offset 8 is of a newer release, this one reads version 1; open it "
                           "with the release that wrote it");
  }
  remains.ring_bytes = LoadLe<uint64_t>(header.data() + 40);
  if (remains.ring_bytes != size - Ring::kHeaderBytes || !std::has_single_bit(remains.ring_bytes)) {
    return Corruption(path + ": the header at offset 40 says " +
                      std::to_string(remains.ring_bytes) + " bytes of ring, the file has " +
                      std::to_string(size - Ring::kHeaderBytes) + advice);
  }
  DecodeMarks(header, boot_id, remains);
  return std::optional<RingRemains>(std::move(remains));
}

Result<std::string> RingRemains::BytesAt(uint64_t position, uint64_t count) const {
  AIDB_CHECK(count <= ring_bytes);
  std::string bytes(count, '\0');
  const std::span<std::byte> out = std::as_writable_bytes(std::span(bytes));
  const uint64_t at = position & (ring_bytes - 1);
  const uint64_t first = std::min(count, ring_bytes - at);
  AIDB_RETURN_IF_ERROR(io::ReadExact(*file, Ring::kHeaderBytes + at, out.first(first)));
  AIDB_RETURN_IF_ERROR(io::ReadExact(*file, Ring::kHeaderBytes, out.subspan(first)));
  return bytes;
}

Result<Ring> Ring::Open(io::FileSystem& files, std::string_view directory, uint64_t ring_bytes) {
  AIDB_CHECK(ring_bytes >= 4096 && std::has_single_bit(ring_bytes));
  const uint64_t total = kHeaderBytes + ring_bytes;
  if (files.RegionSupportAt(directory) == io::RegionSupport::kTrusted) {
    auto region = files.OpenRegion(io::JoinPath(directory, kName), total);
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
  std::byte fields[kTurnAt + 8];
  StoreLe<uint64_t>(fields, file.start);
  StoreLe<uint64_t>(fields + 8, file.number);
  StoreLe<uint64_t>(fields + 16, generation_);
  StoreLe<uint64_t>(fields + kTurnAt, turn);
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
