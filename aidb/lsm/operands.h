#pragma once

// Operands of merges as entries hold them, and what they make of the entry below.
//
//   versions of a key, new to old     operand  operand  put  (older ones: hidden by the put)
//   what the key holds                  ◄── 3    ◄── 2   1
//
// The value of an entry of kind kMerge is `u8 operator | operand`. It hides nothing: whoever meets
// one goes on to the next older version, down to one that is none, or to nothing.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/kv/merge.h"
#include "aidb/kv/write_batch.h"
#include "aidb/lsm/entry.h"

namespace aidb::lsm {

// Longer ones are folded when they are written, as are those of operators whose values may grow:
// only so does each value stay within the limits of a batch.
inline constexpr size_t kOperandBytesMax = 256;
// So many operands of a key in one memtable at most; the next merge reads, folds and puts. A flush
// or a merge of tables joins what is of one operator, so a table has one where it had so many.
inline constexpr int kMemtableOperandsMax = 8;

// As the value of an entry.
std::string EncodeOperand(kv::MergeOperator op, std::string_view operand);
struct Operand {
  kv::MergeOperator op{};
  std::string_view bytes;
};
// `value` is not empty: memtables and blocks hold no operand without its operator.
Operand OperandIn(std::string_view value);

// What a memtable or a table holds of an operation. Its views are of the operation and of `bytes`,
// which is written to.
Entry EntryOf(const kv::WriteBatch::Operation& operation, Sequence sequence, std::string& bytes);

// The operands of one key on their way to what lies below them.
//
// Thread safety: none.
// Lifetime: a value; copies what it is given.
class OperandChain {
 public:
  // What the value of an entry says; one that is older than all before.
  void Add(std::string_view value) { values_.emplace_back(value); }
  void Clear() { values_.clear(); }
  bool empty() const { return values_.empty(); }

  // What the key holds after all of them, at least one, the oldest first; `base` is what it held
  // before. kInvalidArgument naming the key when the function of an operator is not here.
  Result<std::string> FoldOnto(const kv::Merger& merger, std::string_view key,
                               std::optional<std::string_view> base) const;

 private:
  std::vector<std::string> values_;  // Newest first.
};

}  // namespace aidb::lsm
