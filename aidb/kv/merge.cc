#include "aidb/kv/merge.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <utility>

namespace aidb::kv {
namespace {

// A whole decimal number in the range of int64; anything else is 0.
uint64_t NumberIn(std::string_view bytes) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), number);
  if (error != std::errc{} || end != bytes.data() + bytes.size()) return 0;
  return static_cast<uint64_t>(number);
}

// Wraps round, which keeps addition associative.
std::string Sum(std::string_view a, std::string_view b) {
  return std::to_string(static_cast<int64_t>(NumberIn(a) + NumberIn(b)));
}

}  // namespace

Status Merger::Check(MergeOperator op) const {
  if (IsBuiltIn(op) || (IsUsers(op) && user_ != nullptr)) return {};
  const std::string name = "merge operator " + std::to_string(static_cast<unsigned>(op));
  if (!IsUsers(op)) return InvalidArgument(name + " is not known here; a newer version has it");
  return InvalidArgument(name + " is the user's: open the store with its merge function");
}

Result<std::string> Merger::Apply(MergeOperator op, std::string_view key,
                                  std::optional<std::string_view> value,
                                  std::string_view operand) const {
  AIDB_RETURN_IF_ERROR(Check(op));
  switch (op) {
    case MergeOperator::kAddI64:
      return Sum(value.value_or(""), operand);
    case MergeOperator::kAppend:
      return std::string(value.value_or("")).append(operand);
    case MergeOperator::kMax:
      return std::string(value ? std::max(*value, operand) : operand);
    case MergeOperator::kMin:
      return std::string(value ? std::min(*value, operand) : operand);
  }
  return user_->Merge(op, key, value, operand);
}

namespace {

// What a key holds.
struct Held {
  bool there = false;
  std::string bytes = {};
  std::optional<uint64_t> expires_at_ms = std::nullopt;
};

class Fold {
 public:
  Fold(const Merger& merger, uint64_t now_ms, const ReadNewest& read)
      : merger_(merger), now_ms_(now_ms), read_(read) {}

  Status Take(const WriteBatch::Operation& operation) {
    Held held;
    if (operation.kind == OpKind::kMerge) {
      AIDB_ASSIGN_OR_RETURN(held, Merged(operation));
    } else if (operation.kind != OpKind::kDelete) {
      held.there = true;
      held.bytes = operation.value;
      if (Expires(operation.kind)) held.expires_at_ms = operation.expires_at_ms;
    }
    if (!held.there) {
      folded_.Delete(operation.key);
    } else if (held.expires_at_ms) {
      folded_.Put(operation.key, held.bytes, *held.expires_at_ms);
    } else {
      folded_.Put(operation.key, held.bytes);
    }
    keys_.insert_or_assign(std::string(operation.key), std::move(held));
    return {};
  }
  WriteBatch&& folded() && { return std::move(folded_); }

 private:
  Result<Held> HeldBy(std::string_view key) const {
    Held held;
    if (const auto known = keys_.find(key); known != keys_.end()) {
      held = known->second;
    } else {
      AIDB_ASSIGN_OR_RETURN(std::optional<PinnedValue> value, read_(key));
      held.there = value.has_value();
      if (value) held.expires_at_ms = value->expires_at_ms();
      if (value) held.bytes = std::move(*value).ToString();
    }
    if (held.expires_at_ms && *held.expires_at_ms <= now_ms_) held = {};
    return held;
  }
  Result<Held> Merged(const WriteBatch::Operation& operation) const {
    AIDB_ASSIGN_OR_RETURN(Held held, HeldBy(operation.key));
    std::optional<std::string_view> value;
    if (held.there) value = held.bytes;
    AIDB_ASSIGN_OR_RETURN(
        held.bytes, merger_.Apply(operation.merge_operator, operation.key, value, operation.value));
    held.there = true;
    return held;
  }

  const Merger& merger_;
  const uint64_t now_ms_;
  const ReadNewest& read_;
  // After the operations so far; only keys that the batch names.
  std::map<std::string, Held, std::less<>> keys_;
  WriteBatch folded_;
};

}  // namespace

Result<WriteBatch> FoldMerges(const WriteBatch& batch, const Merger& merger, uint64_t now_ms,
                              const ReadNewest& read) {
  Fold fold(merger, now_ms, read);
  WriteBatch::Reader operations = batch.operations_reader();
  while (true) {
    AIDB_ASSIGN_OR_RETURN(const std::optional<WriteBatch::Operation> operation, operations.Next());
    if (!operation) return std::move(fold).folded();
    AIDB_RETURN_IF_ERROR(fold.Take(*operation));
  }
}

}  // namespace aidb::kv
