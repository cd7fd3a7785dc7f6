#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include "aidb/base/sync.h"
#include "aidb/kv/expiry_clock.h"
#include "aidb/kv/iterator.h"
#include "aidb/kv/options.h"
#include "aidb/kv/snapshot.h"
#include "aidb/rocks/expiry_column.h"

namespace aidb::rocks {

// What RocksDB tells from its own threads.
//
// Thread safety: any thread may call any method.
class Events final : public rocksdb::EventListener {
 public:
  void OnFlushCompleted(rocksdb::DB* /*db*/, const rocksdb::FlushJobInfo& /*info*/) override {
    flushes.fetch_add(1, std::memory_order_relaxed);
  }
  void OnCompactionCompleted(rocksdb::DB* /*db*/,
                             const rocksdb::CompactionJobInfo& /*info*/) override {
    compactions.fetch_add(1, std::memory_order_relaxed);
  }
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override;

  // Why writes stopped; empty while they go on.
  std::string error() const AIDB_EXCLUDES(mu_);

  std::atomic<uint64_t> flushes = 0;
  std::atomic<uint64_t> compactions = 0;

 private:
  mutable Mutex mu_;
  std::string error_ AIDB_GUARDED_BY(mu_);
};

// The open database, shared by the store and by every handle that reads from it: RocksDB must
// not be closed before its snapshots, iterators and pinned blocks are gone.
struct Core {
  explicit Core(const Clock& wall) : clock{wall} {}
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  const kv::ExpiryClock clock;
  std::shared_ptr<Events> events;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;  // Given back before db goes.
  ExpiryColumn expiry;
  std::atomic<bool> closed = false;     // Set by Close: handles then refuse to move.
  std::atomic<uint64_t> snapshots = 0;  // Live ones.
};

Status Closed();

// RocksDB's own snapshot. Its iterators look at it whenever they come to a table with range
// deletes, so each keeps the one it reads at.
struct HeldSnapshot {
  explicit HeldSnapshot(std::shared_ptr<Core> of)
      : core(std::move(of)), own(core->db->GetSnapshot()) {}
  ~HeldSnapshot() { core->db->ReleaseSnapshot(own); }
  HeldSnapshot(const HeldSnapshot&) = delete;
  HeldSnapshot& operator=(const HeldSnapshot&) = delete;

  const std::shared_ptr<Core> core;
  const rocksdb::Snapshot* const own;
};

// The state of a snapshot.
class RocksSnapshot final : public kv::SnapshotState {
 public:
  explicit RocksSnapshot(std::shared_ptr<Core> core);
  ~RocksSnapshot() override;
  RocksSnapshot(const RocksSnapshot&) = delete;
  RocksSnapshot& operator=(const RocksSnapshot&) = delete;

  kv::Sequence sequence() const override {
    return core_->expiry.Ours(held_->own->GetSequenceNumber());
  }
  uint64_t now_ms() const override { return now_ms_; }
  const void* owner() const override { return core_.get(); }
  const rocksdb::Snapshot* get() const { return held_->own; }
  const std::shared_ptr<const HeldSnapshot>& held() const { return held_; }

 private:
  const std::shared_ptr<Core> core_;
  const std::shared_ptr<const HeldSnapshot> held_;  // Shared with iterators.
  const uint64_t now_ms_;
};

// A cursor over `range` that reads as `options` say (bounds and snapshot are set here) at `at`;
// null for the newest state. Expiry is judged by `now_ms`, or, without it, by the clock at this
// call.
std::unique_ptr<kv::Cursor> MakeCursor(std::shared_ptr<Core> core, kv::ScanRange range,
                                       rocksdb::ReadOptions options,
                                       std::shared_ptr<const HeldSnapshot> at,
                                       std::optional<uint64_t> now_ms);

}  // namespace aidb::rocks
