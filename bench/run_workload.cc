// One run: open, warm up, measure, settle, close. In a process of its own; see process.h.

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

#include "bench/process.h"
#include "bench/scratch.h"
#include "bench/workload.h"

namespace aidb::bench {
namespace {

constexpr double kSettleSecondsMax = 120;
constexpr uint64_t kWarmUpShare = 4;
constexpr size_t kLoadBatch = 100;
constexpr uint64_t kWriterSeed = 0x7772697465;

PeerSetup SetupFor(const Settings& settings, const std::string& directory, bool synced) {
  return {.directory = directory,
          .memory_bytes = settings.memory_bytes,
          .compression = settings.compression,
          .synced = synced};
}

uint64_t OperationsOf(const Settings& settings, const Workload& workload) {
  if (workload.synced) return settings.synced_operations;
  return settings.operations != 0 ? settings.operations : settings.keys;
}

// The threads of one run, and the writer beside them.
class Crew {
 public:
  Crew(const Settings& settings, const Workload& workload, Peer& peer, uint64_t seed,
       uint64_t operations)
      : workload_(workload),
        beside_(settings, peer, 0, seed ^ kWriterSeed, operations),
        outcomes_(static_cast<size_t>(settings.threads)) {
    for (int i = 0; i < settings.threads; ++i) {
      workers_.emplace_back(settings, peer, i, seed + static_cast<uint64_t>(i), operations);
    }
  }

  Status Run() {
    const double start = SecondsNow();
    std::vector<std::thread> threads;
    for (size_t i = 1; i < workers_.size(); ++i) {
      threads.emplace_back([this, i] { outcomes_[i] = workload_.body(workers_[i]); });
    }
    std::atomic<bool> stop{false};
    Result<uint64_t> written = uint64_t{0};
    std::thread writer;
    if (workload_.writer_beside) {
      writer = std::thread([&] { written = beside_.OverwriteUntil(stop); });
    }
    outcomes_[0] = workload_.body(workers_[0]);
    for (std::thread& thread : threads) thread.join();
    stop.store(true, std::memory_order_relaxed);
    if (writer.joinable()) writer.join();
    seconds_ = SecondsNow() - start;
    for (const Status& outcome : outcomes_) AIDB_RETURN_IF_ERROR(outcome);
    AIDB_RETURN_IF_ERROR(written.status());
    written_beside_ = *written;
    return {};
  }

  void Report(Measurement& measurement) {
    LatencyRecorder latency;
    for (const Worker& worker : workers_) {
      measurement.operations += worker.done();
      measurement.found += worker.found();
      measurement.user_bytes += worker.user_bytes();
      latency.Merge(worker.latency());
    }
    measurement.user_bytes += beside_.user_bytes();
    measurement.seconds = seconds_;
    measurement.beside_per_second = static_cast<double>(written_beside_) / seconds_;
    measurement.latency_p50_ns = latency.Percentile(50);
    measurement.latency_p99_ns = latency.Percentile(99);
    measurement.latency_p999_ns = latency.Percentile(99.9);
    measurement.latency_max_ns = latency.Max();
  }

 private:
  const Workload& workload_;
  std::vector<Worker> workers_;
  Worker beside_;
  std::vector<Status> outcomes_;
  double seconds_ = 0;
  uint64_t written_beside_ = 0;
};

// Which keys are there when the run has ended: its threads' random numbers, drawn again.
uint64_t LiveKeys(const Settings& settings, const Workload& workload, uint64_t seed,
                  uint64_t operations) {
  if (workload.loaded && workload.name != "deleterandom") return settings.keys;
  if (workload.name == "fillseq") return std::min(operations, settings.keys);
  const bool puts = !workload.loaded;
  std::vector<bool> live(settings.keys, !puts);
  for (int i = 0; i < settings.threads; ++i) {
    const auto threads = static_cast<uint64_t>(settings.threads);
    const auto index = static_cast<uint64_t>(i);
    Rng rng(seed + index);
    for (uint64_t n = operations * (index + 1) / threads - operations * index / threads; n > 0;
         --n) {
      live[rng.Below(settings.keys)] = puts;
    }
  }
  return static_cast<uint64_t>(std::ranges::count(live, true));
}

Status Settle(Peer& peer, Measurement& measurement) {
  const double start = SecondsNow();
  const double cpu = UsageNow().cpu_seconds;
  AIDB_RETURN_IF_ERROR(peer.Flush());
  measurement.settled = WaitUntilIdle(kSettleSecondsMax);
  measurement.settle_seconds = SecondsNow() - start;
  measurement.settle_cpu_seconds = UsageNow().cpu_seconds - cpu;
  return {};
}

}  // namespace

Result<Measurement> RunWorkload(const Settings& settings, const WorkloadRun& run,
                                const PeerKind& kind, const std::string& directory, int round) {
  const Workload& workload = *run.workload;
  const uint64_t operations = OperationsOf(settings, workload);
  const uint64_t seed = settings.seed * 1'000'003 + static_cast<uint64_t>(round) * 1'009;
  AIDB_ASSIGN_OR_RETURN(const auto peer, kind.open(SetupFor(settings, directory, workload.synced)));
  if (!workload.writes) {
    Crew warm_up(settings, workload, *peer, ~seed,
                 std::max<uint64_t>(operations / kWarmUpShare, 1));
    AIDB_RETURN_IF_ERROR(warm_up.Run());
  }
  Measurement measurement;
  Crew crew(settings, workload, *peer, seed, operations);
  ForgetPeakRss();
  const ProcessUsage before = UsageNow();
  AIDB_RETURN_IF_ERROR(crew.Run());
  measurement.cpu_seconds = UsageNow().cpu_seconds - before.cpu_seconds;
  crew.Report(measurement);
  if (workload.writes) AIDB_RETURN_IF_ERROR(Settle(*peer, measurement));
  measurement.peak_rss_bytes = PeakRssBytes();
  measurement.written_bytes = UsageNow().written_bytes - before.written_bytes;
  const auto stall = peer->StallMicros();
  measurement.stall_known = stall.has_value();
  measurement.stall_us = stall.value_or(0);
  AIDB_RETURN_IF_ERROR(peer->Close());
  if (workload.writes) measurement.directory_bytes = DirectoryBytes(directory);
  measurement.live_bytes =
      LiveKeys(settings, workload, seed, operations) * (kKeyBytes + settings.value_bytes);
  return measurement;
}

Result<Measurement> Load(const Settings& settings, const PeerKind& kind,
                         const std::string& directory) {
  AIDB_ASSIGN_OR_RETURN(const auto peer, kind.open(SetupFor(settings, directory, false)));
  std::vector<uint64_t> order(settings.keys);
  std::iota(order.begin(), order.end(), uint64_t{0});
  Rng rng(settings.seed);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.Below(i)]);
  Material material(settings, settings.seed);
  std::vector<std::string> keys(kLoadBatch);
  std::vector<KeyValue> batch;
  for (size_t i = 0; i < order.size(); ++i) {
    std::string& key = keys[batch.size()];
    key = material.Key(order[i]);
    batch.emplace_back(key, material.Value());
    if (batch.size() < kLoadBatch && i + 1 < order.size()) continue;
    AIDB_RETURN_IF_ERROR(peer->WriteBatch(batch));
    batch.clear();
  }
  AIDB_RETURN_IF_ERROR(peer->Close());
  return Measurement{};
}

Result<Measurement> Compact(const Settings& settings, const PeerKind& kind,
                            const std::string& directory) {
  AIDB_ASSIGN_OR_RETURN(const auto peer, kind.open(SetupFor(settings, directory, false)));
  AIDB_RETURN_IF_ERROR(peer->Compact());
  if (!WaitUntilIdle(kSettleSecondsMax)) return Internal("compaction does not come to an end");
  AIDB_RETURN_IF_ERROR(peer->Close());
  return Measurement{};
}

}  // namespace aidb::bench
