#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/kv/types.h"

namespace aidb::kv {

// Operations that become visible together and survive or vanish together. They apply in order:
// the last one on a key wins. Encoded once, as the log stores it (docs/formats/log.md):
//
//   operation:  u8 kind | varint key_len | key
//               | [u64 expires_at_ms]               (put-expiring)
//               | [u8 operator]                     (merge)
//               | [varint value_len | value]        (put, put-expiring, merge)
//               | [varint end_len | end]            (delete-range, whose key is where it begins)
//               | [varint value_len | value]        (note, whose key says of what: IngestNote)
//
// The kinds are those of OpKind; the high bit of the kind byte is reserved for a keyspace id.
// Every batch has exactly one encoding. Building never fails: limits are checked by Validate.
//
// Thread safety: none while it is built; const methods may run concurrently.
class WriteBatch {
 public:
  struct Operation {
    OpKind kind;
    std::string_view key;
    // Empty for a delete; of a merge the operand; of a range delete its end, empty for none.
    std::string_view value;
    uint64_t expires_at_ms = 0;      // Where Expires(kind).
    MergeOperator merge_operator{};  // Of a merge.
  };

  // Reads operations one after the other. Views live as long as the encoded bytes.
  class Reader {
   public:
    explicit Reader(std::string_view operations) : rest_(operations) {}
    // The next operation, nullopt at the end. kCorruption says at which byte decoding failed,
    // kInvalidArgument that a newer version wrote this kind. After an error the reader stays
    // where it is, so the same error comes again.
    Result<std::optional<Operation>> Next();

   private:
    std::string_view rest_;
    size_t offset_ = 0;
  };

  void Put(std::string_view key, std::string_view value);
  // A value that is absent from `expires_at_ms` on: milliseconds since 1970 by the store's wall
  // clock (see Store). One that lies in the past hides what the key held, as a delete does.
  void Put(std::string_view key, std::string_view value, uint64_t expires_at_ms);
  // Changes what the key holds, nothing perhaps, as `op` says (see Store).
  void Merge(std::string_view key, MergeOperator op, std::string_view operand);
  void Delete(std::string_view key);
  // Deletes what the keys in [begin, end) hold; what is written to them later is not affected.
  // Without an end: every key from `begin` on that the store holds when the batch is written, or
  // the batch so far. A range that ends where it begins adds nothing to the batch; one that ends
  // before is refused by Validate.
  void DeleteRange(std::string_view begin, std::optional<std::string_view> end);
  // An operation as a Reader gave it: how what was read from a log or a feed is written again. A
  // batch with a note is refused by Validate: what it tells has to be done, not written.
  void Add(const Operation& operation);
  void Clear();

  uint32_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  // Whether any of the values expires.
  bool has_expiry() const { return has_expiry_; }
  bool has_merge() const { return has_merge_; }
  uint32_t range_deletes() const { return range_deletes_; }
  // Whether a range delete has no end (see CloseRanges).
  bool has_open_range() const { return has_open_range_; }
  // Encoded bytes: what the log will carry, without its record headers.
  size_t size_bytes() const { return operations_.size(); }
  std::string_view operations() const { return operations_; }
  Reader operations_reader() const { return Reader(operations_); }

  // Checks each key against kKeyBytesMax, the count, the whole against `batch_bytes_max`, and that
  // no range ends before it begins. kInvalidArgument with both numbers, or keys; a batch that
  // passes can be written, unless it has so many small operations that the memory of the store
  // cannot hold them at once.
  Status Validate(uint64_t batch_bytes_max) const;

 private:
  // The part that all operations share.
  void Begin(OpKind kind, std::string_view key);

  std::string operations_;
  uint32_t count_ = 0;
  uint64_t longest_key_bytes_ = 0;
  uint32_t range_deletes_ = 0;
  bool has_expiry_ = false;
  bool has_merge_ = false;
  bool has_open_range_ = false;
  bool has_note_ = false;
  std::string backward_range_;  // What Validate says of the first range that ends too early.
};

}  // namespace aidb::kv
