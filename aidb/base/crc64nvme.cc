#include "aidb/base/crc64nvme.h"

#include "aidb/base/cpu.h"
#include "aidb/base/crc_paths.h"

namespace aidb {

std::span<const internal::CrcPath<uint64_t>> internal::Crc64NvmePaths() {
  static constexpr CrcPath<uint64_t> kPaths[] = {
      {"plain", Crc64NvmePolynomial::ExtendPlain},
#if defined(__x86_64__)
      {"sse42", ExtendCrc64NvmeSse42},
      {"avx512", ExtendCrc64NvmeAvx512},
#endif
  };
  const CpuLevel level = CpuLevelInUse();
  if (level >= CpuLevel::kAvx512) return std::span(kPaths).first(3);
  if (level >= CpuLevel::kSse42) return std::span(kPaths).first(2);
  return std::span(kPaths).first(1);
}

uint64_t ExtendCrc64Nvme(uint64_t crc, std::string_view bytes) {
  static const auto kExtend = internal::Crc64NvmePaths().back().extend;
  return ~kExtend(~crc, bytes);
}

}  // namespace aidb
