// CRC-32C on x86-64: the crc32 instruction in three chains, and folding with AVX-512.
//
// The instruction takes 8 bytes per cycle but needs 3 cycles for each, so one chain runs at a
// third of its speed. The message is cut into three stretches of equal length L and a rest:
//
//     |---- a: L bytes ----|---- b: L bytes ----|---- c: L bytes ----| rest: < 24 bytes |
//
// Each stretch has its own chain; then  state = a * x^(16L) + b * x^(8L) + c  (Gopal et al.,
// "Fast CRC computation for iSCSI polynomial using CRC32 instruction", Intel 2011). The two
// products are left unreduced and added to the last 8 bytes of c, whose crc32 reduces them.

#if defined(__x86_64__)

#include "aidb/base/crc_fold_x86.h"

namespace aidb::internal {
namespace {

using P = Crc32cPolynomial;

// Longest stretch: 170 words, so that a block of 4 KiB is one cut (3 * 1360 = 4080 bytes).
constexpr size_t kStretchWordsMax = 170;
// Below, one chain is as fast.
constexpr size_t kChainsBytesMin = 96;
// Below, three chains are as fast.
constexpr size_t kFoldBytesMin = 512;

// kShift[w] = x^(64w - 33) mod P moves a state over w words: crc32 itself multiplies by x^32, and
// the product of reflected words by x.
constexpr auto kShift = [] {
  std::array<uint32_t, 2 * kStretchWordsMax + 1> shift{};
  uint32_t power = P::PowerOfX(64 - 33);
  for (size_t words = 1; words < shift.size(); ++words) {
    shift[words] = power;
    for (int bit = 0; bit < 64; ++bit) power = P::TimesX(power);
  }
  return shift;
}();

AIDB_TARGET_SSE42 inline uint64_t TimesUnreduced(uint64_t state, uint32_t k) {
  return static_cast<uint64_t>(
      _mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(state)),
                                             _mm_cvtsi32_si128(static_cast<int>(k)), 0x00)));
}

// One chain.
AIDB_TARGET_SSE42 inline uint32_t ExtendChain(uint32_t state, const char* at, size_t left) {
  uint64_t wide = state;
  for (; left >= 8; at += 8, left -= 8) wide = _mm_crc32_u64(wide, LoadLe<uint64_t>(at));
  state = static_cast<uint32_t>(wide);
  if ((left & 4) != 0) {
    state = _mm_crc32_u32(state, LoadLe<uint32_t>(at));
    at += 4;
  }
  if ((left & 2) != 0) {
    state = _mm_crc32_u16(state, LoadLe<uint16_t>(at));
    at += 2;
  }
  if ((left & 1) != 0) state = _mm_crc32_u8(state, static_cast<uint8_t>(*at));
  return state;
}

// Three chains over 3 * words * 8 bytes; words in [1, kStretchWordsMax].
AIDB_TARGET_SSE42 inline uint32_t ExtendThreeChains(uint32_t state, const char* at, size_t words) {
  const size_t stretch = 8 * words;
  uint64_t a = state;
  uint64_t b = 0;
  uint64_t c = 0;
  const char* const last = at + stretch - 8;
  for (; at != last; at += 8) {
    a = _mm_crc32_u64(a, LoadLe<uint64_t>(at));
    b = _mm_crc32_u64(b, LoadLe<uint64_t>(at + stretch));
    c = _mm_crc32_u64(c, LoadLe<uint64_t>(at + 2 * stretch));
  }
  a = _mm_crc32_u64(a, LoadLe<uint64_t>(at));
  b = _mm_crc32_u64(b, LoadLe<uint64_t>(at + stretch));
  const uint64_t moved = TimesUnreduced(a, kShift[2 * words]) ^ TimesUnreduced(b, kShift[words]);
  return static_cast<uint32_t>(_mm_crc32_u64(c, LoadLe<uint64_t>(at + 2 * stretch) ^ moved));
}

}  // namespace

AIDB_TARGET_SSE42 uint32_t ExtendCrc32cSse42(uint32_t state, std::string_view bytes) {
  const char* at = bytes.data();
  size_t left = bytes.size();
  while (left >= kChainsBytesMin) {
    const size_t words = left >= 24 * kStretchWordsMax ? kStretchWordsMax : left / 24;
    state = ExtendThreeChains(state, at, words);
    at += 24 * words;
    left -= 24 * words;
  }
  return ExtendChain(state, at, left);
}

AIDB_TARGET_AVX512 uint32_t ExtendCrc32cAvx512(uint32_t state, std::string_view bytes) {
  if (bytes.size() < kFoldBytesMin) return ExtendCrc32cSse42(state, bytes);
  const Folded folded = FoldAvx512<P>(state, bytes);
  const uint64_t low = static_cast<uint64_t>(_mm_cvtsi128_si64(folded.sum));
  const uint64_t high = static_cast<uint64_t>(_mm_extract_epi64(folded.sum, 1));
  const auto narrow = static_cast<uint32_t>(_mm_crc32_u64(_mm_crc32_u64(0, low), high));
  return ExtendChain(narrow, folded.rest.data(), folded.rest.size());
}

}  // namespace aidb::internal

#endif  // defined(__x86_64__)
