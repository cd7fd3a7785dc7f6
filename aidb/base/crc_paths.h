#pragma once

// Private to base: the arithmetic that the two checksums share, and the list of their paths.
//
// A CRC is the remainder of the message, read as a polynomial over GF(2), divided by P. Both
// checksums are *reflected*: the lowest bit of the first byte is the coefficient of the highest
// power, so in a Word of B bits, bit B-1 stands for x^0 and a shift right multiplies by x.
//
// "State" below is a checksum before the final inversion.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "aidb/base/bytes.h"

namespace aidb::internal {

template <typename Word, Word kPolynomial>
struct Polynomial {
  static constexpr Word TimesX(Word a) {
    return static_cast<Word>((a >> 1) ^ ((a & 1) != 0 ? kPolynomial : 0));
  }
  static constexpr Word kOne = Word{1} << (8 * sizeof(Word) - 1);
  // x^n mod P.
  static constexpr Word PowerOfX(unsigned n) {
    Word power = kOne;
    for (unsigned i = 0; i < n; ++i) power = TimesX(power);
    return power;
  }
  // a * b mod P, by shift and add.
  static constexpr Word Times(Word a, Word b) {
    Word product = 0;
    for (; a != 0; a = static_cast<Word>(a << 1)) {
      if ((a & kOne) != 0) product ^= b;
      b = TimesX(b);
    }
    return product;
  }

  // kSlices[i][b] is the state after byte b and i zero bytes (Kounavis and Berry, "Novel table
  // lookup-based algorithms for high-performance CRC generation", 2008).
  using Slices = std::array<std::array<Word, 256>, 8>;
  static constexpr Slices MakeSlices() {
    Slices slices{};
    for (Word byte = 0; byte < 256; ++byte) {
      Word state = byte;
      for (auto& slice : slices) {
        for (int bit = 0; bit < 8; ++bit) state = TimesX(state);
        slice[byte] = state;
      }
    }
    return slices;
  }

  // The plain path: eight table lookups per eight bytes. Every other path must agree with it.
  static Word ExtendPlain(Word state, std::string_view bytes) {
    static constexpr Slices kSlices = MakeSlices();
    const char* at = bytes.data();
    size_t left = bytes.size();
    for (; left >= 8; at += 8, left -= 8) {
      const uint64_t v = LoadLe<uint64_t>(at) ^ state;
      state = kSlices[7][v & 0xFF] ^ kSlices[6][(v >> 8) & 0xFF] ^ kSlices[5][(v >> 16) & 0xFF] ^
              kSlices[4][(v >> 24) & 0xFF] ^ kSlices[3][(v >> 32) & 0xFF] ^
              kSlices[2][(v >> 40) & 0xFF] ^ kSlices[1][(v >> 48) & 0xFF] ^ kSlices[0][v >> 56];
    }
    for (; left > 0; ++at, --left) {
      state =
          static_cast<Word>((state >> 8) ^ kSlices[0][(state ^ static_cast<uint8_t>(*at)) & 0xFF]);
    }
    return state;
  }
};

using Crc32cPolynomial = Polynomial<uint32_t, 0x82F63B78>;
using Crc64NvmePolynomial = Polynomial<uint64_t, 0x9A6C9329AC4BC9B5>;

// One way to compute a checksum: takes the state so far, gives the state after `bytes`.
template <typename Word>
struct CrcPath {
  std::string_view name;
  Word (*extend)(Word state, std::string_view bytes);
};

// The paths CpuLevelInUse() allows, the plain one first, the fastest last; never empty.
std::span<const CrcPath<uint32_t>> Crc32cPaths();
std::span<const CrcPath<uint64_t>> Crc64NvmePaths();

#if defined(__x86_64__)
uint32_t ExtendCrc32cSse42(uint32_t state, std::string_view bytes);
uint32_t ExtendCrc32cAvx512(uint32_t state, std::string_view bytes);
uint64_t ExtendCrc64NvmeSse42(uint64_t state, std::string_view bytes);
uint64_t ExtendCrc64NvmeAvx512(uint64_t state, std::string_view bytes);
#endif

}  // namespace aidb::internal
