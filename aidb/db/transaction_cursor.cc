#include "aidb/db/transaction_cursor.h"

#include <utility>

namespace aidb {

OwnCursor::OwnCursor(std::shared_ptr<const OwnWrites> writes, kv::ScanRange range)
    : writes_(std::move(writes)),
      range_(std::move(range)),
      first_(writes_->lower_bound(range_.lower)),
      end_(range_.upper ? writes_->lower_bound(*range_.upper) : writes_->end()),
      at_(end_) {
  if (range_.empty()) first_ = end_;
}

void OwnCursor::Stand(Position at) {
  at_ = at;
  valid_ = at_ != end_;
}

void OwnCursor::StandBefore(Position at) {
  valid_ = at != first_;
  at_ = valid_ ? std::prev(at) : end_;
}

OwnCursor::Position OwnCursor::Clamp(Position at, std::string_view key) const {
  if (first_ == end_ || key < range_.lower) return first_;
  return range_.upper && key >= *range_.upper ? end_ : at;
}

void OwnCursor::Seek(std::string_view key) { Stand(Clamp(writes_->lower_bound(key), key)); }

void OwnCursor::SeekForPrev(std::string_view key) {
  StandBefore(Clamp(writes_->upper_bound(key), key));
}

void TransactionCursor::SeekToFirst() {
  stored_.SeekToStart();
  own_.SeekToFirst();
  Settle(Direction::kUp);
}

void TransactionCursor::SeekToLast() {
  stored_.SeekToEnd();
  own_.SeekToLast();
  Settle(Direction::kDown);
}

void TransactionCursor::Seek(std::string_view key) {
  stored_.Seek(key);
  own_.Seek(key);
  Settle(Direction::kUp);
}

void TransactionCursor::SeekForPrev(std::string_view key) {
  stored_.SeekForPrev(key);
  own_.SeekForPrev(key);
  Settle(Direction::kDown);
}

void TransactionCursor::Move(Direction direction) {
  if (direction != direction_) {
    // Both walks come back to the current key, which is still there: nothing they see changes.
    const std::string here(key());
    direction == Direction::kUp ? Seek(here) : SeekForPrev(here);
    if (!Valid()) return;  // The store failed.
  }
  const bool step_stored = source_ == Source::kStored || BothAtOneKey();
  if (source_ == Source::kOwn) StepOwn();
  if (step_stored) StepStored();
  Settle(direction);
}

bool TransactionCursor::BothAtOneKey() const {
  return stored_.Valid() && own_.Valid() && stored_.key() == own_.key();
}

void TransactionCursor::Settle(Direction direction) {
  direction_ = direction;
  while (stored_.Valid() || (own_.Valid() && stored_.status().ok())) {
    const bool stored_is_nearer =
        !own_.Valid() ||
        (stored_.Valid() &&
         (direction == Direction::kUp ? stored_.key() < own_.key() : stored_.key() > own_.key()));
    if (stored_is_nearer || own_.value()) {
      source_ = stored_is_nearer ? Source::kStored : Source::kOwn;
      return;
    }
    if (BothAtOneKey()) StepStored();
    StepOwn();
  }
  source_ = Source::kNone;
}

}  // namespace aidb
