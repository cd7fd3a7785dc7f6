#pragma once

// Which of 64 one-byte tags equal a wanted one: the inner step of a Get in a block.

#include <cstdint>

namespace aidb::lsm {

inline constexpr int kTagsPerStep = 64;

// Bit i is set when tags[i] == tag, for i in [0, 64). Reads exactly 64 bytes.
using MatchTagsFunction = uint64_t (*)(const uint8_t* tags, uint8_t tag);

// The same function in plain code and in the vector widths of x86-64.
uint64_t MatchTagsPlain(const uint8_t* tags, uint8_t tag);
#if defined(__x86_64__)
uint64_t MatchTagsSse2(const uint8_t* tags, uint8_t tag);
uint64_t MatchTagsAvx2(const uint8_t* tags, uint8_t tag);
uint64_t MatchTagsAvx512(const uint8_t* tags, uint8_t tag);
#endif

// The widest that this processor runs; chosen once.
extern const MatchTagsFunction MatchTags;

}  // namespace aidb::lsm
