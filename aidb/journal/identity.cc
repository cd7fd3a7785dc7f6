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
constexpr const char* kAdvice = ". Nothing was changed: restore the file from a copy";

}  // namespace

Result<std::optional<Identity>> ReadIdentity(io::FileSystem& files, std::string_view directory) {
  const std::string path = io::JoinPath(directory, kName);
  AIDB_ASSIGN_OR_RETURN(const bool exists, files.Exists(path));
  if (!exists) return std::optional<Identity>();
  AIDB_ASSIGN_OR_RETURN(const auto file, files.Open(path, io::OpenMode::kRead));
  AIDB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size != kBytes) {
    return Corruption(path + ": has " + std::to_string(size) + " bytes, 64 expected" + kAdvice);
  }
  std::string text(kBytes, '\0');
  AIDB_RETURN_IF_ERROR(io::ReadExact(*file, 0, std::as_writable_bytes(std::span(text))));
  if (LoadLe<uint64_t>(text.data()) != kMagic ||
      LoadLe<uint32_t>(text.data() + kCrcAt) != Crc32c(std::string_view(text).substr(0, kCrcAt)) ||
      text.find_first_not_of('\0', kCrcAt + 4) != std::string::npos) {
    return Corruption(path + ": the record at offset 0 fails its checksum" + kAdvice);
  }
  if (LoadLe<uint16_t>(text.data() + 8) != kVersion ||
      static_cast<uint8_t>(text[kRingInUseAt]) > 1) {
    return InvalidArgument(path +
                           ": the version at offset 8, or the byte at 10, is of a newer release; "
                           "open it with the release that wrote it");
  }
  Identity identity;
  std::memcpy(identity.uuid.data(), text.data() + 16, identity.uuid.size());
  identity.generation = LoadLe<uint64_t>(text.data() + 32);
  identity.boot_hash = LoadLe<uint64_t>(text.data() + 40);
  identity.ring_in_use = text[kRingInUseAt] == 1;
  return std::optional<Identity>(identity);
}

Status IdentityIsMissing(std::string_view directory, std::string_view what) {
  return Corruption(io::JoinPath(directory, kName) + ": is missing, and without it " +
                    std::string(what) +
                    " cannot be read. Nothing was changed: put it back from a copy");
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
