// CRC-64/NVME on x86-64: folding (crc_fold_x86.h), then Barrett's reduction of the last 16 bytes.

#if defined(__x86_64__)

#include "aidb/base/crc_fold_x86.h"

namespace aidb::internal {
namespace {

using P = Crc64NvmePolynomial;
using K = FoldConstants<P>;

// P and floor(x^128 / P) have 65 bits, reflected with x^64 at bit 0; the bit of x^0, which would
// be bit 64, is left out and made good in Reduce.
constexpr uint64_t kPolynomial65 = (P::TimesX(1) << 1) | 1;
constexpr uint64_t kQuotient65 = [] {
  uint64_t quotient = 1;
  uint64_t remainder = P::TimesX(1);  // x^64 mod P.
  for (int bit = 1; bit < 64; ++bit) {
    quotient |= (remainder & 1) << bit;
    remainder = P::TimesX(remainder);
  }
  return quotient;
}();

AIDB_TARGET_SSE42 inline __m128i Low(uint64_t value) {
  return _mm_cvtsi64_si128(static_cast<int64_t>(value));
}

// Appends r = rest.size() bytes, 1 to 15, to the 16 of `sum`. The 16 + r bytes are cut anew: the
// first r are moved over the last 16. At least 16 bytes must be readable before rest's end.
//
//     sum:  [ 0 ........ 15 ]               head: [ 0 0 0 .. first r of sum ]
//     rest:                 [ r bytes ]     tail: [ last 16-r of sum ][ rest ]
AIDB_TARGET_SSE42 inline __m128i AppendRest(__m128i sum, std::string_view rest) {
  // pshufb with indices starting at kIndex + n: byte i takes sum[i + n - 16], zero outside.
  alignas(16) static constexpr std::array<int8_t, 48> kIndex = [] {
    std::array<int8_t, 48> index{};
    for (int i = 0; i < 48; ++i)
      index[static_cast<size_t>(i)] = static_cast<int8_t>(i < 16 || i >= 32 ? -1 : i - 16);
    return index;
  }();
  const auto* const index = reinterpret_cast<const char*>(kIndex.data());
  const size_t r = rest.size();
  const __m128i head = _mm_shuffle_epi8(sum, Load16(index + r));
  const __m128i tail_index = Load16(index + 16 + r);
  const __m128i kept = _mm_shuffle_epi8(sum, tail_index);
  // Where the index is negative, the byte comes from the message.
  const __m128i tail = _mm_blendv_epi8(kept, Load16(rest.data() + r - 16), tail_index);
  return Fold(head, K::kBy128, tail);
}

// sum * x^64 mod P.
AIDB_TARGET_SSE42 inline uint64_t Reduce(__m128i sum) {
  // low * x^128 + high * x^64: 128 bits that need no more than P taken out.
  const __m128i t =
      _mm_xor_si128(_mm_clmulepi64_si128(sum, Low(K::kBy128.high), 0x00), _mm_srli_si128(sum, 8));
  const __m128i quotient = _mm_clmulepi64_si128(t, Low(kQuotient65), 0x00);
  const __m128i product = _mm_xor_si128(_mm_clmulepi64_si128(quotient, Low(kPolynomial65), 0x00),
                                        _mm_slli_si128(quotient, 8));
  return static_cast<uint64_t>(_mm_extract_epi64(_mm_xor_si128(t, product), 1));
}

AIDB_TARGET_SSE42 inline uint64_t Finish(const Folded& folded) {
  return Reduce(folded.rest.empty() ? folded.sum : AppendRest(folded.sum, folded.rest));
}

}  // namespace

AIDB_TARGET_SSE42 uint64_t ExtendCrc64NvmeSse42(uint64_t state, std::string_view bytes) {
  if (bytes.size() < 16) return P::ExtendPlain(state, bytes);
  return Finish(FoldSse42<P>(state, bytes));
}

AIDB_TARGET_AVX512 uint64_t ExtendCrc64NvmeAvx512(uint64_t state, std::string_view bytes) {
  if (bytes.size() < 256) return ExtendCrc64NvmeSse42(state, bytes);
  return Finish(FoldAvx512<P>(state, bytes));
}

}  // namespace aidb::internal

#endif  // defined(__x86_64__)
