#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/random.h"
#include "aidb/kv/options.h"
#include "aidb/kv/write_batch.h"

// The arguments of the model test's operations.

namespace aidb::kv {

// One of a few keys, so that operations meet: short ones, long ones with a long common prefix,
// and some made of the bytes at the ends of the order, the empty key among them.
std::string RandomKey(Rng& rng);
// A key, or something just before or behind one.
std::string RandomBound(Rng& rng);
// 0 to 60 bytes, one in 20 up to 2 KB, one in 2,000 up to 100 KB.
std::string RandomValue(Rng& rng);
// Around `now_ms`: one in eight has passed, the others come within half a second.
uint64_t RandomExpiry(Rng& rng, uint64_t now_ms);
// Adds a merge to `batch`: mostly of small numbers and short strings, so that values grow slowly.
void RandomMerge(Rng& rng, const std::string& key, WriteBatch& batch, std::string& text);
// Adds a range delete to `batch`: of a few keys, one in 20 without an end.
void RandomDeleteRange(Rng& rng, WriteBatch& batch, std::string& text);
// 0 to 9 operations; their description is appended to `text`. Without a clock no value expires.
WriteBatch RandomBatch(Rng& rng, std::optional<uint64_t> now_ms, std::string& text);

// 1 to 8 operations as a sorted file has them: range deletes, then keys, ascending.
WriteBatch RandomSorted(Rng& rng, uint64_t now_ms, std::string& text);

// Bounds, prefix and order, each given or not.
struct RandomScan {
  explicit RandomScan(Rng& rng);

  // Lives as long as this.
  ScanOptions Options(const Snapshot* snapshot) const;
  std::string Text() const;

  std::optional<std::string> lower;
  std::optional<std::string> upper;
  std::string prefix;
  ScanOrder order = ScanOrder::kForward;
};

// The first bytes, those that do not print as dots, and the size: "k12"/3.
std::string Show(std::string_view bytes);
// `value` is an optional of something that is bytes.
template <typename Value>
std::string ShowIfAny(const Value& value) {
  return value ? Show(std::string_view(*value)) : "absent";
}

}  // namespace aidb::kv
