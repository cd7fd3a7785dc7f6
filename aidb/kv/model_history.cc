#include "aidb/kv/model_history.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace aidb::kv {
namespace {

// Of numbers that a test makes, which are small; 0 for other bytes.
int64_t NumberIn(const std::string& bytes) {
  const size_t sign = bytes.starts_with('-') ? 1 : 0;
  if (bytes.size() == sign || bytes.size() > 18) return 0;
  if (bytes.find_first_not_of("0123456789", sign) != std::string::npos) return 0;
  return std::strtoll(bytes.c_str(), nullptr, 10);
}

}  // namespace

void ModelHistory::Apply(const std::string& key, std::optional<Value> value) {
  newest_ = newest_ + 1;
  versions_[key].push_back({newest_, std::move(value)});
}

void ModelHistory::DeleteRange(std::string_view begin, std::string_view end, Sequence oldest) {
  newest_ = newest_ + 1;
  for (auto& [key, versions] : versions_) {
    if (key < begin || (!end.empty() && key >= end)) continue;
    versions.push_back({newest_, std::nullopt});
    Trim(key, oldest);
  }
  std::erase_if(deleted_ranges_,
                [&](const DeletedRange& range) { return range.sequence <= oldest; });
  deleted_ranges_.push_back({newest_, std::string(begin), std::string(end)});
}

void ModelHistory::Merge(const std::string& key, MergeOperator op, std::string_view operand,
                         uint64_t now_ms) {
  Value value = Find(key, {newest_, now_ms}).value_or(Value{std::string(operand)});
  const bool there = Find(key, {newest_, now_ms}).has_value();
  const std::string bytes(operand);
  if (op == MergeOperator::kAddI64) {
    value.bytes = std::to_string((there ? NumberIn(value.bytes) : 0) + NumberIn(bytes));
  } else if (there && op == MergeOperator::kAppend) {
    value.bytes += bytes;
  } else if (there && (op == MergeOperator::kMax) == (value.bytes < bytes)) {
    value.bytes = bytes;
  }
  Apply(key, std::move(value));
}

void ModelHistory::Ingest(const WriteBatch& batch, Sequence last, Sequence oldest) {
  WriteBatch::Reader operations = batch.operations_reader();
  for (auto next = operations.Next(); next.ok() && *next; next = operations.Next()) {
    const WriteBatch::Operation& operation = **next;
    newest_ = Sequence{ToNumber(last) - 1};  // Each of them takes the next: `last`.
    if (operation.kind == OpKind::kDeleteRange) {
      DeleteRange(operation.key, operation.value, oldest);
      continue;
    }
    std::optional<Value> value;
    if (operation.kind != OpKind::kDelete) value.emplace(std::string(operation.value));
    if (operation.kind == OpKind::kPutExpiring) value->expires_at_ms = operation.expires_at_ms;
    const std::string key(operation.key);
    Apply(key, std::move(value));
    Trim(key, oldest);
  }
}

std::optional<ModelHistory::Value> ModelHistory::Find(std::string_view key, Moment at) const {
  const auto found = versions_.find(key);
  if (found == versions_.end()) return std::nullopt;
  std::optional<Value> value;
  for (const Version& version : found->second) {
    if (version.sequence <= at.sequence) value = version.value;
  }
  if (value && value->expires_at_ms && *value->expires_at_ms <= at.now_ms) return std::nullopt;
  return value;
}

std::optional<std::string> ModelHistory::Get(std::string_view key, Moment at) const {
  std::optional<Value> value = Find(key, at);
  return value ? std::optional(std::move(value->bytes)) : std::nullopt;
}

ModelHistory::Pairs ModelHistory::Range(const ScanOptions& scan, Moment at) const {
  Pairs pairs;
  for (const auto& [key, unused] : versions_) {
    if (scan.lower && key < *scan.lower) continue;
    if (scan.upper && key >= *scan.upper) continue;
    if (!key.starts_with(scan.prefix)) continue;
    if (auto value = Get(key, at)) pairs.emplace_back(key, *std::move(value));
  }
  return pairs;
}

ModelHistory::Changed ModelHistory::ChangedSince(std::string_view key, Moment since,
                                                 uint64_t now_ms) const {
  const auto found = versions_.find(key);
  if (found == versions_.end() || found->second.back().sequence <= since.sequence) {
    const std::string behind = std::string(key) + '\0';
    return DeletedInSince(key, behind, since) ? Changed::kMaybe : Changed::kNo;
  }
  return Find(key, since) || Find(key, {newest_, now_ms}) ? Changed::kYes : Changed::kMaybe;
}

ModelHistory::Changed ModelHistory::RangeChangedSince(std::string_view lower,
                                                      std::string_view upper, Moment since,
                                                      uint64_t now_ms) const {
  Changed most = DeletedInSince(lower, upper, since) ? Changed::kMaybe : Changed::kNo;
  for (const auto& [key, unused] : versions_) {
    if (key >= lower && key < upper) most = std::max(most, ChangedSince(key, since, now_ms));
  }
  return most;
}

bool ModelHistory::DeletedInSince(std::string_view lower, std::string_view upper,
                                  Moment since) const {
  return std::ranges::any_of(deleted_ranges_, [&](const DeletedRange& range) {
    return range.sequence > since.sequence && range.Meets(lower, upper);
  });
}

void ModelHistory::Trim(const std::string& key, Sequence oldest) {
  std::vector<Version>& versions = versions_[key];
  while (versions.size() > 1 && versions[1].sequence <= oldest) versions.erase(versions.begin());
}

}  // namespace aidb::kv
