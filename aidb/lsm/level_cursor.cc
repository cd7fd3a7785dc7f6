#include "aidb/lsm/level_cursor.h"

#include <algorithm>
#include <utility>

#include "aidb/base/check.h"

namespace aidb::lsm {

LevelCursor::LevelCursor(std::span<const TableBounds> tables, Opener open)
    : tables_(tables), open_(std::move(open)) {}

void LevelCursor::SeekToFirst() {
  status_ = Status();
  valid_ = false;
  if (tables_.empty() || !Open(0)) return;
  cursor_->SeekToFirst();
  ShowForward();
}

void LevelCursor::SeekToLast() {
  status_ = Status();
  valid_ = false;
  if (tables_.empty() || !Open(tables_.size() - 1)) return;
  cursor_->SeekToLast();
  ShowBackward();
}

void LevelCursor::Seek(std::string_view key, Sequence sequence) {
  status_ = Status();
  valid_ = false;
  const auto table = std::ranges::partition_point(
      tables_, [&](const TableBounds& bounds) { return bounds.last_key < key; });
  if (table == tables_.end()) return;
  if (!Open(static_cast<size_t>(table - tables_.begin()))) return;
  cursor_->Seek(key, sequence);
  ShowForward();
}

void LevelCursor::Next() {
  AIDB_CHECK(valid_);
  cursor_->Next();
  ShowForward();
}

void LevelCursor::Prev() {
  AIDB_CHECK(valid_);
  cursor_->Prev();
  ShowBackward();
}

bool LevelCursor::Open(size_t table) {
  if (cursor_ != nullptr && table_ == table) return true;
  cursor_.reset();
  auto cursor = open_(table);
  if (!cursor.ok()) {
    status_ = std::move(cursor).status();
    valid_ = false;
    return false;
  }
  cursor_ = *std::move(cursor);
  table_ = table;
  return true;
}

void LevelCursor::ShowForward() {
  while (!Show() && status_.ok() && table_ + 1 < tables_.size() && Open(table_ + 1)) {
    cursor_->SeekToFirst();
  }
}

void LevelCursor::ShowBackward() {
  while (!Show() && status_.ok() && table_ > 0 && Open(table_ - 1)) cursor_->SeekToLast();
}

// False at an end of the table, or with an error.
bool LevelCursor::Show() {
  valid_ = cursor_->valid();
  if (valid_) {
    entry_ = cursor_->entry();
  } else {
    status_ = cursor_->status();
  }
  return valid_;
}

}  // namespace aidb::lsm
