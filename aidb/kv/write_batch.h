#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/kv/keyspace.h"
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
// The kinds are those of OpKind; the high bit of the kind byte is reserved.
// Every batch has exactly one encoding. Building never fails: limits are checked by Validate.
//
// An operation may name a keyspace of the DB that the batch is then written to; a Store refuses
// none, and takes for keys what a DB stores of them.
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
    KeyspaceId keyspace{};           // Of a DB's feed; of the catalogue the keys are names.
  };

  enum class KeyForm : unsigned char {
    kAsStored,
    kOfKeyspaces,  // As a DB shows them: what it stores is taken apart.
  };

  // Reads operations one after the other. Views live as long as the encoded bytes.
  class Reader {
   public:
    explicit Reader(std::string_view operations, KeyForm form = KeyForm::kAsStored)
        : rest_(operations), form_(form) {}
    // The next operation, nullopt at the end. kCorruption says at which byte decoding failed,
    // kInvalidArgument that a newer version wrote this kind. After an error the reader stays
    // where it is, so the same error comes again.
    Result<std::optional<Operation>> Next();
    // Where the next operation begins.
    size_t offset() const { return offset_; }

   private:
    // Turns what is stored into what the user knows.
    Status Show(Operation& operation) const;

    std::string_view rest_;
    size_t offset_ = 0;
    KeyForm form_;
  };

  WriteBatch() = default;
  // Operations that name no keyspace go to `keyspace`, which outlives the batch; null: the default.
  explicit WriteBatch(const Keyspace* keyspace) : usual_(keyspace) {}

  void Put(std::string_view key, std::string_view value, const Keyspace* keyspace = nullptr);
  // A value that is absent from `expires_at_ms` on: milliseconds since 1970 by the store's wall
  // clock (see Store). One that lies in the past hides what the key held, as a delete does.
  void Put(std::string_view key, std::string_view value, uint64_t expires_at_ms,
           const Keyspace* keyspace = nullptr);
  // Changes what the key holds, nothing perhaps, as `op` says (see Store).
  void Merge(std::string_view key, MergeOperator op, std::string_view operand,
             const Keyspace* keyspace = nullptr);
  void Delete(std::string_view key, const Keyspace* keyspace = nullptr);
  // Deletes what the keys in [begin, end) hold; what is written to them later is not affected.
  // Without an end: every key from `begin` on that the store holds when the batch is written, or
  // the batch so far. A range that ends where it begins adds nothing to the batch; one that ends
  // before is refused by Validate.
  void DeleteRange(std::string_view begin, std::optional<std::string_view> end,
                   const Keyspace* keyspace = nullptr);
  // An operation as a Reader gave it: how what was read from a log or a feed is written again. One
  // of a keyspace goes to that of its number, as in a store which follows the one it was read of. A
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

  // The keyspaces named, each once or more.
  const std::vector<Keyspace>& keyspaces() const { return keyspaces_; }
  // The one of the constructor, or null.
  const Keyspace* usual_keyspace() const { return usual_; }
  // Whether it names no keyspace, and a DB stores its keys as they are.
  bool is_stored() const {
    return plain_.empty() && keyspaces_.empty() && usual_ == nullptr && !added_keyspaces_;
  }
  // Whether operations were added that a feed told of keyspaces, or of the catalogue.
  bool has_added_keyspaces() const { return added_keyspaces_; }
  bool has_added_catalogue() const { return added_catalogue_; }
  // The batch with the keys of the default keyspace as a DB stores them, and an end for its range
  // deletes that have none. kInvalidArgument for a key that is too long then.
  Result<WriteBatch> AsStored() &&;

  // Checks each key against its limit, the count, the whole against `batch_bytes_max`, and that
  // no range ends before it begins. kInvalidArgument with both numbers, or keys; a batch that
  // passes can be written, unless it has so many small operations that the memory of the store
  // cannot hold them at once.
  Status Validate(uint64_t batch_bytes_max) const;

 private:
  // The part that all operations share.
  void Begin(OpKind kind, std::string_view key, const Keyspace* keyspace);
  // Likewise, of a key that is stored behind `prefix`.
  void BeginStored(OpKind kind, const KeyspacePrefix& prefix, std::string_view key);
  void Note(const Keyspace& keyspace);
  void AddToKeyspace(const Operation& operation);
  void RefuseBackward(std::string_view begin, std::string_view end);
  // Ends a put.
  void AppendValue(std::string_view value);

  std::string operations_;
  uint32_t count_ = 0;
  uint64_t longest_key_bytes_ = 0;
  uint32_t range_deletes_ = 0;
  bool has_expiry_ = false;
  bool has_merge_ = false;
  bool has_open_range_ = false;
  bool has_note_ = false;
  // What Validate says of the first range that ends too early, or key that is too long with its
  // prefix.
  std::string refused_;
  const Keyspace* usual_ = nullptr;  // Where those go that name none.
  std::vector<Keyspace> keyspaces_;
  // Where operations of the default keyspace begin whose keys a DB stores otherwise.
  std::vector<size_t> plain_;
  bool added_keyspaces_ = false;
  bool added_catalogue_ = false;
};

}  // namespace aidb::kv
