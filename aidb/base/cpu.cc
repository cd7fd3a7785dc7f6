#include "aidb/base/cpu.h"

#include <algorithm>
#include <cstdlib>

#include "aidb/base/check.h"

namespace aidb {
namespace {

CpuLevel Choose() {
  const char* const limit = std::getenv("AIDB_CPU");
  if (limit == nullptr) return DetectCpuLevel();
  const std::optional<CpuLevel> level = ParseCpuLevel(limit);
  AIDB_CHECK(level.has_value() && "AIDB_CPU is one of baseline, sse42, avx2, avx512");
  return std::min(*level, DetectCpuLevel());
}

}  // namespace

CpuLevel DetectCpuLevel() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul")) {
    return CpuLevel::kBaseline;
  }
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2")) return CpuLevel::kSse42;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("vpclmulqdq");
  return avx512 ? CpuLevel::kAvx512 : CpuLevel::kAvx2;
#else
  return CpuLevel::kBaseline;
#endif
}

std::optional<CpuLevel> ParseCpuLevel(std::string_view name) {
  if (name == "baseline") return CpuLevel::kBaseline;
  if (name == "sse42") return CpuLevel::kSse42;
  if (name == "avx2") return CpuLevel::kAvx2;
  if (name == "avx512") return CpuLevel::kAvx512;
  return std::nullopt;
}

CpuLevel CpuLevelInUse() {
  static const CpuLevel kLevel = Choose();
  return kLevel;
}

}  // namespace aidb
