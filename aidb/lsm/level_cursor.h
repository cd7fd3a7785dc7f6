#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/base/result.h"
#include "aidb/lsm/entry.h"

namespace aidb::lsm {

// Tables as a list of bounds and a function that opens them.
//
// Lifetime: borrows the bounds and the keys in them.
class ListedTables {
 public:
  struct Bounds {
    std::string_view first_key;
    std::string_view last_key;
  };
  // A cursor over table number `table` of the span.
  using Opener = std::function<Result<std::unique_ptr<EntryCursor>>(size_t table)>;
  using Slot = std::unique_ptr<EntryCursor>;

  // `bounds` ascend; all versions of a key are in one table.
  ListedTables(std::span<const Bounds> bounds, Opener open)
      : bounds_(bounds), open_(std::move(open)) {}

  size_t count() const { return bounds_.size(); }
  size_t IndexFor(std::string_view key) const {
    const auto table = std::ranges::partition_point(
        bounds_, [&](const Bounds& bounds) { return bounds.last_key < key; });
    return static_cast<size_t>(table - bounds_.begin());
  }
  Status Open(size_t table, Slot& slot) {
    AIDB_ASSIGN_OR_RETURN(slot, open_(table));
    return {};
  }

 private:
  std::span<const Bounds> bounds_;
  Opener open_;
};

// Walks sorted tables that do not overlap as if they were one. A table is opened when the walk
// reaches it, and only one is open at a time.
//
// `Tables` says which ones, as ListedTables does: count(); IndexFor(key), the first one whose last
// key is not before `key`, else count(); Slot, which points to a cursor or to nothing; Open(i,
// slot). A parameter and not an interface, because a walk over the store makes one of these per
// run each time it is sought: there the slot holds the table's cursor itself.
template <typename Tables>
class LevelCursor final : public EntryCursor {
 public:
  explicit LevelCursor(Tables tables) : tables_(std::move(tables)) {}

  void SeekToFirst() override {
    if (!Begin(0)) return;
    cursor_->SeekToFirst();
    ShowForward();
  }
  void SeekToLast() override {
    if (!Begin(tables_.count() - 1)) return;  // None: wraps, and is no table either.
    cursor_->SeekToLast();
    ShowBackward();
  }
  void Seek(std::string_view key, Sequence sequence) override {
    if (!Begin(tables_.IndexFor(key))) return;
    cursor_->Seek(key, sequence);
    ShowForward();
  }
  void Next() override {
    AIDB_CHECK(valid_);
    cursor_->Next();
    ShowForward();
  }
  void Prev() override {
    AIDB_CHECK(valid_);
    cursor_->Prev();
    ShowBackward();
  }
  Status status() const override { return status_; }

 private:
  // Forgets the walk so far; false when there is no such table or it cannot be opened.
  bool Begin(size_t table) {
    status_ = Status();
    valid_ = false;
    return table < tables_.count() && Open(table);
  }

  bool Open(size_t table) {
    if (cursor_ && table_ == table) return true;
    cursor_.reset();
    status_ = tables_.Open(table, cursor_);
    table_ = table;
    valid_ = false;
    return status_.ok();
  }

  // Take the position of the open table; from its end, go on to the next, or previous, one.
  void ShowForward() {
    while (!Show() && status_.ok() && table_ + 1 < tables_.count() && Open(table_ + 1)) {
      cursor_->SeekToFirst();
    }
  }
  void ShowBackward() {
    while (!Show() && status_.ok() && table_ > 0 && Open(table_ - 1)) cursor_->SeekToLast();
  }
  // False at an end of the table, or with an error.
  bool Show() {
    valid_ = cursor_->valid();
    if (valid_) [[likely]] {
      entry_ = cursor_->entry();
    } else {
      status_ = cursor_->status();
    }
    return valid_;
  }

  Tables tables_;
  size_t table_ = 0;              // Which one `cursor_` walks.
  typename Tables::Slot cursor_;  // Empty before the first Seek and after a failed Open.
  Status status_;
};

}  // namespace aidb::lsm
