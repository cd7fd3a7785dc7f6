// Filters. First byte even: the rest is a filter, which is refused or answers as a slow reading of
// its bits does. Odd: the second byte is bits per key, the rest are hashes, all of which the filter
// must contain.

#include <cstddef>
#include <cstdint>

#include "aidb/base/check.h"
#include "aidb/lsm/filter.h"

namespace aidb::lsm {
namespace {

bool SlowMayContain(std::string_view filter, uint64_t hash) {
  const char* tail = filter.data() + filter.size() - 8;
  const uint64_t lines = LoadLe<uint32_t>(tail + 4);
  const uint64_t line = (hash % (uint64_t{1} << 32)) * lines / (uint64_t{1} << 32);
  const uint64_t mixed = hash * 0x9E3779B97F4A7C15;
  for (int i = 0; i < tail[2]; ++i) {
    const uint64_t bit = line * 512 + (mixed >> (55 - 9 * i)) % 512;
    if ((static_cast<uint8_t>(filter[bit / 8]) & (1 << (bit % 8))) == 0) return false;
  }
  return true;
}

void ReadFilter(std::string_view bytes) {
  const auto filter = FilterReader::Parse(bytes);
  if (!filter.ok()) return;
  for (uint64_t i = 0; i < 64; ++i) {
    const uint64_t hash = i * 0xD6E8FEB86659FD93 ^ i << 59;
    AIDB_CHECK(filter->MayContain(hash) == SlowMayContain(bytes, hash));
  }
}

void RoundTrip(int bits_per_key, std::string_view hashes) {
  FilterBuilder builder(bits_per_key);
  for (size_t at = 0; at + 8 <= hashes.size(); at += 8) {
    builder.Add(LoadLe<uint64_t>(hashes.data() + at));
  }
  const std::string bytes = builder.Finish();
  const auto filter = FilterReader::Parse(bytes);
  AIDB_CHECK(filter.ok() && filter->bits_per_key() == bits_per_key);
  for (size_t at = 0; at + 8 <= hashes.size(); at += 8) {
    const auto hash = LoadLe<uint64_t>(hashes.data() + at);
    AIDB_CHECK(filter->MayContain(hash) && SlowMayContain(bytes, hash));
  }
}

}  // namespace
}  // namespace aidb::lsm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace aidb::lsm;
  if (size < 2) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  if (bytes[0] % 2 == 0) {
    ReadFilter(rest);
  } else {
    RoundTrip(1 + bytes[1] % kFilterBitsPerKeyMax, rest.substr(1));
  }
  return 0;
}
