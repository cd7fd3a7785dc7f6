#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "aidb/base/clock.h"
#include "aidb/base/sync.h"
#include "aidb/kv/update_feed.h"

namespace aidb::kv {

// The batches of a store in memory that its feeds have not taken yet. Without a feed it keeps none.
//
// Thread safety: any thread may call any method; Add and Follow are called under one lock of the
// store.
// Lifetime: shared by the store and its feeds, which may outlive it; the clock outlives the store.
class MemoryUpdates : public std::enable_shared_from_this<MemoryUpdates> {
 public:
  // Keeps at most about `bytes_max` for a feed, whatever that asks for; and the newest batch.
  MemoryUpdates(const Clock& clock, uint64_t bytes_max) : clock_(clock), bytes_max_(bytes_max) {}

  bool wanted() const { return feeds_.load(std::memory_order_acquire) > 0; }
  // The next batch, while wanted.
  void Add(Sequence first, uint32_t count, std::string_view operations) AIDB_EXCLUDES(mu_);
  // A feed from `from` on, which is not above `newest`.
  Result<Updates> Follow(Sequence from, Sequence newest, const UpdateOptions& options)
      AIDB_EXCLUDES(mu_);
  // No batch comes any more.
  void Close() AIDB_EXCLUDES(mu_);

 private:
  struct Batch {
    Sequence first{};
    uint32_t count = 0;
    std::string operations;
    uint64_t end_byte = 0;  // Of all that was ever added.
  };
  struct Feed {
    Sequence next{};
    uint64_t lag_bytes_max = 0;
    bool cut_off = false;
  };
  class Cursor;

  Result<std::shared_ptr<const Batch>> Take(Feed& feed, Duration wait) AIDB_EXCLUDES(mu_);
  void End(std::list<Feed>::iterator feed) AIDB_EXCLUDES(mu_);
  std::shared_ptr<const Batch> Find(Sequence next) const AIDB_REQUIRES(mu_);
  Sequence Oldest() const AIDB_REQUIRES(mu_);
  void CutOffTheSlow() AIDB_REQUIRES(mu_);
  void Drop() AIDB_REQUIRES(mu_);

  const Clock& clock_;
  const uint64_t bytes_max_;
  std::atomic<uint64_t> feeds_{0};  // Changes under mu_.
  Mutex mu_;
  CondVar changed_;
  std::deque<std::shared_ptr<const Batch>> batches_ AIDB_GUARDED_BY(mu_);
  Sequence next_ AIDB_GUARDED_BY(mu_){};  // Behind the last batch, while wanted.
  uint64_t end_byte_ AIDB_GUARDED_BY(mu_) = 0;
  std::list<Feed> followers_ AIDB_GUARDED_BY(mu_);
  bool closed_ AIDB_GUARDED_BY(mu_) = false;
};

}  // namespace aidb::kv
