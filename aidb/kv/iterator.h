#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/base/status.h"
#include "aidb/kv/keyspace.h"

namespace aidb::kv {

enum class ScanOrder : unsigned char { kForward, kReverse };

// What a backend supplies behind an Iterator: a cursor over visible keys in ascending byte
// order that never leaves [lower, upper). Backends clamp Seek and SeekForPrev to the bounds.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual bool Valid() const = 0;  // Changes by a move alone.
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  virtual void Seek(std::string_view key) = 0;         // First key >= `key`.
  virtual void SeekForPrev(std::string_view key) = 0;  // Last key <= `key`.
  virtual void Next() = 0;                             // Needs Valid().
  virtual void Prev() = 0;                             // Needs Valid().
  virtual std::string_view key() const = 0;            // Needs Valid(); lives until the next move.
  virtual std::string_view value() const = 0;          // Likewise.
  virtual Status status() const = 0;
};

// A walk over the keys of a range at one sequence.
//
// It sees one sequence for life and never leaves its bounds. Past either end Valid() is false and
// status() ok; after an error Valid() is false and status() says why. From both states only a
// Seek (of any kind) leads back. Turning round is legal at any point. With ScanOrder::kReverse
// the walk starts at the last key and Next() goes down; Seek and SeekForPrev mean the same in
// both orders. Seek arguments and bounds may be of any length.
//
// Thread safety: none; one thread at a time.
// Lifetime: may outlive Close and the store. key() and value() stay readable where it stands; the
// next move ends it with kUnavailable.
class Iterator {
 public:
  // `cursor` need not be positioned: the iterator moves to the first key in its order.
  Iterator(std::unique_ptr<Cursor> cursor, ScanOrder order)
      : cursor_(std::move(cursor)), order_(order) {
    SeekToStart();
  }

  // For DB, before it gives the iterator away: shows the keys of `keyspace`, of which it walks over
  // the stored ones.
  void ShowKeysOf(KeyspaceId keyspace) {
    keyspace_ = keyspace;
    hidden_bytes_ = static_cast<uint8_t>(KeyspacePrefix(keyspace).view().size());
  }

  bool Valid() const { return valid_; }
  // First key in this iterator's order.
  void SeekToStart() {
    forward() ? cursor_->SeekToFirst() : cursor_->SeekToLast();
    valid_ = cursor_->Valid();
  }
  // Last key in this iterator's order.
  void SeekToEnd() {
    forward() ? cursor_->SeekToLast() : cursor_->SeekToFirst();
    valid_ = cursor_->Valid();
  }
  // First key >= `key`, clamped to the bounds.
  void Seek(std::string_view key) {
    if (IsStoredOtherwise(key)) {
      cursor_->Seek(StoredKey(keyspace_, key).view());
    } else {
      cursor_->Seek(key);
    }
    valid_ = cursor_->Valid();
  }
  // Last key <= `key`, clamped to the bounds.
  void SeekForPrev(std::string_view key) {
    if (IsStoredOtherwise(key)) {
      cursor_->SeekForPrev(StoredKey(keyspace_, key).view());
    } else {
      cursor_->SeekForPrev(key);
    }
    valid_ = cursor_->Valid();
  }
  void Next() {
    AIDB_CHECK(Valid());
    forward() ? cursor_->Next() : cursor_->Prev();
    valid_ = cursor_->Valid();
  }
  void Prev() {
    AIDB_CHECK(Valid());
    forward() ? cursor_->Prev() : cursor_->Next();
    valid_ = cursor_->Valid();
  }
  // Views live until the next move.
  std::string_view key() const {
    AIDB_CHECK(Valid());
    std::string_view key = cursor_->key();
    // What begins with FF has the prefix in front, in every keyspace.
    if (hidden_bytes_ != 0 && TakesPrefix(key)) key.remove_prefix(hidden_bytes_);
    return key;
  }
  std::string_view value() const {
    AIDB_CHECK(Valid());
    return cursor_->value();
  }
  Status status() const { return cursor_->status(); }

 private:
  bool forward() const { return order_ == ScanOrder::kForward; }
  bool IsStoredOtherwise(std::string_view key) const {
    return hidden_bytes_ != 0 && (keyspace_ != kDefaultKeyspace || TakesPrefix(key));
  }

  std::unique_ptr<Cursor> cursor_;
  ScanOrder order_;
  uint8_t hidden_bytes_ = 0;  // Of a stored key with a prefix; 0: keys are shown as they are.
  KeyspaceId keyspace_ = kDefaultKeyspace;
  bool valid_ = false;  // What the cursor said after its last move: only a move changes it.
};

// Never valid, whatever is sought; its status is `error` (ok: an empty range). For backends: how
// Scan refuses.
Iterator FailedIterator(Status error);

}  // namespace aidb::kv
