#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <rocksdb/db.h>

#include "aidb/base/result.h"
#include "aidb/kv/types.h"

namespace aidb::rocks {

// The second column family: by key, the instant at which the value in the first one expires, as a
// little-endian u64 in milliseconds since 1970. A key that does not expire is not in it.
//
// The first value that expires brings it into being. From then on every operation writes to both,
// here an instant or a deletion, and so takes two of RocksDB's sequences, while ours go on by
// one. The name of the column family says from which sequence on: making it and knowing that
// happen together.
//
//   RocksDB's   1 … from │ from+1 from+2 │ from+3 from+4 │
//   ours        1 … from │     from+1    │     from+2    │
//
// Thread safety: any thread may call any method; Adopt is called once, before others may write.
class ExpiryColumn {
 public:
  static std::string NameFrom(uint64_t sequence);
  // The sequence in a name, or nullopt when it is the name of something else.
  static std::optional<uint64_t> SequenceIn(std::string_view name);

  // Borrows the handle.
  void Adopt(rocksdb::ColumnFamilyHandle* handle, uint64_t from);
  // Null while nothing has ever expired here.
  rocksdb::ColumnFamilyHandle* handle() const { return handle_.load(std::memory_order_acquire); }

  // `rocks` was read from RocksDB before this call.
  kv::Sequence Ours(uint64_t rocks) const;
  // The instant stored in it.
  static Result<uint64_t> Decode(std::string_view value);

 private:
  // Written before handle_, which publishes it.
  uint64_t from_ = 0;
  std::atomic<rocksdb::ColumnFamilyHandle*> handle_{nullptr};
};

}  // namespace aidb::rocks
