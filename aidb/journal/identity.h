#pragma once

// The file JOURNAL says which life of which journal a directory holds. 64 bytes:
//
//   0  u64 "AIDBJRNL" | 8 u16 version 1 | 10 u8 ring in use | u8[5] 0 | 16 u8[16] uuid
//   32 u64 generation
//   40 u64 boot hash: XXH3-64 of the boot id of the life that wrote it
//   48 u32 crc32c of bytes 0…47 | u8[12] 0
//
// The generation rises by one at every open, after recovery has been made durable and before
// the ring is reset: a ring of another generation is left over and must not be adopted, because
// it would write old records over new ones. The boot tells recovery whether the page cache may
// still show what the disk has refused.
//
// Once the ring is ready the file is written a second time, with `ring in use` 1: from there on
// the newest records may be in the ring of this generation alone, and a ring that is missing,
// empty or older is a loss to be told, not a fresh start.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/io/file_system.h"

namespace aidb::journal {

struct Identity {
  std::array<uint8_t, 16> uuid{};
  uint64_t generation = 0;
  uint64_t boot_hash = 0;
  bool ring_in_use = false;  // The ring of this generation may hold what no file holds.
};

// Nullopt when the directory has none. kCorruption when it is damaged.
Result<std::optional<Identity>> ReadIdentity(io::FileSystem& files, std::string_view directory);
// kCorruption: there is none, and without it `what` cannot be read.
Status IdentityIsMissing(std::string_view directory, std::string_view what);
// Replaces it atomically and durably.
Status WriteIdentity(io::FileSystem& files, std::string_view directory, const Identity& identity);

}  // namespace aidb::journal
