#include "aidb/lsm/pending_operands.h"

#include <string_view>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/lsm/operands.h"

namespace aidb::lsm {

void PendingOperands::Add(const Entry& operand) {
  ++entries_;
  if (left_.empty()) {
    key_ = operand.key;
  } else {
    AIDB_CHECK(operand.key == key_);
    const lsm::Operand newer = OperandIn(left_.back().value);
    const lsm::Operand older = OperandIn(operand.value);
    const auto joined = newer.op == older.op
                            ? kv::Merger::Joined(newer.op, older.bytes, newer.bytes)
                            : std::nullopt;
    if (joined) {
      bytes_ -= left_.back().value.size();
      left_.back().value = EncodeOperand(newer.op, *joined);
      bytes_ += left_.back().value.size();
      return;
    }
  }
  left_.push_back({operand.sequence, std::string(operand.value)});
  bytes_ += operand.value.size();
}

std::optional<Entry> PendingOperands::FoldedOnto(const kv::Merger& merger, const Entry* base) {
  OperandChain chain;
  for (const Operand& operand : left_) chain.Add(operand.value);
  const bool holds = base != nullptr && base->kind != OpKind::kDelete;
  auto folded = chain.FoldOnto(merger, key_, holds ? std::optional(base->value) : std::nullopt);
  if (!folded.ok()) return std::nullopt;
  folded_ = *std::move(folded);
  Entry entry{
      .key = key_, .value = folded_, .sequence = left_.front().sequence, .kind = OpKind::kPut};
  if (holds && kv::Expires(base->kind)) {
    entry.kind = base->kind;
    entry.expires_at_ms = base->expires_at_ms;
  }
  return entry;
}

std::vector<Entry> PendingOperands::Left() const {
  std::vector<Entry> entries;
  for (const Operand& operand : left_) {
    entries.push_back({.key = key_,
                       .value = operand.value,
                       .sequence = operand.sequence,
                       .kind = OpKind::kMerge});
  }
  return entries;
}

void PendingOperands::Clear() {
  left_.clear();
  entries_ = 0;
  bytes_ = 0;
}

}  // namespace aidb::lsm
