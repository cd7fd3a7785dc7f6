#pragma once

#include <optional>
#include <string_view>

namespace aidb {

// The instruction sets a fast path may use. Each level contains the ones before it; released
// builds are compiled for kBaseline, and everything above is a function with a target
// attribute, chosen at run time.
enum class CpuLevel : unsigned char {
  kBaseline,  // x86-64 as of 2003, or any other processor.
  kSse42,     // SSE4.2 (the crc32 instruction), PCLMULQDQ.
  kAvx2,      // AVX2, BMI2.
  kAvx512,    // AVX-512 F, BW, DQ, VL, and VPCLMULQDQ.
};

// What this machine can do.
CpuLevel DetectCpuLevel();

// "baseline", "sse42", "avx2", "avx512"; null for anything else.
std::optional<CpuLevel> ParseCpuLevel(std::string_view name);

// The level to choose paths by: what the machine can do, or less where the environment variable
// AIDB_CPU names a lower level. Read once; a name that ParseCpuLevel refuses stops the program.
//
// The environment, and not an option, because the choice is made before any object exists and
// must reach every test, benchmark and tool unchanged; results do not depend on it, only speed.
CpuLevel CpuLevelInUse();

}  // namespace aidb
