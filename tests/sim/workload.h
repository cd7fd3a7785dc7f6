#pragma once

// The work of one process: it opens the store, writes and reads with several fibers, closes,
// opens again.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aidb/io/sim/world.h"
#include "aidb/kv/ingester.h"
#include "aidb/kv/range_compactor.h"
#include "aidb/kv/store.h"
#include "aidb/lsm/open.h"

#include "tests/sim/copies.h"
#include "tests/sim/follower.h"
#include "tests/sim/history.h"
#include "tests/sim/plan.h"
#include "tests/sim/wall_watch.h"

namespace aidb::sim {

inline constexpr std::string_view kDirectory = "db";

struct WorkCounts {
  uint64_t flushes = 0;
  uint64_t compactions = 0;
  uint64_t scans = 0;
  uint64_t refused_writes = 0;
  uint64_t conflicts = 0;
};

// Thread safety: none; its fibers share it.
// Lifetime: borrows all that it is given.
class Workload {
 public:
  // `copies` are those that processes before this one made; `sync_failed`: in one of them.
  Workload(io::SimWorld& world, WallWatch& wall, const Plan& plan, History& history,
           std::vector<Copy>& copies, int process, bool sync_failed)
      : world_(world),
        wall_(wall),
        plan_(plan),
        history_(history),
        copies_(copies),
        process_(process),
        sync_failed_(sync_failed),
        tokens_(static_cast<uint64_t>(process) * 1'000'000) {}

  // The body of the world's first fiber.
  void Main();
  // What an open store answered wrongly; nullopt when all was well.
  const std::optional<std::string>& complaint() const { return complaint_; }
  const WorkCounts& counts() const { return counts_; }
  // Since when nobody syncs in the background, because no store is open; Never while one is.
  Instant unwatched_since() const { return unwatched_since_; }

 private:
  bool Healthy() const { return plan_.kind == RunKind::kCrash; }
  Instant Now() const { return world_.scheduler().PeekNow(); }
  void Complain(std::string what);
  bool LiveOnce(int life);
  // After Open: what was unknown is known now.
  bool TakeStock(kv::Store& store, Rng& rng);
  void WriterMain(lsm::OpenedStore& opened, int writer, int batches, Rng rng);
  // One write; on a condition, if `rng` says so.
  Status WriteOnce(lsm::OpenedStore& opened, int writer, Rng& rng);
  Result<kv::Sequence> WriteIf(lsm::OpenedStore& opened, int batch, bool sync);
  std::vector<Operation> DrawBatch(Rng& rng, int writer);
  std::string DrawValue(Rng& rng, int writer);
  std::optional<uint64_t> DrawExpiry();
  // Makes it a merge, if it is to be one.
  void DrawMerge(Operation& operation, int writer);
  void CheckConditions();
  std::optional<Operation> DrawRange();
  void HandleFullDisk(int refused);
  void ReaderMain(kv::Store& store, const bool& stop, Rng rng);
  void ReadOnce(kv::Store& store, Rng& rng);
  void ReadSnapshot(kv::Store& store, Rng& rng);
  void Disturb(kv::Store& store, Rng& rng);
  void CompactMain(kv::RangeCompactor& compactor, Rng rng);
  void CheckpointMain(kv::Checkpointer& checkpointer, int life, Rng rng);
  void IngestMain(kv::Ingester& ingester, int life, Rng rng);
  std::vector<Operation> DrawSorted(Rng& rng, int writer);
  // The sorted file `path` of what the batch has.
  Status MakeSorted(const std::string& path, int batch);
  void ClockMain(Rng rng);
  void FollowMain(const kv::Store& store, Follower follower, const bool& stop, Rng rng);
  std::vector<std::unique_ptr<io::Task>> StartOthers(lsm::OpenedStore& opened, int life);
  Rng Stream(std::string_view who, int life, int i) const;
  void End(std::unique_ptr<kv::Store> store, bool writers_done, Rng& rng);
  // Whether an error may be: always with faults, never without but for a store that closes.
  void Expect(const Status& status, std::string_view call);

  // A write that went through on a condition.
  struct Condition {
    int batch;
    uint64_t since;
    std::vector<int> keys;
  };

  io::SimWorld& world_;
  WallWatch& wall_;
  StoreClock clock_{wall_};
  const Plan& plan_;
  History& history_;
  std::vector<Copy>& copies_;
  std::vector<Condition> conditions_;                          // Of this life.
  std::map<std::string, kv::WriteBatch, std::less<>> sorted_;  // What is in each sorted file.
  const int process_;
  bool sync_failed_;  // In a life that has ended.
  uint64_t tokens_;   // Makes every value another.
  uint64_t batches_drawn_ = 0;
  std::optional<std::string> complaint_;
  WorkCounts counts_;
  bool closing_ = false;
  bool closed_ = false;  // The last life, in order, on a healthy disk.
  Instant unwatched_since_{0};
  Instant space_since_ = Instant::Never();
};

}  // namespace aidb::sim
