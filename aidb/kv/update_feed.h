#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "aidb/base/clock.h"
#include "aidb/base/result.h"
#include "aidb/kv/types.h"
#include "aidb/kv/write_batch.h"

namespace aidb::kv {

// The most that a feed may fall behind, in bytes of log.
inline constexpr uint64_t kUpdateLagBytesMax = uint64_t{1} << 30;

enum class UpdateLevel : unsigned char {
  // What reads of the store see. A power cut may take the newest of it from the store and not from
  // whoever follows; the sequences are then given to other writes.
  kVisible,
  // What is on the disk. Nothing that this gives is ever taken back.
  kDurable,
};

struct UpdateOptions {
  UpdateLevel level = UpdateLevel::kVisible;
  // How far the feed may fall behind before it is cut off; 1 to kUpdateLagBytesMax.
  uint64_t lag_bytes_max = kUpdateLagBytesMax;
};

// One batch as the store has applied it: a merge as what came of it, or as itself where the store
// keeps operands, instants of expiry as they were written. Written to another store, in order and
// each once, it leaves there what it left here; that store needs the same user's function, if any.
struct Update {
  Sequence first{};
  uint32_t count = 0;                // Operations, and so sequences.
  std::string_view operations = {};  // As WriteBatch encodes them.
  // A DB shows keyspaces and their keys.
  WriteBatch::KeyForm form = WriteBatch::KeyForm::kAsStored;

  Sequence last() const { return first + (count - 1); }
  WriteBatch::Reader reader() const { return WriteBatch::Reader(operations, form); }
};

// What a backend supplies behind Updates.
class UpdateCursor {
 public:
  virtual ~UpdateCursor() = default;
  virtual Result<std::optional<Update>> Next(Duration wait) = 0;
};

// A walk over the history of a store, and on with it as it is written. It ends its part of the log
// being kept when it is destroyed.
//
// Thread safety: none; one thread at a time. Several of them are independent.
// Lifetime: may outlive the store.
class Updates {
 public:
  explicit Updates(std::unique_ptr<UpdateCursor> cursor) : cursor_(std::move(cursor)) {}

  // The next batch, whole; nullopt when there is none yet after waiting so long (0: at once). Its
  // views live until the next call.
  //
  // kResourceExhausted, for good: it fell too far behind and was cut off; the message says where to
  // begin anew. kUnavailable: the store was closed, or has stopped writing, and everything from
  // before was given; or the store was destroyed. In one that has stopped, writes that were on
  // their way may still become visible: call again for those. After kIoError and kCorruption the
  // next call tries the same again.
  Result<std::optional<Update>> Next(Duration wait = Duration{0}) { return cursor_->Next(wait); }

 private:
  std::unique_ptr<UpdateCursor> cursor_;
};

// Tells what is written, batch by batch in the order of sequences, none left out and none twice:
// what replicas, caches and indexes of a store follow.
//
// Thread safety: any thread.
class UpdateFeed {
 public:
  virtual ~UpdateFeed() = default;
  // Every batch with a sequence above `from`: first those that are written, then those to come. A
  // batch that `from` lies inside of is among them.
  //
  // A store keeps of its past what it needs itself, and what a feed that was begun has not taken,
  // up to lag_bytes_max. For the state before that, and for what a feed missed that was cut off,
  // take a checkpoint, or a scan of a snapshot; begin the feed first, and pass over what has no
  // sequence above that state's. What holds more than the disk does, as these may, agrees with a
  // feed of level kDurable after a Sync only.
  //
  // kResourceExhausted when the past from `from` on is not kept any more; the message names the
  // sequence from which on it is. kInvalidArgument when `from` is above the newest sequence: who
  // asks has something that this store never had, or lost in a power cut. kUnavailable in a store
  // opened read-only.
  virtual Result<Updates> UpdatesSince(Sequence from, const UpdateOptions& options) = 0;
};

// For backends: kInvalidArgument naming the option, its value and the allowed range, or `from` and
// the newest sequence.
Status CheckUpdateRequest(Sequence from, Sequence newest, const UpdateOptions& options);

}  // namespace aidb::kv
