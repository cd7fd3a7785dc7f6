#include "aidb/kv/write_batch.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/base/escape.h"

namespace aidb::kv {
namespace {

// Reserved.
constexpr uint8_t kHighBit = 0x80;

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
  if ((kind & kHighBit) != 0) {
    return InvalidArgument(At(offset) + "kind " + std::to_string(kind) +
                           " has the reserved bit: a newer version wrote it");
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
  if (form_ == KeyForm::kOfKeyspaces) AIDB_RETURN_IF_ERROR(Show(operation));
  offset_ += reader.position();
  rest_ = reader.rest();
  return std::optional(operation);
}

Status WriteBatch::Reader::Show(Operation& operation) const {
  const std::optional<LocatedKey> located = Locate(operation.key);
  if (!located) {
    return InvalidArgument(At(offset_) + "a key of no keyspace: a newer version wrote it");
  }
  operation.keyspace = located->keyspace;
  operation.key = located->key;
  if (operation.kind != OpKind::kDeleteRange || operation.value.empty()) return {};
  const std::optional<std::string_view> end = LocateEnd(located->keyspace, operation.value);
  if (!end) {
    return InvalidArgument(At(offset_) + "a range over keyspaces: a newer version wrote it");
  }
  operation.value = *end;
  return {};
}

void WriteBatch::Begin(OpKind kind, std::string_view key, const Keyspace* keyspace) {
  const Keyspace* const target = keyspace != nullptr ? keyspace : usual_;
  if (target == nullptr) {
    if (TakesPrefix(key)) plain_.push_back(operations_.size());
    return BeginStored(kind, KeyspacePrefix(), key);
  }
  if (keyspace != nullptr) Note(*keyspace);
  if (key.size() > kPrefixedKeyBytesMax && refused_.empty()) {
    refused_ = CheckKeySize(target, key).message();
  }
  BeginStored(kind, target->state().prefix(), key);
}

void WriteBatch::BeginStored(OpKind kind, const KeyspacePrefix& prefix, std::string_view key) {
  const uint64_t size = prefix.view().size() + key.size();
  operations_.push_back(static_cast<char>(kind));
  AppendVarint(operations_, size);
  operations_.append(prefix.view());
  operations_.append(key);
  longest_key_bytes_ = std::max(longest_key_bytes_, size);
  // Saturates: a count above kBatchOperationsMax is refused by Validate whatever it is.
  if (count_ != std::numeric_limits<uint32_t>::max()) ++count_;
}

void WriteBatch::Note(const Keyspace& keyspace) {
  if (!keyspaces_.empty() && keyspaces_.back() == keyspace) return;
  // A few are named in turn; of more some may be there twice.
  constexpr size_t kSearched = 16;
  const size_t first = keyspaces_.size() - std::min(keyspaces_.size(), kSearched);
  if (std::find(keyspaces_.begin() + static_cast<ptrdiff_t>(first), keyspaces_.end(), keyspace) ==
      keyspaces_.end()) {
    keyspaces_.push_back(keyspace);
  }
}

void WriteBatch::AppendValue(std::string_view value) { AppendLengthPrefixed(operations_, value); }

void WriteBatch::Put(std::string_view key, std::string_view value, const Keyspace* keyspace) {
  Begin(OpKind::kPut, key, keyspace);
  AppendValue(value);
}

void WriteBatch::Put(std::string_view key, std::string_view value, uint64_t expires_at_ms,
                     const Keyspace* keyspace) {
  Begin(OpKind::kPutExpiring, key, keyspace);
  AppendLe(operations_, expires_at_ms);
  AppendValue(value);
  has_expiry_ = true;
}

void WriteBatch::Merge(std::string_view key, MergeOperator op, std::string_view operand,
                       const Keyspace* keyspace) {
  AIDB_CHECK(IsBuiltIn(op) || IsUsers(op));
  Begin(OpKind::kMerge, key, keyspace);
  operations_.push_back(static_cast<char>(op));
  AppendValue(operand);
  has_merge_ = true;
}

void WriteBatch::Delete(std::string_view key, const Keyspace* keyspace) {
  Begin(OpKind::kDelete, key, keyspace);
}

void WriteBatch::RefuseBackward(std::string_view begin, std::string_view end) {
  constexpr size_t kShown = 48;
  if (!refused_.empty()) return;
  refused_ = "a range delete that begins at \"" + EscapeForMessage(begin, kShown) +
             "\" ends before that, at \"" + EscapeForMessage(end, kShown) + "\"";
}

void WriteBatch::DeleteRange(std::string_view begin, std::optional<std::string_view> end,
                             const Keyspace* keyspace) {
  if (end && begin > *end) return RefuseBackward(begin, *end);
  if (end && begin == *end) return;
  const Keyspace* const target = keyspace != nullptr ? keyspace : usual_;
  if (target == nullptr && !TakesPrefix(begin) && (!end || TakesPrefix(*end))) {
    plain_.push_back(operations_.size());  // Begin does it for the others.
  }
  Begin(OpKind::kDeleteRange, begin, keyspace);
  ++range_deletes_;
  if (target == nullptr) {
    AppendValue(end.value_or(""));
    longest_key_bytes_ = std::max<uint64_t>(longest_key_bytes_, end.value_or("").size());
    if (!end) has_open_range_ = true;
    return;
  }
  if (end && end->size() > kPrefixedKeyBytesMax && refused_.empty()) {
    refused_ = CheckKeySize(target, *end).message();
  }
  AppendValue(StoredEnd(target, end));
}

void WriteBatch::Add(const Operation& operation) {
  if (operation.keyspace != kDefaultKeyspace) return AddToKeyspace(operation);
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
      BeginStored(OpKind::kNote, KeyspacePrefix(), operation.key);
      AppendLengthPrefixed(operations_, operation.value);
      has_note_ = true;
      return;
    default:
      AIDB_CHECK(false);  // A Reader gives none of the others.
  }
}

void WriteBatch::AddToKeyspace(const Operation& operation) {
  if (operation.kind == OpKind::kDeleteRange && !operation.value.empty()) {
    if (operation.key > operation.value) return RefuseBackward(operation.key, operation.value);
    if (operation.key == operation.value) return;
  }
  if ((operation.key.size() > kPrefixedKeyBytesMax ||
       (operation.kind == OpKind::kDeleteRange && operation.value.size() > kPrefixedKeyBytesMax)) &&
      refused_.empty()) {
    refused_ = "a key of a keyspace is above the " + std::to_string(kPrefixedKeyBytesMax) +
               " bytes that are allowed";
  }
  added_keyspaces_ = true;
  if (operation.keyspace == kKeyspaceCatalogue) added_catalogue_ = true;
  const KeyspacePrefix prefix(operation.keyspace);
  BeginStored(operation.kind, prefix, operation.key);
  switch (operation.kind) {
    case OpKind::kDelete:
      return;
    case OpKind::kDeleteRange:
      ++range_deletes_;
      return AppendValue(operation.value.empty()
                             ? prefix.End()
                             : std::string(prefix.view()).append(operation.value));
    case OpKind::kPutExpiring:
      has_expiry_ = true;
      AppendLe(operations_, operation.expires_at_ms);
      break;
    case OpKind::kMerge:
      has_merge_ = true;
      operations_.push_back(static_cast<char>(operation.merge_operator));
      break;
    default:
      break;
  }
  AppendValue(operation.value);
}

Result<WriteBatch> WriteBatch::AsStored() && {
  if (plain_.empty()) return std::move(*this);
  const std::string plain = std::move(operations_);
  const std::vector<size_t> offsets = std::move(plain_);
  WriteBatch stored = std::move(*this);
  stored.operations_.reserve(plain.size() + offsets.size() * 4);
  stored.has_open_range_ = false;
  size_t done = 0;
  for (const size_t offset : offsets) {
    stored.operations_.append(plain, done, offset - done);
    const std::string_view rest = std::string_view(plain).substr(offset);
    Reader reader(rest);
    AIDB_ASSIGN_OR_RETURN(const std::optional<Operation> operation, reader.Next());
    AIDB_CHECK(operation.has_value());
    AIDB_RETURN_IF_ERROR(CheckKeySize(nullptr, operation->key));
    done = offset + reader.offset();
    const KeyspacePrefix prefix =
        TakesPrefix(operation->key) ? KeyspacePrefix(kDefaultKeyspace) : KeyspacePrefix();
    stored.BeginStored(operation->kind, prefix, operation->key);
    --stored.count_;  // It was counted.
    if (operation->kind != OpKind::kDeleteRange) {
      const auto behind_key = static_cast<size_t>(operation->key.end() - rest.begin());
      stored.operations_.append(rest, behind_key, reader.offset() - behind_key);
      continue;
    }
    std::optional<std::string_view> end;
    if (!operation->value.empty()) end = operation->value;
    AIDB_RETURN_IF_ERROR(CheckKeySize(nullptr, end.value_or("")));
    stored.AppendValue(StoredEnd(nullptr, end));
  }
  stored.operations_.append(plain, done);
  return stored;
}

void WriteBatch::Clear() {
  std::string kept = std::move(operations_);  // Its memory.
  kept.clear();
  *this = WriteBatch(usual_);
  operations_ = std::move(kept);
}

Status WriteBatch::Validate(uint64_t batch_bytes_max) const {
  if (!refused_.empty()) return InvalidArgument(refused_);
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
