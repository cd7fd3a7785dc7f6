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

bool Merger::IsBounded(MergeOperator op) {
  return op == MergeOperator::kAddI64 || op == MergeOperator::kMax || op == MergeOperator::kMin;
}

std::optional<std::string> Merger::Joined(MergeOperator op, std::string_view older,
                                          std::string_view newer) {
  if (op == MergeOperator::kAddI64) return Sum(older, newer);
  if (op == MergeOperator::kMax) return std::string(std::max(older, newer));
  if (op == MergeOperator::kMin) return std::string(std::min(older, newer));
  return std::nullopt;
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
  Fold(const Merger& merger, uint64_t now_ms, uint64_t bytes_max, const ReadNewest& read,
       const StaysOperand& stays)
      : merger_(merger), now_ms_(now_ms), bytes_max_(bytes_max), read_(read), stays_(stays) {}

  // Learns of the operation that will be taken as number `index`.
  void Expect(size_t index, const WriteBatch::Operation& operation) {
    if (operation.kind == OpKind::kMerge) {
      keys_[std::string(operation.key)].last = index;
    } else if (operation.kind == OpKind::kDeleteRange) {
      ForEachIn(operation, [&](Key& key) { key.last = index; });
    } else if (const auto key = keys_.find(operation.key); key != keys_.end()) {
      key->second.last = index;
    }
  }
  Status Take(size_t index, const WriteBatch::Operation& operation) {
    if (operation.kind == OpKind::kDeleteRange) {
      ForEachIn(operation, [](Key& key) {
        key.known = true;
        key.held = {};
      });
      folded_.DeleteRange(operation.key, operation.value);
      return folded_.Validate(bytes_max_);
    }
    const auto merged = keys_.find(operation.key);
    if (merged == keys_.end()) {
      Write(operation.key, ByItself(operation));
      return folded_.Validate(bytes_max_);
    }
    Key& key = merged->second;
    if (operation.kind == OpKind::kMerge) {
      if (!key.known && key.last == index && stays_ && stays_(operation)) {
        folded_.Add(operation);
        return folded_.Validate(bytes_max_);
      }
      AIDB_ASSIGN_OR_RETURN(key.held, Merged(operation, key));
    } else {
      key.held = ByItself(operation);
    }
    key.known = true;
    if (operation.kind == OpKind::kMerge && key.last != index) {
      folded_.Delete(operation.key);  // In its place: what follows in this batch hides it.
    } else {
      Write(operation.key, key.held);
    }
    return folded_.Validate(bytes_max_);
  }
  WriteBatch&& folded() && { return std::move(folded_); }

 private:
  // One that the batch merges.
  struct Key {
    size_t last = 0;     // Number of the last operation on it.
    bool known = false;  // `held` is what it holds after the operations so far.
    Held held;
  };

  // The keys that the batch merges, of those in a range, which has an end.
  template <typename Visit>
  void ForEachIn(const WriteBatch::Operation& range, const Visit& visit) {
    for (auto key = keys_.lower_bound(range.key); key != keys_.end() && key->first < range.value;
         ++key) {
      visit(key->second);
    }
  }
  static Held ByItself(const WriteBatch::Operation& operation) {
    Held held;
    if (operation.kind == OpKind::kDelete) return held;
    held.there = true;
    held.bytes = operation.value;
    if (Expires(operation.kind)) held.expires_at_ms = operation.expires_at_ms;
    return held;
  }
  void Write(std::string_view key, const Held& held) {
    if (!held.there) {
      folded_.Delete(key);
    } else if (held.expires_at_ms) {
      folded_.Put(key, held.bytes, *held.expires_at_ms);
    } else {
      folded_.Put(key, held.bytes);
    }
  }
  Result<Held> HeldBefore(std::string_view name, Key& key) const {
    Held held;
    if (key.known) {
      held = std::move(key.held);
    } else {
      AIDB_ASSIGN_OR_RETURN(std::optional<PinnedValue> value, read_(name));
      held.there = value.has_value();
      if (value) held.expires_at_ms = value->expires_at_ms();
      if (value) held.bytes = std::move(*value).ToString();
    }
    if (held.expires_at_ms && *held.expires_at_ms <= now_ms_) held = {};
    return held;
  }
  Result<Held> Merged(const WriteBatch::Operation& operation, Key& key) const {
    AIDB_ASSIGN_OR_RETURN(Held held, HeldBefore(operation.key, key));
    std::optional<std::string_view> value;
    if (held.there) value = held.bytes;
    AIDB_ASSIGN_OR_RETURN(
        held.bytes, merger_.Apply(operation.merge_operator, operation.key, value, operation.value));
    held.there = true;
    return held;
  }

  const Merger& merger_;
  const uint64_t now_ms_;
  const uint64_t bytes_max_;
  const ReadNewest& read_;
  const StaysOperand& stays_;
  std::map<std::string, Key, std::less<>> keys_;
  WriteBatch folded_;
};

// Calls `visit(index, operation)` for each operation.
template <typename Visit>
Status ForEach(const WriteBatch& batch, const Visit& visit) {
  WriteBatch::Reader operations = batch.operations_reader();
  for (size_t index = 0;; ++index) {
    AIDB_ASSIGN_OR_RETURN(const std::optional<WriteBatch::Operation> operation, operations.Next());
    if (!operation) return {};
    AIDB_RETURN_IF_ERROR(visit(index, *operation));
  }
}

}  // namespace

Result<WriteBatch> FoldMerges(const WriteBatch& batch, const Merger& merger, uint64_t now_ms,
                              uint64_t bytes_max, const ReadNewest& read,
                              const StaysOperand& stays) {
  Fold fold(merger, now_ms, bytes_max, read, stays);
  AIDB_RETURN_IF_ERROR(ForEach(batch, [&](size_t index, const WriteBatch::Operation& operation) {
    fold.Expect(index, operation);
    return Status();
  }));
  AIDB_RETURN_IF_ERROR(ForEach(batch, [&](size_t index, const WriteBatch::Operation& operation) {
    return fold.Take(index, operation);
  }));
  return std::move(fold).folded();
}

}  // namespace aidb::kv
