#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/kv/iterator.h"
#include "aidb/kv/options.h"

namespace aidb {

// A value that a transaction has put; one that expires does so after its Begin.
struct OwnWrite {
  std::string bytes;
  std::optional<uint64_t> expires_at_ms;
};
// What it has written: the last value of each key, absent where it deleted it.
using OwnWrites = std::map<std::string, std::optional<OwnWrite>, std::less<>>;

// Walks own writes within a range, deletions included.
//
// Thread safety: none.
class OwnCursor {
 public:
  OwnCursor(std::shared_ptr<const OwnWrites> writes, kv::ScanRange range);

  bool Valid() const { return valid_; }
  void SeekToFirst() { Stand(first_); }
  void SeekToLast() { StandBefore(end_); }
  void Seek(std::string_view key);         // First >= `key`.
  void SeekForPrev(std::string_view key);  // Last <= `key`.
  void Next() { Stand(std::next(at_)); }
  void Prev() { StandBefore(at_); }
  std::string_view key() const { return at_->first; }
  const std::optional<OwnWrite>& value() const { return at_->second; }

 private:
  using Position = OwnWrites::const_iterator;

  void Stand(Position at);
  void StandBefore(Position at);
  // `at` moved into [first_, end_], given that it stands at or around `key`.
  Position Clamp(Position at, std::string_view key) const;

  std::shared_ptr<const OwnWrites> writes_;
  kv::ScanRange range_;
  Position first_;  // Of the range.
  Position end_;
  Position at_;
  bool valid_ = false;
};

// Merges a walk over a store with own writes over the same range: an own write hides what the
// store has for its key, an own deletion hides it without taking its place.
//
// Both walks stand at or beyond the current key in the direction of the last move; turning round
// places them again.
//
// Thread safety: none.
class TransactionCursor final : public kv::Cursor {
 public:
  // `stored` walks the same range in ascending order.
  TransactionCursor(kv::Iterator stored, OwnCursor own)
      : stored_(std::move(stored)), own_(std::move(own)) {}

  bool Valid() const override { return source_ != Source::kNone; }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view key) override;
  void SeekForPrev(std::string_view key) override;
  void Next() override { Move(Direction::kUp); }
  void Prev() override { Move(Direction::kDown); }
  std::string_view key() const override {
    return source_ == Source::kOwn ? own_.key() : stored_.key();
  }
  std::string_view value() const override {
    return source_ == Source::kOwn ? std::string_view(own_.value()->bytes) : stored_.value();
  }
  Status status() const override { return stored_.status(); }

 private:
  enum class Source : unsigned char { kNone, kStored, kOwn };
  enum class Direction : unsigned char { kUp, kDown };

  void Move(Direction direction);
  void StepStored() { direction_ == Direction::kUp ? stored_.Next() : stored_.Prev(); }
  void StepOwn() { direction_ == Direction::kUp ? own_.Next() : own_.Prev(); }
  bool BothAtOneKey() const;
  // Chooses the source of the nearest visible key from where both walks stand.
  void Settle(Direction direction);

  kv::Iterator stored_;
  OwnCursor own_;
  Direction direction_ = Direction::kUp;
  Source source_ = Source::kNone;
};

}  // namespace aidb
