#include "aidb/lsm/filter.h"

#include <algorithm>
#include <limits>

#include "aidb/base/check.h"

namespace aidb::lsm {

namespace {

constexpr uint8_t kBlockedBloom = 1;

// Bits per key times ln 2 is the best count for a classic filter; in a line that fills unevenly a
// little fewer do better. 10 bits: 6.
int ProbesFor(int bits_per_key) { return std::clamp(bits_per_key * 6 / 10, 1, kFilterProbesMax); }

}  // namespace

FilterBuilder::FilterBuilder(int bits_per_key) : bits_per_key_(bits_per_key) {
  AIDB_CHECK(bits_per_key >= 1 && bits_per_key <= kFilterBitsPerKeyMax);
}

std::string FilterBuilder::Finish() {
  constexpr uint64_t kLineBits = kFilterLineBytes * 8;
  const uint64_t bits = hashes_.size() * static_cast<uint64_t>(bits_per_key_);
  const uint64_t lines = std::max<uint64_t>(1, (bits + kLineBits - 1) / kLineBits);
  AIDB_CHECK(lines <= std::numeric_limits<uint32_t>::max() / kFilterLineBytes);
  const int probes = ProbesFor(bits_per_key_);
  std::string out(lines * kFilterLineBytes, '\0');
  for (const uint64_t hash : hashes_) {
    char* const line = out.data() + (((hash & 0xFFFFFFFF) * lines) >> 32) * kFilterLineBytes;
    uint64_t mixed = hash * kFilterMix;
    for (int i = 0; i < probes; ++i, mixed <<= 9) {
      const uint64_t bit = mixed >> 55;
      line[bit / 8] = static_cast<char>(line[bit / 8] | 1 << (bit % 8));
    }
  }
  out.push_back(static_cast<char>(kBlockedBloom));
  out.push_back(static_cast<char>(bits_per_key_));
  out.push_back(static_cast<char>(probes));
  out.push_back('\0');
  AppendLe<uint32_t>(out, static_cast<uint32_t>(lines));
  hashes_.clear();
  return out;
}

Result<FilterReader> FilterReader::Parse(std::string_view bytes) {
  if (bytes.size() < kFilterTailBytes) {
    return Corruption("filter of " + std::to_string(bytes.size()) + " bytes has no tail");
  }
  const char* tail = bytes.data() + bytes.size() - kFilterTailBytes;
  const auto kind = static_cast<uint8_t>(tail[0]);
  FilterReader filter;
  filter.lines_ = bytes.data();
  filter.bits_per_key_ = static_cast<uint8_t>(tail[1]);
  filter.probes_ = static_cast<uint8_t>(tail[2]);
  filter.line_count_ = LoadLe<uint32_t>(tail + 4);
  if (kind != kBlockedBloom || tail[3] != 0) {
    return Corruption("filter kind " + std::to_string(kind) +
                      " is not known: written by a newer version");
  }
  if (filter.probes_ < 1 || filter.probes_ > kFilterProbesMax) {
    return Corruption("filter has " + std::to_string(filter.probes_) + " probes, not 1 to 7");
  }
  const size_t lines_bytes = bytes.size() - kFilterTailBytes;
  if (filter.line_count_ == 0 || lines_bytes % kFilterLineBytes != 0 ||
      lines_bytes / kFilterLineBytes != filter.line_count_) {
    return Corruption("filter of " + std::to_string(bytes.size()) + " bytes says it has " +
                      std::to_string(filter.line_count_) + " lines");
  }
  return filter;
}

}  // namespace aidb::lsm
