// Checksums: every path at the sizes of records (16 to 200 bytes) and of blocks (4 KiB and up).

#include <algorithm>
#include <string>

#include <benchmark/benchmark.h>

#include "aidb/base/crc32c.h"
#include "aidb/base/crc64nvme.h"
#include "aidb/base/crc_paths.h"

namespace aidb {
namespace {

template <typename Extend>
void Run(benchmark::State& state, Extend extend) {
  const std::string bytes(static_cast<size_t>(state.range(0)), 'a');
  std::string_view message(bytes);
  for (auto _ : state) {
    benchmark::DoNotOptimize(message);
    benchmark::DoNotOptimize(extend(0, message));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}

template <typename Word>
void RegisterPaths(const std::string& checksum, std::span<const internal::CrcPath<Word>> paths) {
  for (const auto& path : paths) {
    auto* bench = benchmark::RegisterBenchmark(
        (checksum + "/" + std::string(path.name)).c_str(),
        [extend = path.extend](benchmark::State& state) { Run(state, extend); });
    for (const int size : {16, 100, 200, 512, 1'024, 4'096, 65'536}) bench->Arg(size);
  }
}

const bool kRegistered = [] {
  RegisterPaths("crc32c", internal::Crc32cPaths());
  RegisterPaths("crc64nvme", internal::Crc64NvmePaths());
  for (const int size : {16, 100, 4'096}) {
    benchmark::RegisterBenchmark("ExtendCrc32c", [](benchmark::State& state) {
      Run(state, ExtendCrc32c);
    })->Arg(size);
    benchmark::RegisterBenchmark("ExtendCrc64Nvme", [](benchmark::State& state) {
      Run(state, ExtendCrc64Nvme);
    })->Arg(size);
  }
  return true;
}();

void BM_CombineCrc32c(benchmark::State& state) {
  uint32_t crc = 1;
  for (auto _ : state) benchmark::DoNotOptimize(crc = CombineCrc32c(crc, 2, 4'096));
}
BENCHMARK(BM_CombineCrc32c);

}  // namespace
}  // namespace aidb
