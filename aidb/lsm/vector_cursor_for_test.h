#pragma once

// Entry cursors for tests and benchmarks.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aidb/base/check.h"
#include "aidb/lsm/owned_entry_for_test.h"

namespace aidb::lsm {

inline bool ComesBefore(const OwnedEntry& a, std::string_view key, Sequence sequence) {
  return a.key != key ? a.key < key : a.sequence > sequence;
}

// Walks a sorted vector. Borrows it.
class VectorCursor final : public EntryCursor {
 public:
  explicit VectorCursor(const std::vector<OwnedEntry>& entries) : entries_(entries) {}

  void SeekToFirst() override { Show(0); }
  void SeekToLast() override { Show(entries_.size() - 1); }
  void Seek(std::string_view key, Sequence sequence) override {
    const auto at = std::partition_point(
        entries_.begin(), entries_.end(),
        [&](const OwnedEntry& entry) { return ComesBefore(entry, key, sequence); });
    Show(static_cast<size_t>(at - entries_.begin()));
  }
  void Next() override {
    AIDB_CHECK(valid_);
    Show(position_ + 1);
  }
  void Prev() override {
    AIDB_CHECK(valid_);
    Show(position_ - 1);
  }
  Status status() const override { return {}; }

 private:
  void Show(size_t position) {
    position_ = position;
    valid_ = position < entries_.size();  // One before the first is beyond the last.
    if (!valid_) return;
    const OwnedEntry& entry = entries_[position];
    entry_ = entry.view();
  }

  const std::vector<OwnedEntry>& entries_;
  size_t position_ = 0;
};

// Gives the views of each position a buffer of their own, which the next move overwrites and the
// one after it frees, and fails the move whose number is `fails_at`.
class HarshCursor final : public EntryCursor {
 public:
  static constexpr size_t kNever = SIZE_MAX;
  explicit HarshCursor(std::unique_ptr<EntryCursor> entries, size_t fails_at = kNever)
      : entries_(std::move(entries)), fails_at_(fails_at) {}

  void SeekToFirst() override {
    entries_->SeekToFirst();
    Show();
  }
  void SeekToLast() override {
    entries_->SeekToLast();
    Show();
  }
  void Seek(std::string_view key, Sequence sequence) override {
    entries_->Seek(key, sequence);
    Show();
  }
  void Next() override {
    AIDB_CHECK(valid_);
    entries_->Next();
    Show();
  }
  void Prev() override {
    AIDB_CHECK(valid_);
    entries_->Prev();
    Show();
  }
  Status status() const override { return status_; }

 private:
  void Show() {
    status_ = moves_++ == fails_at_ ? Corruption("planted") : Status();
    valid_ = entries_->valid() && status_.ok();
    old_buffer_ = std::move(buffer_);
    if (old_buffer_ != nullptr) {
      std::ranges::fill(old_buffer_->first, '\xDD');
      std::ranges::fill(old_buffer_->second, '\xDD');
    }
    if (!valid_) return;
    const Entry& entry = entries_->entry();
    buffer_ = std::make_unique<std::pair<std::string, std::string>>(entry.key, entry.value);
    entry_ = {buffer_->first, buffer_->second, entry.sequence, entry.kind, entry.expires_at_ms};
  }

  std::unique_ptr<EntryCursor> entries_;
  const size_t fails_at_;
  size_t moves_ = 0;
  std::unique_ptr<std::pair<std::string, std::string>> buffer_;
  std::unique_ptr<std::pair<std::string, std::string>> old_buffer_;
  Status status_;
};

}  // namespace aidb::lsm
