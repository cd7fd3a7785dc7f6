#pragma once

#include <cstdint>
#include <string_view>

namespace aidb {

// CRC-64/NVME (NVM Express NVM Command Set 1.0, section 5.2.1.3.4), also S3's
// x-amz-checksum-crc64nvme: Crc64Nvme("123456789") is 0xAE8B14860A799888.
//
// `crc` is the checksum of what came before, 0 at the start: the checksum of a concatenation is
// ExtendCrc64Nvme(Crc64Nvme(a), b).
uint64_t ExtendCrc64Nvme(uint64_t crc, std::string_view bytes);
inline uint64_t Crc64Nvme(std::string_view bytes) { return ExtendCrc64Nvme(0, bytes); }

}  // namespace aidb
