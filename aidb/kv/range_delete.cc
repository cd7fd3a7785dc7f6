#include "aidb/kv/range_delete.h"

#include <algorithm>
#include <utility>

namespace aidb::kv {
namespace {

void Append(const WriteBatch::Operation& operation, WriteBatch& to) {
  switch (operation.kind) {
    case OpKind::kDelete:
      return to.Delete(operation.key);
    case OpKind::kPutExpiring:
      return to.Put(operation.key, operation.value, operation.expires_at_ms);
    case OpKind::kMerge:
      return to.Merge(operation.key, operation.merge_operator, operation.value);
    case OpKind::kDeleteRange:
      return to.DeleteRange(operation.key, operation.value);
    default:
      return to.Put(operation.key, operation.value);
  }
}

}  // namespace

std::string NextKey(std::string_view key) {
  std::string next(key);
  if (next.size() < kKeyBytesMax) return next.append(1, '\0');
  // Its extensions are too long to be keys.
  next.resize(next.find_last_not_of('\xFF') + 1);  // Nothing is left of 0xFF alone.
  if (!next.empty()) next.back() = static_cast<char>(static_cast<unsigned char>(next.back()) + 1);
  return next;
}

Result<WriteBatch> CloseRanges(const WriteBatch& batch, uint64_t bytes_max,
                               const ReadLastKey& last_key) {
  AIDB_ASSIGN_OR_RETURN(const std::optional<std::string> stored, last_key());
  std::string last = stored.value_or("");
  WriteBatch closed;
  WriteBatch::Reader operations = batch.operations_reader();
  while (true) {
    AIDB_ASSIGN_OR_RETURN(const std::optional<WriteBatch::Operation> operation, operations.Next());
    if (!operation) return closed;
    const bool open = operation->kind == OpKind::kDeleteRange && operation->value.empty();
    if (open) {
      const std::string end = NextKey(std::max<std::string_view>(last, operation->key));
      if (!end.empty()) {
        closed.DeleteRange(operation->key, end);
      } else {  // The last key that can be is there, and no key ends a range behind it.
        const std::string last_of_all(kKeyBytesMax, '\xFF');
        closed.DeleteRange(operation->key, last_of_all);
        closed.Delete(last_of_all);
      }
    } else {
      Append(*operation, closed);
      if (operation->kind != OpKind::kDeleteRange && operation->key > last) last = operation->key;
    }
    AIDB_RETURN_IF_ERROR(closed.Validate(bytes_max));
  }
}

}  // namespace aidb::kv
