#include "aidb/base/crc32c.h"

#include "aidb/base/cpu.h"
#include "aidb/base/crc_paths.h"

namespace aidb {

using P = internal::Crc32cPolynomial;

std::span<const internal::CrcPath<uint32_t>> internal::Crc32cPaths() {
  static constexpr CrcPath<uint32_t> kPaths[] = {
      {"plain", P::ExtendPlain},
#if defined(__x86_64__)
      {"sse42", ExtendCrc32cSse42},
      {"avx512", ExtendCrc32cAvx512},
#endif
  };
  const CpuLevel level = CpuLevelInUse();
  if (level >= CpuLevel::kAvx512) return std::span(kPaths).first(3);
  if (level >= CpuLevel::kSse42) return std::span(kPaths).first(2);
  return std::span(kPaths).first(1);
}

uint32_t ExtendCrc32c(uint32_t crc, std::string_view bytes) {
  static const auto kExtend = internal::Crc32cPaths().back().extend;
  return ~kExtend(~crc, bytes);
}

uint32_t CombineCrc32c(uint32_t crc_a, uint32_t crc_b, uint64_t len_b) {
  // kSquares[i] = x^(8 * 2^i) mod P: one byte, two bytes, four bytes, …
  static constexpr auto kSquares = [] {
    std::array<uint32_t, 64> squares{};
    squares[0] = P::PowerOfX(8);
    for (size_t i = 1; i < 64; ++i) squares[i] = P::Times(squares[i - 1], squares[i - 1]);
    return squares;
  }();
  // The inversions at start and end cancel out: only crc_a's remainder moves over b's bytes.
  for (size_t i = 0; len_b != 0; ++i, len_b >>= 1) {
    if ((len_b & 1) != 0) crc_a = P::Times(crc_a, kSquares[i]);
  }
  return crc_a ^ crc_b;
}

}  // namespace aidb
