#include "aidb/rocks/rocks_core.h"

#include <utility>

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

RocksSnapshot::RocksSnapshot(std::shared_ptr<Core> core)
    : core_(std::move(core)), snapshot_(core_->db->GetSnapshot()) {
  core_->snapshots.fetch_add(1, std::memory_order_relaxed);
}

RocksSnapshot::~RocksSnapshot() {
  core_->db->ReleaseSnapshot(snapshot_);
  core_->snapshots.fetch_sub(1, std::memory_order_relaxed);
}

namespace {

// RocksDB's iterator, clamped: its bounds hold while it walks, but a seek outside them is
// answered here.
class RocksCursor final : public kv::Cursor {
 public:
  RocksCursor(std::shared_ptr<Core> core, kv::ScanRange range, rocksdb::ReadOptions options)
      : core_(std::move(core)), range_(std::move(range)), lower_(range_.lower) {
    options.iterate_lower_bound = &lower_;
    if (range_.upper) {
      upper_ = *range_.upper;
      options.iterate_upper_bound = &upper_;
    }
    iterator_.reset(core_->db->NewIterator(options));
  }
  RocksCursor(const RocksCursor&) = delete;
  RocksCursor& operator=(const RocksCursor&) = delete;

  bool Valid() const override { return valid_; }
  void SeekToFirst() override {
    if (!MayMove()) return;
    iterator_->SeekToFirst();
    Arrive();
  }
  void SeekToLast() override {
    if (!MayMove()) return;
    iterator_->SeekToLast();
    Arrive();
  }
  void Seek(std::string_view key) override {
    if (key <= range_.lower) return SeekToFirst();
    if (!MayMove()) return;
    if (range_.upper && key >= *range_.upper) return StandNowhere();
    iterator_->Seek(rocksdb::Slice(key));
    Arrive();
  }
  void SeekForPrev(std::string_view key) override {
    if (range_.upper && key >= *range_.upper) return SeekToLast();
    if (!MayMove()) return;
    if (key < range_.lower) return StandNowhere();
    iterator_->SeekForPrev(rocksdb::Slice(key));
    Arrive();
  }
  void Next() override {
    if (!MayMove()) return;
    iterator_->Next();
    Arrive();
  }
  void Prev() override {
    if (!MayMove()) return;
    iterator_->Prev();
    Arrive();
  }
  std::string_view key() const override { return iterator_->key().ToStringView(); }
  std::string_view value() const override { return iterator_->value().ToStringView(); }
  Status status() const override { return status_; }

 private:
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
  void Arrive() {
    valid_ = iterator_->Valid();
    status_ = valid_ ? Status() : Translate(iterator_->status());
  }
  void StandNowhere() {
    valid_ = false;
    status_ = {};
  }

  const std::shared_ptr<Core> core_;
  const kv::ScanRange range_;
  const rocksdb::Slice lower_;  // RocksDB keeps pointers to the bounds.
  rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> iterator_;  // Goes before core_.
  bool valid_ = false;
  Status status_;
};

}  // namespace

std::unique_ptr<kv::Cursor> MakeCursor(std::shared_ptr<Core> core, kv::ScanRange range,
                                       rocksdb::ReadOptions options) {
  return std::make_unique<RocksCursor>(std::move(core), std::move(range), options);
}

}  // namespace aidb::rocks
