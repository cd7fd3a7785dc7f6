#include "tests/rot/sample.h"

#include <utility>

#include "aidb/base/check.h"
#include "aidb/io/sim/world.h"
#include "aidb/lsm/open.h"
#include "aidb/lsm/repair.h"

namespace aidb::campaign {
namespace {

constexpr uint64_t kLifeOperations = 250;
constexpr uint64_t kSyncEach = 35;
constexpr uint64_t kKeepEach = 40;  // A copy of the disk for stale files.

WorkloadOptions SampleWorkload(uint64_t seed) {
  return {.seed = seed, .keys_per_writer = 400, .value_bytes_max = 300, .batch_operations_max = 6};
}

std::vector<std::string> KeysOf(const Workload& workload, uint64_t n) {
  std::vector<std::string> keys;
  const kv::WriteBatch batch = workload.Operation(0, n);
  kv::WriteBatch::Reader reader = batch.operations_reader();
  while (true) {
    const auto operation = reader.Next();
    AIDB_CHECK(operation.ok());
    if (!*operation) return keys;
    keys.emplace_back((*operation)->key);
  }
}

// Learns what operation `n` has left.
void NoteHeld(Sample& sample, uint64_t n) {
  for (const std::string& key : KeysOf(sample.workload, n)) {
    sample.key_of.push_back(key);
    const auto now = sample.model.contents.find(key);
    if (now != sample.model.contents.end()) sample.held[key].insert(now->second);
  }
}

// A repair counts the batches that are in no table; each operation is one.
void NoteLogged(Sample& sample) {
  io::SimWorld world(1, sample.disk);
  uint64_t logged = 0;
  const auto report = world.Run([&] {
    const auto repaired = lsm::RepairStore(world.env(), kStoreDirectory, "undamaged");
    AIDB_CHECK(repaired.ok() && repaired->losses.empty());
    AIDB_CHECK(repaired->keys == sample.model.contents.size());
    logged = repaired->log_batches;
  });
  AIDB_CHECK(report.finished() && logged > 0);
  const uint64_t last = sample.model.operations;
  for (uint64_t n = last + 1 - logged; n <= last; ++n) {
    for (std::string& key : KeysOf(sample.workload, n)) sample.logged.insert(std::move(key));
  }
}

// One life: opens, writes, ends. Returns the disk it leaves.
io::SimDisk Live(Sample& sample, uint64_t seed, io::SimDisk disk, Ending ending) {
  io::SimWorld world(seed, std::move(disk));
  const auto report = world.Run([&] {
    auto opened = lsm::OpenStore(world.env(), kStoreDirectory, SampleOptions());
    AIDB_CHECK(opened.ok());
    for (uint64_t i = 1; i <= kLifeOperations; ++i) {
      const uint64_t n = sample.model.operations + 1;
      const bool sync = i % kSyncEach == 0;
      AIDB_CHECK(opened->store->Write(sample.workload.Operation(0, n), {.sync = sync}).ok());
      sample.model.AdvanceTo(sample.workload, 0, n);
      NoteHeld(sample, n);
      if (i % kKeepEach == 0) sample.earlier.push_back(world.files().Snapshot());
    }
    if (ending == Ending::kKilled) world.Kill();
    AIDB_CHECK(opened->store->Close().ok());
  });
  AIDB_CHECK(report.finished() == (ending == Ending::kClosed));
  return world.disk().Kill();
}

io::SimDisk LiveThrice(Sample& sample, uint64_t seed, Ending ending) {
  io::SimDisk disk = Live(sample, seed + 1, {}, Ending::kClosed);
  sample.earlier.push_back(disk);
  disk = Live(sample, seed + 2, std::move(disk), Ending::kKilled);
  sample.earlier.push_back(disk);
  return Live(sample, seed + 3, std::move(disk), ending);
}

}  // namespace

kv::Options SampleOptions() {
  kv::Options options = kv::Options::ForTests();
  options.memory_bytes = uint64_t{2} << 20;  // A small ring: most of it is in use.
  options.batch_bytes_max = uint64_t{256} << 10;
  return options;
}

Sample BuildSample(uint64_t seed, Ending ending) {
  Sample foreign;
  foreign.workload = Workload(SampleWorkload(seed ^ 0xF0));
  Sample sample;
  sample.key_of.emplace_back();
  sample.name = ending == Ending::kClosed ? "closed" : "killed";
  sample.workload = Workload(SampleWorkload(seed));
  sample.foreign = LiveThrice(foreign, seed + 100, ending);
  sample.disk = LiveThrice(sample, seed, ending);
  NoteLogged(sample);
  return sample;
}

}  // namespace aidb::campaign
