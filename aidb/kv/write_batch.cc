#include "aidb/kv/write_batch.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/base/escape.h"

namespace aidb::kv {
namespace {

// The high bit of the kind announces a keyspace id, which this version does not know.
constexpr uint8_t kKeyspaceBit = 0x80;

std::string At(size_t offset) { return "batch operation at byte " + std::to_string(offset) + ": "; }

Status CheckKind(uint8_t kind, size_t offset) {
  switch (static_cast<OpKind>(kind)) {
    case OpKind::kPut:
    case OpKind::kDelete:
    case OpKind::kPutExpiring:
    case OpKind::kMerge:
    case OpKind::kDeleteRange:
    case OpKind::kNote:
      return {};
    default:
      break;
  }
  if (kind == 0) return Corruption(At(offset) + "kind 0 is never written");
  if ((kind & kKeyspaceBit) != 0) {
    return InvalidArgument(At(offset) + "kind " + std::to_string(kind) +
                           " names a keyspace: a newer version wrote it");
  }
  return InvalidArgument(At(offset) + "unknown kind " + std::to_string(kind) +
                         ": a newer version wrote it");
}

Status CheckEnd(const WriteBatch::Operation& range, size_t offset) {
  if (range.value.size() > kKeyBytesMax) {
    return Corruption(At(offset) + "a range end of " + std::to_string(range.value.size()) +
                      " bytes; at most " + std::to_string(kKeyBytesMax) + " are ever written");
  }
  if (!range.value.empty() && range.key >= range.value) {
    return Corruption(At(offset) + "a range that ends where it begins, or before");
  }
  return {};
}

}  // namespace

Result<std::optional<WriteBatch::Operation>> WriteBatch::Reader::Next() {
  if (rest_.empty()) return std::optional<Operation>();
  ByteReader reader(rest_);
  const uint8_t kind = *reader.Le<uint8_t>();
  AIDB_RETURN_IF_ERROR(CheckKind(kind, offset_));

  Operation operation{.kind = static_cast<OpKind>(kind), .key = {}, .value = {}};
  const std::optional<std::string_view> key = reader.LengthPrefixed();
  if (!key) return Corruption(At(offset_) + "the key does not fit in what is left");
  if (key->size() > kKeyBytesMax) {
    return Corruption(At(offset_) + "a key of " + std::to_string(key->size()) + " bytes; at most " +
                      std::to_string(kKeyBytesMax) + " are ever written");
  }
  operation.key = *key;
  if (Expires(operation.kind)) {
    const std::optional<uint64_t> expires_at_ms = reader.Le<uint64_t>();
    if (!expires_at_ms) return Corruption(At(offset_) + "the expiry does not fit in what is left");
    operation.expires_at_ms = *expires_at_ms;
  }
  if (operation.kind == OpKind::kMerge) {
    const std::optional<uint8_t> op = reader.Le<uint8_t>();
    if (!op) return Corruption(At(offset_) + "the operator does not fit in what is left");
    operation.merge_operator = MergeOperator{*op};
    if (!IsBuiltIn(operation.merge_operator) && !IsUsers(operation.merge_operator)) {
      return InvalidArgument(At(offset_) + "unknown merge operator " + std::to_string(*op) +
                             ": a newer version wrote it");
    }
  }
  if (operation.kind != OpKind::kDelete) {
    const std::optional<std::string_view> value = reader.LengthPrefixed();
    if (!value) return Corruption(At(offset_) + "the value does not fit in what is left");
    operation.value = *value;
  }
  if (operation.kind == OpKind::kDeleteRange) AIDB_RETURN_IF_ERROR(CheckEnd(operation, offset_));
  offset_ += reader.position();
  rest_ = reader.rest();
  return std::optional(operation);
}

void WriteBatch::Begin(OpKind kind, std::string_view key) {
  operations_.push_back(static_cast<char>(kind));
  AppendLengthPrefixed(operations_, key);
  longest_key_bytes_ = std::max<uint64_t>(longest_key_bytes_, key.size());
  // Saturates: a count above kBatchOperationsMax is refused by Validate whatever it is.
  if (count_ != std::numeric_limits<uint32_t>::max()) ++count_;
}

void WriteBatch::Put(std::string_view key, std::string_view value) {
  Begin(OpKind::kPut, key);
  AppendLengthPrefixed(operations_, value);
}

void WriteBatch::Put(std::string_view key, std::string_view value, uint64_t expires_at_ms) {
  Begin(OpKind::kPutExpiring, key);
  AppendLe(operations_, expires_at_ms);
  AppendLengthPrefixed(operations_, value);
  has_expiry_ = true;
}

void WriteBatch::Merge(std::string_view key, MergeOperator op, std::string_view operand) {
  AIDB_CHECK(IsBuiltIn(op) || IsUsers(op));
  Begin(OpKind::kMerge, key);
  operations_.push_back(static_cast<char>(op));
  AppendLengthPrefixed(operations_, operand);
  has_merge_ = true;
}

void WriteBatch::Delete(std::string_view key) { Begin(OpKind::kDelete, key); }

void WriteBatch::DeleteRange(std::string_view begin, std::optional<std::string_view> end) {
  if (end && begin > *end) {
    constexpr size_t kShown = 48;
    if (backward_range_.empty()) {
      backward_range_ = "a range delete that begins at \"" + EscapeForMessage(begin, kShown) +
                        "\" ends before that, at \"" + EscapeForMessage(*end, kShown) + "\"";
    }
    return;
  }
  if (end && begin == *end) return;
  Begin(OpKind::kDeleteRange, begin);
  AppendLengthPrefixed(operations_, end.value_or(""));
  longest_key_bytes_ = std::max<uint64_t>(longest_key_bytes_, end.value_or("").size());
  if (!end) has_open_range_ = true;
  ++range_deletes_;
}

void WriteBatch::Add(const Operation& operation) {
  switch (operation.kind) {
    case OpKind::kPut:
      return Put(operation.key, operation.value);
    case OpKind::kPutExpiring:
      return Put(operation.key, operation.value, operation.expires_at_ms);
    case OpKind::kDelete:
      return Delete(operation.key);
    case OpKind::kDeleteRange: {
      const bool open = operation.value.empty();
      return DeleteRange(operation.key, open ? std::nullopt : std::optional(operation.value));
    }
    case OpKind::kMerge:
      return Merge(operation.key, operation.merge_operator, operation.value);
    case OpKind::kNote:
      Begin(OpKind::kNote, operation.key);
      AppendLengthPrefixed(operations_, operation.value);
      has_note_ = true;
      return;
    default:
      AIDB_CHECK(false);  // A Reader gives none of the others.
  }
}

void WriteBatch::Clear() {
  std::string kept = std::move(operations_);  // Its memory.
  kept.clear();
  *this = WriteBatch();
  operations_ = std::move(kept);
}

Status WriteBatch::Validate(uint64_t batch_bytes_max) const {
  if (!backward_range_.empty()) return InvalidArgument(backward_range_);
  if (has_note_) {
    return InvalidArgument(
        "a note of an ingest, which a feed told, is no write: ingest the files that it names");
  }
  if (longest_key_bytes_ > kKeyBytesMax) {
    return InvalidArgument("a key of " + std::to_string(longest_key_bytes_) + " bytes; at most " +
                           std::to_string(kKeyBytesMax) + " are allowed");
  }
  if (count_ > kBatchOperationsMax) {
    return InvalidArgument("a batch of " + std::to_string(count_) + " operations; at most " +
                           std::to_string(kBatchOperationsMax) + " are allowed");
  }
  if (size_bytes() > batch_bytes_max) {
    return InvalidArgument("a batch of " + std::to_string(size_bytes()) +
                           " bytes; batch_bytes_max allows " + std::to_string(batch_bytes_max));
  }
  return {};
}

}  // namespace aidb::kv
