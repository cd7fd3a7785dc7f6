#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace aidb {

// CRC-32C (Castagnoli, RFC 3720 appendix B.4): Crc32c("123456789") is 0xE3069283.
//
// `crc` is the checksum of what came before, 0 at the start: the checksum of a concatenation is
// ExtendCrc32c(Crc32c(a), b).
uint32_t ExtendCrc32c(uint32_t crc, std::string_view bytes);
inline uint32_t Crc32c(std::string_view bytes) { return ExtendCrc32c(0, bytes); }

// The checksum of a concatenation from those of its parts: of a whole file from those of its
// blocks, in any order and by any number of threads. About log2(len_b) multiplications.
uint32_t CombineCrc32c(uint32_t crc_a, uint32_t crc_b, uint64_t len_b);

// A checksum that is stored beside the bytes it covers is masked first: the CRC of bytes that
// contain their own CRC is a constant, which would hide errors (LevelDB's rule).
inline constexpr uint32_t kCrcMaskDelta = 0xA282EAD8;
constexpr uint32_t MaskCrc(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + kCrcMaskDelta; }

}  // namespace aidb
