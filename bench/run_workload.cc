// One run: open, warm up, measure, settle, close. In a process of its own; see process.h.

#include <algorithm>
#include <atomic>
#include <memory>
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

PeerSetup SetupFor(const Settings& settings, const std::string& directory) {
  return {.directory = directory,
          .memory_bytes = settings.memory_bytes,
          .compression = settings.compression,
          .sessions = settings.threads + 1,  // The last one for a writer beside the others.
          .value_bytes = settings.value_bytes};
}

using Sessions = std::vector<std::unique_ptr<PeerSession>>;
Result<Sessions> OpenSessions(Peer& peer, int count) {
  Sessions sessions(static_cast<size_t>(count));
  for (auto& session : sessions) {
    AIDB_ASSIGN_OR_RETURN(session, peer.NewSession());
  }
  return sessions;
}

// The threads of one run, and the writer beside them.
class Crew {
 public:
  Crew(const Settings& settings, const Workload& workload, const Sessions& sessions, uint64_t seed,
       uint64_t operations)
      : workload_(workload),
        beside_(settings, *sessions.back(), 0, seed ^ kWriterSeed, operations),
        outcomes_(static_cast<size_t>(settings.threads)) {
    for (int i = 0; i < settings.threads; ++i) {
      workers_.emplace_back(settings, *sessions[static_cast<size_t>(i)], i,
                            seed + static_cast<uint64_t>(i), operations);
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
      for (size_t i = 0; i < kSecondsMax; ++i) measurement.series[i] += worker.series()[i];
    }
    measurement.user_bytes += beside_.user_bytes();
    measurement.seconds = seconds_;
    measurement.beside_per_second = static_cast<double>(written_beside_) / seconds_;
    measurement.latency_p50_ns = latency.Percentile(50);
    measurement.latency_p99_ns = latency.Percentile(99);
    measurement.latency_p999_ns = latency.Percentile(99.9);
    measurement.latency_max_ns = latency.Max();
    measurement.held_us = latency.HeldNs() / 1000;
  }
  uint64_t Inserted() const {
    uint64_t inserted = 0;
    for (const Worker& worker : workers_) inserted += worker.inserted();
    return inserted;
  }

 private:
  const Workload& workload_;
  std::vector<Worker> workers_;
  Worker beside_;
  std::vector<Status> outcomes_;
  double seconds_ = 0;
  uint64_t written_beside_ = 0;
};

// Which of the first keys are there when the run has ended: its threads' random numbers, drawn
// again.
uint64_t LiveKeys(const Settings& settings, const Workload& workload, uint64_t seed) {
  if (workload.loaded && !workload.deletes) return settings.keys;
  if (workload.in_order) return std::min(settings.operations, settings.keys);
  const bool puts = !workload.deletes;
  std::vector<bool> live(settings.keys, !puts);
  for (int i = 0; i < settings.threads; ++i) {
    const auto threads = static_cast<uint64_t>(settings.threads);
    const auto index = static_cast<uint64_t>(i);
    Rng rng(seed + index);
    for (uint64_t n =
             settings.operations * (index + 1) / threads - settings.operations * index / threads;
         n > 0; --n) {
      live[rng.Below(settings.keys)] = puts;
    }
  }
  return static_cast<uint64_t>(std::ranges::count(live, true));
}

Status Settle(const Settings& settings, Peer& peer, Measurement& measurement) {
  const double start = SecondsNow();
  const double cpu = UsageNow().cpu_seconds;
  AIDB_RETURN_IF_ERROR(peer.Flush());
  measurement.settled = settings.brief || WaitUntilIdle(kSettleSecondsMax);
  measurement.settle_seconds = SecondsNow() - start;
  measurement.settle_cpu_seconds = UsageNow().cpu_seconds - cpu;
  return {};
}

// Runs the workload on an open store, and waits until it has come to rest.
Result<Measurement> Measure(const Settings& settings, const Workload& workload, Peer& peer,
                            uint64_t seed) {
  AIDB_ASSIGN_OR_RETURN(const Sessions sessions, OpenSessions(peer, settings.threads + 1));
  if (!workload.writes) {
    Crew warm_up(settings, workload, sessions, ~seed,
                 std::max<uint64_t>(settings.operations / kWarmUpShare, 1));
    AIDB_RETURN_IF_ERROR(warm_up.Run());
  }
  Measurement measurement;
  Crew crew(settings, workload, sessions, seed, settings.operations);
  ForgetPeakRss();
  const ProcessUsage before = UsageNow();
  AIDB_RETURN_IF_ERROR(crew.Run());
  measurement.cpu_seconds = UsageNow().cpu_seconds - before.cpu_seconds;
  crew.Report(measurement);
  if (workload.timed) measurement.series_seconds = static_cast<uint32_t>(settings.seconds);
  if (workload.writes) AIDB_RETURN_IF_ERROR(Settle(settings, peer, measurement));
  measurement.peak_rss_bytes = PeakRssBytes();
  measurement.written_bytes = UsageNow().written_bytes - before.written_bytes;
  const auto stall = peer.StallMicros();
  measurement.stall_known = stall.has_value();
  measurement.stall_us = stall.value_or(0);
  measurement.live_bytes =
      (LiveKeys(settings, workload, seed) + crew.Inserted()) * (kKeyBytes + settings.value_bytes);
  return measurement;
}

// Opens a store whose process was killed, and looks whether its last write is there.
Result<Measurement> MeasureOpening(const Settings& settings, const PeerKind& kind,
                                   const std::string& directory) {
  Material material(settings, settings.seed);
  ForgetPeakRss();
  const ProcessUsage before = UsageNow();
  const uint64_t start = NanosNow();
  AIDB_ASSIGN_OR_RETURN(const auto peer, kind.open(SetupFor(settings, directory)));
  AIDB_ASSIGN_OR_RETURN(auto session, peer->NewSession());
  AIDB_ASSIGN_OR_RETURN(const auto last, session->Get(material.MissingKey(0)));
  const uint64_t took = NanosNow() - start;
  const ProcessUsage after = UsageNow();
  if (!last) return Internal("the last write before the kill is lost");
  session.reset();
  Measurement measurement;
  measurement.operations = 1;
  measurement.found = 1;
  measurement.seconds = static_cast<double>(took) * 1e-9;
  measurement.cpu_seconds = after.cpu_seconds - before.cpu_seconds;
  measurement.latency_p50_ns = measurement.latency_p99_ns = took;
  measurement.latency_p999_ns = measurement.latency_max_ns = took;
  measurement.peak_rss_bytes = PeakRssBytes();
  AIDB_RETURN_IF_ERROR(peer->Close());
  return measurement;
}

}  // namespace

Result<Measurement> RunWorkload(const Settings& settings, const WorkloadRun& run,
                                const PeerKind& kind, const std::string& directory, int round) {
  const Workload& workload = *run.workload;
  if (workload.body == nullptr) return MeasureOpening(settings, kind, directory);
  const uint64_t seed = settings.seed * 1'000'003 + static_cast<uint64_t>(round) * 1'009;
  PeerSetup setup = SetupFor(settings, directory);
  setup.synced = workload.synced;
  setup.cold = run.cold;
  AIDB_ASSIGN_OR_RETURN(const auto peer, kind.open(setup));
  AIDB_ASSIGN_OR_RETURN(Measurement measurement, Measure(settings, workload, *peer, seed));
  AIDB_RETURN_IF_ERROR(peer->Close());
  if (workload.writes) measurement.directory_bytes = DirectoryBytes(directory);
  return measurement;
}

Result<Measurement> Load(const Settings& settings, bool cold, const PeerKind& kind,
                         const std::string& directory) {
  PeerSetup setup = SetupFor(settings, directory);
  // Loading is not what a cold run measures, and in random order with too little memory a B-tree
  // writes a page for each key: all are loaded with room for all data.
  if (cold) setup.memory_bytes = 2 * settings.keys * (kKeyBytes + settings.value_bytes);
  setup.memory_bytes = std::max(setup.memory_bytes, settings.memory_bytes);
  AIDB_ASSIGN_OR_RETURN(const auto peer, kind.open(setup));
  AIDB_ASSIGN_OR_RETURN(auto session, peer->NewSession());
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
    AIDB_RETURN_IF_ERROR(session->WriteBatch(batch));
    batch.clear();
  }
  session.reset();
  AIDB_RETURN_IF_ERROR(peer->Close());
  return Measurement{};
}

Result<Measurement> Compact(const Settings& settings, bool cold, const PeerKind& kind,
                            const std::string& directory) {
  PeerSetup setup = SetupFor(settings, directory);
  setup.cold = cold;
  AIDB_ASSIGN_OR_RETURN(const auto peer, kind.open(setup));
  AIDB_RETURN_IF_ERROR(peer->Compact());
  if (!settings.brief && !WaitUntilIdle(kSettleSecondsMax))
    return Internal("compaction does not come to an end");
  AIDB_RETURN_IF_ERROR(peer->Close());
  return Measurement{};
}

Status OverwriteQuarter(const Settings& settings, const PeerKind& kind,
                        const std::string& directory) {
  AIDB_ASSIGN_OR_RETURN(auto peer, kind.open(SetupFor(settings, directory)));
  AIDB_ASSIGN_OR_RETURN(auto session, peer->NewSession());
  Material material(settings, settings.seed);
  Rng rng(~settings.seed);
  for (uint64_t i = 0; i < settings.keys / 4; ++i) {
    AIDB_RETURN_IF_ERROR(session->Put(material.Key(rng.Below(settings.keys)), material.Value()));
  }
  AIDB_RETURN_IF_ERROR(session->Put(material.MissingKey(0), material.Value()));
  // Neither is destroyed: the kill comes first, and closing would save what it is to lose.
  static_cast<void>(session.release());
  static_cast<void>(peer.release());
  return {};
}

}  // namespace aidb::bench
