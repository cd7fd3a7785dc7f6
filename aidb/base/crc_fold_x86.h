#pragma once

// Private to base: folding with carry-less multiplication, shared by both checksums (Gopal et
// al., "Fast CRC computation for generic polynomials using PCLMULQDQ", Intel 2009).
//
// 16 bytes of message are the polynomial  A = low * x^64 + high  (low: the first 8 bytes; all
// reflected). Moving A forward by D bits multiplies it by x^D, and modulo P that is
//
//     A * x^D  =  low * (x^(D+64) mod P)  +  high * (x^D mod P)
//
// two products of 64 by 64 bits, which land on 128 bits again and are added (xor) to the 16
// bytes that stand D bits later. So a long message shrinks to 16 bytes with the same remainder.
// The product of two reflected words comes out one bit too low, which multiplies it by x; the
// exponents of the constants are one smaller for it.

#include <immintrin.h>

#include "aidb/base/crc_paths.h"

#define AIDB_TARGET_SSE42 __attribute__((target("sse4.2,pclmul")))
#define AIDB_TARGET_AVX512 \
  __attribute__((target("sse4.2,pclmul,avx2,bmi2,avx512f,avx512bw,avx512dq,avx512vl,vpclmulqdq")))

namespace aidb::internal {

// The constants that move 16 bytes forward by `bits`.
struct FoldBy {
  uint64_t low;
  uint64_t high;
};

template <typename P>
struct FoldConstants {
  static constexpr FoldBy By(unsigned bits) {
    constexpr unsigned kAlign = 64 - 8 * sizeof(P::kOne);  // Bit 63 stands for x^0.
    return {uint64_t{P::PowerOfX(bits + 63)} << kAlign, uint64_t{P::PowerOfX(bits - 1)} << kAlign};
  }
  static constexpr FoldBy kBy128 = By(128);
  static constexpr FoldBy kBy256 = By(256);
  static constexpr FoldBy kBy384 = By(384);
  static constexpr FoldBy kBy512 = By(512);
  static constexpr FoldBy kBy2048 = By(2048);
};

// What is left of a message: 16 bytes that stand for all before `rest`, which is shorter than 16.
struct Folded {
  __m128i sum;
  std::string_view rest;
};

AIDB_TARGET_SSE42 inline __m128i Load16(const char* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

// `next` plus `a` moved forward.
AIDB_TARGET_SSE42 inline __m128i Fold(__m128i a, FoldBy by, __m128i next) {
  const __m128i k = _mm_set_epi64x(static_cast<int64_t>(by.high), static_cast<int64_t>(by.low));
  return _mm_xor_si128(
      next, _mm_xor_si128(_mm_clmulepi64_si128(a, k, 0x00), _mm_clmulepi64_si128(a, k, 0x11)));
}

// Folds four neighbours into the last of them.
template <typename P>
AIDB_TARGET_SSE42 inline __m128i FoldFour(__m128i a, __m128i b, __m128i c, __m128i d) {
  using K = FoldConstants<P>;
  return _mm_xor_si128(Fold(a, K::kBy384, Fold(b, K::kBy256, d)),
                       Fold(c, K::kBy128, _mm_setzero_si128()));
}

// Folds 16 bytes at a time until fewer are left.
template <typename P>
AIDB_TARGET_SSE42 inline Folded FoldRest(__m128i sum, const char* at, size_t left) {
  for (; left >= 16; at += 16, left -= 16) sum = Fold(sum, FoldConstants<P>::kBy128, Load16(at));
  return {sum, {at, left}};
}

// Needs at least 16 bytes. `state` is the checksum state before them.
template <typename P>
AIDB_TARGET_SSE42 inline Folded FoldSse42(uint64_t state, std::string_view bytes) {
  using K = FoldConstants<P>;
  const char* at = bytes.data();
  size_t left = bytes.size();
  __m128i a = _mm_xor_si128(Load16(at), _mm_cvtsi64_si128(static_cast<int64_t>(state)));
  if (left < 64) return FoldRest<P>(a, at + 16, left - 16);
  __m128i b = Load16(at + 16);
  __m128i c = Load16(at + 32);
  __m128i d = Load16(at + 48);
  for (at += 64, left -= 64; left >= 64; at += 64, left -= 64) {
    a = Fold(a, K::kBy512, Load16(at));
    b = Fold(b, K::kBy512, Load16(at + 16));
    c = Fold(c, K::kBy512, Load16(at + 32));
    d = Fold(d, K::kBy512, Load16(at + 48));
  }
  return FoldRest<P>(FoldFour<P>(a, b, c, d), at, left);
}

AIDB_TARGET_AVX512 inline __m512i Load64(const char* at) { return _mm512_loadu_si512(at); }

// Fold, in each of the four lanes.
AIDB_TARGET_AVX512 inline __m512i Fold(__m512i a, __m512i k, __m512i next) {
  constexpr int kXor3 = 0x96;  // Truth table of a ^ b ^ c.
  return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(a, k, 0x00),
                                   _mm512_clmulepi64_epi128(a, k, 0x11), next, kXor3);
}

AIDB_TARGET_AVX512 inline __m512i Broadcast(FoldBy by) {
  const auto low = static_cast<int64_t>(by.low);
  const auto high = static_cast<int64_t>(by.high);
  return _mm512_set_epi64(high, low, high, low, high, low, high, low);
}

// The zero-masked form of the intrinsic, with nothing masked: the plain one makes g++ 12 warn of
// an uninitialized value in its own header.
template <int kLane>
AIDB_TARGET_AVX512 inline __m128i Lane(__m512i a) {
  return _mm512_maskz_extracti64x2_epi64(0xFF, a, kLane);
}

// Needs at least 256 bytes: four registers of 64 take turns.
template <typename P>
AIDB_TARGET_AVX512 inline Folded FoldAvx512(uint64_t state, std::string_view bytes) {
  using K = FoldConstants<P>;
  const char* at = bytes.data();
  size_t left = bytes.size();
  __m512i a = _mm512_xor_si512(
      Load64(at), _mm512_zextsi128_si512(_mm_cvtsi64_si128(static_cast<int64_t>(state))));
  __m512i b = Load64(at + 64);
  __m512i c = Load64(at + 128);
  __m512i d = Load64(at + 192);
  const __m512i by_2048 = Broadcast(K::kBy2048);
  for (at += 256, left -= 256; left >= 256; at += 256, left -= 256) {
    a = Fold(a, by_2048, Load64(at));
    b = Fold(b, by_2048, Load64(at + 64));
    c = Fold(c, by_2048, Load64(at + 128));
    d = Fold(d, by_2048, Load64(at + 192));
  }
  const __m512i by_512 = Broadcast(K::kBy512);
  b = Fold(a, by_512, b);
  c = Fold(b, by_512, c);
  d = Fold(c, by_512, d);
  for (; left >= 64; at += 64, left -= 64) d = Fold(d, by_512, Load64(at));
  return FoldRest<P>(FoldFour<P>(Lane<0>(d), Lane<1>(d), Lane<2>(d), Lane<3>(d)), at, left);
}

}  // namespace aidb::internal
