#include "aidb/lsm/tag_match.h"

#include "aidb/base/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace aidb::lsm {

uint64_t MatchTagsPlain(const uint8_t* tags, uint8_t tag) {
  uint64_t mask = 0;
  for (int i = 0; i < kTagsPerStep; ++i) mask |= uint64_t{tags[i] == tag} << i;
  return mask;
}

#if defined(__x86_64__)

uint64_t MatchTagsSse2(const uint8_t* tags, uint8_t tag) {
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(tag));
  uint64_t mask = 0;
  for (int i = 0; i < kTagsPerStep; i += 16) {
    const __m128i some = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tags + i));
    mask |= uint64_t{static_cast<uint16_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(some, wanted)))} << i;
  }
  return mask;
}

__attribute__((target("avx2"))) uint64_t MatchTagsAvx2(const uint8_t* tags, uint8_t tag) {
  const __m256i wanted = _mm256_set1_epi8(static_cast<char>(tag));
  uint64_t mask = 0;
  for (int i = 0; i < kTagsPerStep; i += 32) {
    const __m256i some = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tags + i));
    mask |= uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(some, wanted)))}
            << i;
  }
  return mask;
}

__attribute__((target("avx512f,avx512bw"))) uint64_t MatchTagsAvx512(const uint8_t* tags,
                                                                     uint8_t tag) {
  return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(tags), _mm512_set1_epi8(static_cast<char>(tag)));
}

namespace {

MatchTagsFunction Widest() {
  const CpuLevel level = CpuLevelInUse();
  if (level >= CpuLevel::kAvx512) return MatchTagsAvx512;
  if (level >= CpuLevel::kAvx2) return MatchTagsAvx2;
  return MatchTagsSse2;  // Every x86-64 has it.
}

}  // namespace

const MatchTagsFunction MatchTags = Widest();

#else

const MatchTagsFunction MatchTags = MatchTagsPlain;

#endif

}  // namespace aidb::lsm
