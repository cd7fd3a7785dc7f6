// What the log's format costs each write: FramedSize under the ticket lock, Encode outside it;
// and how fast recovery searches for evidence.

#include <cstddef>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "aidb/base/random.h"
#include "aidb/lsm/log_framing.h"

namespace aidb::lsm {
namespace {

constexpr journal::FileIdentity kFile{.journal_uuid = {1, 2, 3}, .number = 42};

// Argument: bytes of operations in a record.
void Encode(benchmark::State& state) {
  const LogFraming framing;
  const journal::Framing& seam = framing;  // As the journal calls it.
  const std::string operations(static_cast<size_t>(state.range(0)), 'x');
  // Where a block ends inside the record, padding and one more header come on top.
  const journal::Record record{operations, 1};
  std::vector<std::byte> out(framing.FramedSize(record, journal::RecordId{1}, 0) + 64);
  uint64_t offset = 0;
  uint64_t id = 1;
  for (auto _ : state) {
    const journal::RecordId first{id++};
    const uint64_t size = seam.FramedSize(record, first, offset);
    seam.Encode({kFile, offset, first, 4096}, record, std::span(out).first(size));
    offset += size;
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(offset));
}
BENCHMARK(Encode)->Arg(97)->Arg(119)->Arg(1000)->Arg(100'000);

void FramedSize(benchmark::State& state) {
  const LogFraming framing;
  const journal::Framing& seam = framing;
  const std::string operations(119, 'x');
  uint64_t offset = 0;
  uint64_t id = 1;
  for (auto _ : state) {
    offset += seam.FramedSize({operations, 1}, journal::RecordId{id++}, offset);
  }
  benchmark::DoNotOptimize(offset);
}
BENCHMARK(FramedSize);

void FindEvidenceInNoise(benchmark::State& state) {
  const LogFraming framing;
  std::string noise(size_t{4} << 20, '\0');
  Rng rng(1);
  for (char& c : noise) c = static_cast<char>(rng.Next());
  for (auto _ : state) benchmark::DoNotOptimize(framing.FindEvidence(noise, 0, 0, kFile));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(noise.size()));
}
BENCHMARK(FindEvidenceInNoise);

}  // namespace
}  // namespace aidb::lsm
