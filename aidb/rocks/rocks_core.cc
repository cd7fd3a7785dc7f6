#include "aidb/rocks/rocks_core.h"

#include <optional>
#include <utility>

#include <rocksdb/snapshot.h>

#include "aidb/base/check.h"
#include "aidb/rocks/rocks_status.h"

namespace aidb::rocks {

void Events::OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status* error) {
  const MutexLock lock(mu_);
  error_ = error->ToString();
}

void Events::OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) {
  const MutexLock lock(mu_);
  error_ = info.new_bg_error.ok() ? "" : info.new_bg_error.ToString();
}

std::string Events::error() const {
  const MutexLock lock(mu_);
  return error_;
}

Status Closed() { return Unavailable("rocksdb store: closed"); }

Core::~Core() {
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    // Fails only for a handle of another database.
    AIDB_CHECK(db->DestroyColumnFamilyHandle(handle).ok());
  }
}

RocksSnapshot::RocksSnapshot(std::shared_ptr<Core> core)
    : core_(std::move(core)),
      held_(std::make_shared<const HeldSnapshot>(core_)),
      now_ms_(core_->clock.NowMs()) {
  core_->snapshots.fetch_add(1, std::memory_order_relaxed);
}

RocksSnapshot::~RocksSnapshot() { core_->snapshots.fetch_sub(1, std::memory_order_relaxed); }

namespace {

// RocksDB's iterator, clamped: its bounds hold while it walks, but a seek outside them is
// answered here. Once values expire, a second iterator, over their instants and at the same
// snapshot, says which to pass over.
class RocksCursor final : public kv::Cursor {
 public:
  RocksCursor(std::shared_ptr<Core> core, kv::ScanRange range, rocksdb::ReadOptions options,
              std::shared_ptr<const HeldSnapshot> at, std::optional<uint64_t> now_ms)
      : core_(std::move(core)),
        range_(std::move(range)),
        lower_(range_.lower),
        held_(std::move(at)) {
    if (held_ != nullptr) options.snapshot = held_->own;
    options.iterate_lower_bound = &lower_;
    if (range_.upper) {
      upper_ = *range_.upper;
      options.iterate_upper_bound = &upper_;
    }
    if (core_->expiry.handle() == nullptr) iterator_.reset(core_->db->NewIterator(options));
    // Asked again: what the iterator sees may be the first value that expires.
    rocksdb::ColumnFamilyHandle* const expiry = core_->expiry.handle();
    if (expiry == nullptr) return;
    if (held_ == nullptr) {
      held_ = std::make_shared<const HeldSnapshot>(core_);
      options.snapshot = held_->own;
    }
    now_ms_ = now_ms ? *now_ms : core_->clock.NowMs();
    iterator_.reset(core_->db->NewIterator(options));
    expiry_.reset(core_->db->NewIterator(options, expiry));
  }
  RocksCursor(const RocksCursor&) = delete;
  RocksCursor& operator=(const RocksCursor&) = delete;

  bool Valid() const override { return valid_; }
  void SeekToFirst() override {
    if (!MayMove()) return;
    iterator_->SeekToFirst();
    Arrive(Direction::kUp);
  }
  void SeekToLast() override {
    if (!MayMove()) return;
    iterator_->SeekToLast();
    Arrive(Direction::kDown);
  }
  void Seek(std::string_view key) override {
    if (key <= range_.lower) return SeekToFirst();
    if (!MayMove()) return;
    if (range_.upper && key >= *range_.upper) return StandNowhere();
    iterator_->Seek(rocksdb::Slice(key));
    Arrive(Direction::kUp);
  }
  void SeekForPrev(std::string_view key) override {
    if (range_.upper && key >= *range_.upper) return SeekToLast();
    if (!MayMove()) return;
    if (key < range_.lower) return StandNowhere();
    iterator_->SeekForPrev(rocksdb::Slice(key));
    Arrive(Direction::kDown);
  }
  void Next() override {
    if (!MayMove()) return;
    iterator_->Next();
    Arrive(Direction::kUp);
  }
  void Prev() override {
    if (!MayMove()) return;
    iterator_->Prev();
    Arrive(Direction::kDown);
  }
  std::string_view key() const override { return iterator_->key().ToStringView(); }
  std::string_view value() const override { return iterator_->value().ToStringView(); }
  Status status() const override { return status_; }

 private:
  enum class Direction : unsigned char { kUp, kDown };

  bool MayMove() {
    if (core_->closed.load(std::memory_order_acquire)) [[unlikely]] {
      valid_ = false;
      status_ = Closed();
      return false;
    }
    if (range_.empty()) {
      StandNowhere();
      return false;
    }
    return true;
  }
  void Arrive(Direction direction) {
    status_ = {};
    while (expiry_ != nullptr && iterator_->Valid() && HasExpired(iterator_->key())) {
      direction == Direction::kUp ? iterator_->Next() : iterator_->Prev();
    }
    valid_ = iterator_->Valid() && status_.ok();
    if (!iterator_->Valid()) status_ = Translate(iterator_->status());
  }
  // False as well when that cannot be read: status_ says so.
  bool HasExpired(const rocksdb::Slice& key) {
    const auto between = [&] {  // The place of the last search and what it found.
      return sought_ && rocksdb::Slice(*sought_).compare(key) <= 0 &&
             (!expiry_->Valid() || key.compare(expiry_->key()) < 0);
    };
    if (between()) return false;
    if (!expiry_->Valid() || expiry_->key() != key) {
      expiry_->Seek(key);
      sought_ = key.ToString();
    }
    if (!expiry_->Valid()) {
      status_ = Translate(expiry_->status());
      if (!status_.ok()) sought_.reset();
      return false;
    }
    if (expiry_->key() != key) return false;
    const Result<uint64_t> expires_at_ms = ExpiryColumn::Decode(expiry_->value().ToStringView());
    status_ = expires_at_ms.status();
    return status_.ok() && *expires_at_ms <= now_ms_;
  }
  void StandNowhere() {
    valid_ = false;
    status_ = {};
  }

  const std::shared_ptr<Core> core_;
  const kv::ScanRange range_;
  const rocksdb::Slice lower_;  // RocksDB keeps pointers to the bounds.
  rocksdb::Slice upper_;
  std::shared_ptr<const HeldSnapshot> held_;     // May be null: RocksDB's own moment.
  std::unique_ptr<rocksdb::Iterator> iterator_;  // Goes before core_ and held_.
  std::unique_ptr<rocksdb::Iterator> expiry_;    // Null while nothing expires.
  std::optional<std::string> sought_;            // Where expiry_ was last sought.
  uint64_t now_ms_ = 0;
  bool valid_ = false;
  Status status_;
};

}  // namespace

std::unique_ptr<kv::Cursor> MakeCursor(std::shared_ptr<Core> core, kv::ScanRange range,
                                       rocksdb::ReadOptions options,
                                       std::shared_ptr<const HeldSnapshot> at,
                                       std::optional<uint64_t> now_ms) {
  return std::make_unique<RocksCursor>(std::move(core), std::move(range), options, std::move(at),
                                       now_ms);
}

}  // namespace aidb::rocks
