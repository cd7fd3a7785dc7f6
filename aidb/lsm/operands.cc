#include "aidb/lsm/operands.h"

#include <utility>

#include "aidb/base/check.h"
#include "aidb/base/escape.h"

namespace aidb::lsm {
namespace {

constexpr size_t kKeyBytesShown = 64;

}  // namespace

std::string EncodeOperand(kv::MergeOperator op, std::string_view operand) {
  std::string value(1, static_cast<char>(op));
  value += operand;
  return value;
}

Operand OperandIn(std::string_view value) {
  AIDB_CHECK(!value.empty());
  return {static_cast<kv::MergeOperator>(static_cast<uint8_t>(value.front())), value.substr(1)};
}

Entry EntryOf(const kv::WriteBatch::Operation& operation, Sequence sequence, std::string& bytes) {
  Entry entry{.key = operation.key,
              .value = operation.value,
              .sequence = sequence,
              .kind = operation.kind,
              .expires_at_ms = operation.expires_at_ms};
  if (operation.kind == OpKind::kMerge) {
    bytes.assign(1, static_cast<char>(operation.merge_operator)).append(operation.value);
    entry.value = bytes;
  }
  return entry;
}

Result<std::string> OperandChain::FoldOnto(const kv::Merger& merger, std::string_view key,
                                           std::optional<std::string_view> base) const {
  std::string held;
  for (auto value = values_.rbegin(); value != values_.rend(); ++value) {
    const Operand operand = OperandIn(*value);
    auto made = merger.Apply(operand.op, key, base, operand.bytes);
    if (!made.ok()) {
      return std::move(made).status().Annotate("key \"" + EscapeForMessage(key, kKeyBytesShown) +
                                               "\"");
    }
    held = *std::move(made);
    base = held;
  }
  return held;
}

}  // namespace aidb::lsm
