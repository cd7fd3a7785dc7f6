#pragma once

#include <cstdint>
#include <string_view>

#include "aidb/base/status.h"
#include "aidb/kv/types.h"

namespace aidb::lsm {

using kv::OpKind;
using kv::Sequence;

// One version of one key, as memtables and tables hold it.
//
// Internal order: keys ascending in unsigned byte order, versions of a key from the newest
// sequence to the oldest.
struct Entry {
  std::string_view key;
  std::string_view value;  // Empty for a delete.
  Sequence sequence{};
  OpKind kind{};
  uint64_t expires_at_ms = 0;  // Where kv::Expires(kind).
};

// Whether an entry of this kind and expiry holds a value for a reader whose clock says `now_ms`; if
// not, it hides what is older, as a delete does.
constexpr bool HoldsValue(OpKind kind, uint64_t expires_at_ms, uint64_t now_ms) {
  return kind == OpKind::kPut || (kind == OpKind::kPutExpiring && expires_at_ms > now_ms);
}

// A walk over entries in internal order, all versions included. Implementations: memtable,
// block, table, level, merge.
//
// The position is in the base class, so that reading it costs no virtual call. After an error
// valid() is false and status() says why; only a Seek may follow. Turning round is legal.
//
// Thread safety: none; one thread at a time.
class EntryCursor {
 public:
  virtual ~EntryCursor() = default;

  bool valid() const { return valid_; }
  // Needs valid(). Views live until the next move.
  const Entry& entry() const { return entry_; }

  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // The first entry at or behind (key, sequence) in internal order: the newest version of `key`
  // that is not newer than `sequence`, else the first entry of the next key.
  virtual void Seek(std::string_view key, Sequence sequence) = 0;
  virtual void Next() = 0;  // Needs valid().
  virtual void Prev() = 0;  // Needs valid().
  virtual Status status() const = 0;

 protected:
  Entry entry_;
  bool valid_ = false;
};

}  // namespace aidb::lsm
