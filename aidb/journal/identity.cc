#include "aidb/journal/identity.h"

#include <cstring>
#include <string>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/crc32c.h"
#include "aidb/io/transfer.h"

namespace aidb::journal {
namespace {

constexpr std::string_view kName = "JOURNAL";
constexpr uint64_t kMagic = 0x4C4E524A42444941;  // "AIDBJRNL"
constexpr uint16_t kVersion = 1;
constexpr size_t kBytes = 64;
constexpr size_t kRingInUseAt = 10;
constexpr size_t kCrcAt = 48;

}  // namespace

Result<std::optional<Identity>> ReadIdentity(io::FileSystem& files, std::string_view directory) {
  const std::string path = io::JoinPath(directory, kName);
  AIDB_ASSIGN_OR_RETURN(const bool exists, files.Exists(path));
  if (!exists) return std::optional<Identity>();
  AIDB_ASSIGN_OR_RETURN(const std::string text, io::ReadWhole(files, path, 4096));
  if (text.size() != kBytes) {
    return Corruption(path + ": has " + std::to_string(text.size()) + " bytes, 64 expected");
  }
  if (LoadLe<uint64_t>(text.data()) != kMagic ||
      LoadLe<uint32_t>(text.data() + kCrcAt) != Crc32c(std::string_view(text).substr(0, kCrcAt)) ||
      text.find_first_not_of('\0', kCrcAt + 4) != std::string::npos) {
    return Corruption(path + ": the record at offset 0 fails its checksum");
  }
  if (LoadLe<uint16_t>(text.data() + 8) != kVersion ||
      static_cast<uint8_t>(text[kRingInUseAt]) > 1) {
    return InvalidArgument(path + ": was written by a newer release");
  }
  Identity identity;
  std::memcpy(identity.uuid.data(), text.data() + 16, identity.uuid.size());
  identity.generation = LoadLe<uint64_t>(text.data() + 32);
  identity.boot_hash = LoadLe<uint64_t>(text.data() + 40);
  identity.ring_in_use = text[kRingInUseAt] == 1;
  return std::optional<Identity>(identity);
}

Status WriteIdentity(io::FileSystem& files, std::string_view directory, const Identity& identity) {
  std::string text(kBytes, '\0');
  StoreLe<uint64_t>(text.data(), kMagic);
  StoreLe<uint16_t>(text.data() + 8, kVersion);
  std::memcpy(text.data() + 16, identity.uuid.data(), identity.uuid.size());
  StoreLe<uint64_t>(text.data() + 32, identity.generation);
  StoreLe<uint64_t>(text.data() + 40, identity.boot_hash);
  text[kRingInUseAt] = identity.ring_in_use ? 1 : 0;
  StoreLe<uint32_t>(text.data() + kCrcAt, Crc32c(std::string_view(text).substr(0, kCrcAt)));
  return io::ReplaceFile(files, directory, kName, text);
}

}  // namespace aidb::journal
