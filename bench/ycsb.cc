#include "bench/ycsb.h"

#include "bench/workload.h"
#include "bench/zipfian.h"

namespace aidb::bench {
namespace {

constexpr uint64_t kScanStepsMax = 100;

// Percent of the operations.
struct Mix {
  uint64_t reads = 0;
  uint64_t updates = 0;
  uint64_t inserts = 0;
  uint64_t scans = 0;
  uint64_t modifications = 0;
};

// Which key the next operation is for.
class PopularKeys {
 public:
  explicit PopularKeys(Worker& worker) : worker_(worker), keys_(worker.keys()) {}
  std::string_view Next() { return worker_.material().Key(NextNumber()); }
  uint64_t NextNumber() { return keys_.Draw(worker_.rng()); }
  void Inserted() {}

 private:
  Worker& worker_;
  const ScrambledZipfian keys_;
};

// What this thread inserted last is the most likely, then what was there before.
class LatestKeys {
 public:
  explicit LatestKeys(Worker& worker) : worker_(worker), ages_(worker.keys()) {}
  std::string_view Next() {
    const uint64_t place = ages_.items() - 1 - ages_.Draw(worker_.rng());
    if (place < worker_.keys()) return worker_.material().Key(place);
    return worker_.InsertedKey(place - worker_.keys());
  }
  uint64_t NextNumber() { return worker_.rng().Below(worker_.keys()); }
  void Inserted() { ages_.Grow(); }

 private:
  Worker& worker_;
  Zipfian ages_;
};

Status Read(Worker& worker, std::string_view key) {
  AIDB_ASSIGN_OR_RETURN(const auto value, worker.session().Get(key));
  worker.Found(value ? 1 : 0);
  return {};
}

Status Scan(Worker& worker, std::string_view key) {
  const uint64_t steps = worker.rng().Between(1, kScanStepsMax);
  const auto cursor = worker.session().Scan(key, kv::ScanOrder::kForward);
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < steps && cursor->Valid(); ++i, cursor->Next()) {
    bytes += cursor->Entry().second.size();
    worker.Found(1);
  }
  if (bytes == 0) return Internal("a scan from a key that is there met nothing");
  return cursor->status();
}

template <typename Keys>
Status RunMix(Worker& worker, const Mix& mix) {
  Keys keys(worker);
  return worker.Repeat([&](uint64_t) -> Status {
    uint64_t dice = worker.rng().Below(100);
    const auto falls = [&dice](uint64_t percent) {
      const bool yes = dice < percent;
      dice -= yes ? 0 : percent;
      return yes;
    };
    if (falls(mix.reads)) return Read(worker, keys.Next());
    if (falls(mix.updates)) return worker.Put(keys.NextNumber());
    if (falls(mix.scans)) return Scan(worker, keys.Next());
    if (falls(mix.inserts)) {
      keys.Inserted();
      return worker.Insert();
    }
    const uint64_t number = keys.NextNumber();
    AIDB_RETURN_IF_ERROR(Read(worker, worker.material().Key(number)));
    return worker.Put(number);
  });
}

}  // namespace

Status YcsbA(Worker& worker) { return RunMix<PopularKeys>(worker, {.reads = 50, .updates = 50}); }
Status YcsbB(Worker& worker) { return RunMix<PopularKeys>(worker, {.reads = 95, .updates = 5}); }
Status YcsbC(Worker& worker) { return RunMix<PopularKeys>(worker, {.reads = 100}); }
Status YcsbD(Worker& worker) { return RunMix<LatestKeys>(worker, {.reads = 95, .inserts = 5}); }
Status YcsbE(Worker& worker) { return RunMix<PopularKeys>(worker, {.inserts = 5, .scans = 95}); }
Status YcsbF(Worker& worker) {
  return RunMix<PopularKeys>(worker, {.reads = 50, .modifications = 50});
}

}  // namespace aidb::bench
