#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/kv/write_batch.h"

namespace aidb::kv {

// The first key behind `key`: no key, of at most kKeyBytesMax, lies between. Empty when there is
// none, which is so for one key alone: kKeyBytesMax times 0xFF.
std::string NextKey(std::string_view key);

// A key that no key in the newest state of a store lies behind; nullopt for an empty store.
using ReadLastKey = std::function<Result<std::optional<std::string>>()>;

// `batch` with an end for each range delete that has none: behind the last key of the store, and
// of the operations in front of it. So stores write ranges with two ends only: a table, for one,
// must know its last key. The caller holds off other writes until the result is written. Errors
// of `last_key`; kInvalidArgument as soon as more than `bytes_max` come out.
Result<WriteBatch> CloseRanges(const WriteBatch& batch, uint64_t bytes_max,
                               const ReadLastKey& last_key);

}  // namespace aidb::kv
