#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/kv/pinned_value.h"
#include "aidb/kv/types.h"
#include "aidb/kv/write_batch.h"

namespace aidb::kv {

// The operators of a user, from kUserMergeMin on; a collaborator of Open, not an option. Called
// while the store holds off other writes: it must not call the store.
//
// Thread safety: const methods run concurrently. Deterministic: the same arguments, the same
// answer, in every process that opens the store.
class MergeFunction {
 public:
  virtual ~MergeFunction() = default;
  // What `key` holds after `operand`; `value` is what it held, nullopt for nothing. Total: every
  // input has an answer.
  virtual std::string Merge(MergeOperator op, std::string_view key,
                            std::optional<std::string_view> value,
                            std::string_view operand) const = 0;
};

// Applies operands.
//
// Thread safety: any thread may call any method.
// Lifetime: a value; borrows the user's function.
class Merger {
 public:
  // `user` may be null: operators from kUserMergeMin on are then refused.
  explicit Merger(const MergeFunction* user = nullptr) : user_(user) {}

  // kInvalidArgument when nobody here can apply it.
  Status Check(MergeOperator op) const;
  // The value after `operand`.
  Result<std::string> Apply(MergeOperator op, std::string_view key,
                            std::optional<std::string_view> value, std::string_view operand) const;
  // Whether what it makes is never longer than the longest of value, operand and a number.
  static bool IsBounded(MergeOperator op);
  // The operand that does what `older` and then `newer` do, whatever they meet; nullopt where `op`
  // has none.
  static std::optional<std::string> Joined(MergeOperator op, std::string_view older,
                                           std::string_view newer);

 private:
  const MergeFunction* user_;
};

// The value of a key as the newest state of a store has it at the time of the fold.
using ReadNewest = std::function<Result<std::optional<PinnedValue>>(std::string_view key)>;
// Whether a merge is written as it is. Asked of one whose key nothing else in its batch touches.
using StaysOperand = std::function<bool(const WriteBatch::Operation& merge)>;

// `batch` with a put in the place of each merge: of what the key then holds, operations of the
// batch in front of it included. A value that expires keeps its instant; from one that has expired
// by `now_ms`, as from nothing, the fold starts anew. A merge that a later operation of the batch
// hides leaves a delete in its place: what comes out is as large as what the keys hold at the end.
// Range deletes of it have ends (CloseRanges). The caller holds off other writes until the result
// is written. A merge for which `stays` says so is in the result as itself, and its key is not
// read. kInvalidArgument for an operator that `merger` does not know, and as soon as more than
// `bytes_max` come out; errors of `read`.
Result<WriteBatch> FoldMerges(const WriteBatch& batch, const Merger& merger, uint64_t now_ms,
                              uint64_t bytes_max, const ReadNewest& read,
                              const StaysOperand& stays = {});

}  // namespace aidb::kv
