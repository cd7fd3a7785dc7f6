// The cost of counting on a hot path, alone and beside other threads, and of a scrape.

#include <benchmark/benchmark.h>

#include "aidb/metrics/prometheus_text.h"
#include "aidb/metrics/registry.h"

namespace aidb::metrics {
namespace {

void BM_CounterIncrement(benchmark::State& state) {
  static Counter counter;
  for (auto _ : state) counter.Increment();
}
BENCHMARK(BM_CounterIncrement)->Threads(1)->Threads(2);

void BM_HistogramRecord(benchmark::State& state) {
  static Histogram histogram;
  uint64_t value = static_cast<uint64_t>(state.thread_index());
  for (auto _ : state) {
    value = value * 6364136223846793005 + 1442695040888963407;
    histogram.Record(value >> 44);
  }
}
BENCHMARK(BM_HistogramRecord)->Threads(1)->Threads(2);

void BM_ScrapeOf100Histograms(benchmark::State& state) {
  Registry registry;
  for (int i = 0; i < 100; ++i) {
    registry.AddHistogram("x_seconds", "X.", Unit::kNanoseconds, {{"i", std::to_string(i)}})
        .Record(static_cast<uint64_t>(i) * 1'000);
  }
  for (auto _ : state) benchmark::DoNotOptimize(PrometheusText(registry.Snapshot()));
}
BENCHMARK(BM_ScrapeOf100Histograms)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace aidb::metrics
