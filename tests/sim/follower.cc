#include "tests/sim/follower.h"

#include <utility>

#include "aidb/base/check.h"
#include "aidb/kv/ingester.h"
#include "aidb/kv/merge.h"

namespace aidb::sim {

std::optional<Follower> Follower::Begin(const kv::Store& store, kv::UpdateFeed& feed,
                                        kv::UpdateLevel level, ReadSorted read_sorted) {
  const kv::Snapshot snapshot = store.TakeSnapshot();
  auto updates = feed.UpdatesSince(snapshot.sequence(), {.level = level});
  if (!updates.ok()) return std::nullopt;
  Follower follower(*std::move(updates), level, ToNumber(snapshot.sequence()),
                    std::move(read_sorted));
  kv::Iterator it = store.Scan({.snapshot = &snapshot});
  for (; it.Valid(); it.Next()) {
    const auto read = store.Get(it.key(), {.snapshot = &snapshot});
    if (!read.ok() || !*read) return std::nullopt;
    follower.values_[std::string(it.key())] = {std::string(it.value()), (*read)->expires_at_ms()};
  }
  if (!it.status().ok()) return std::nullopt;
  return follower;
}

Follower::Taken Follower::Take(Duration wait) {
  const auto update = updates_.Next(wait);
  if (!update.ok() || !*update) return {.status = update.status()};
  if (ToNumber((*update)->first) != last_ + 1) {
    return {.complaint = "a feed goes on with sequence " +
                         std::to_string(ToNumber((*update)->first)) + " behind " +
                         std::to_string(last_)};
  }
  kv::WriteBatch::Reader reader = (*update)->reader();
  uint64_t count = 0;
  for (auto next = reader.Next(); !next.ok() || *next; next = reader.Next(), ++count) {
    if (!next.ok()) return {.complaint = "an update cannot be read: " + next.status().ToString()};
    if (!kv::IngestNote::Is(**next)) {
      Apply(**next);
    } else if (auto wrong = Ingest((*next)->value)) {
      return {.complaint = std::move(wrong)};
    }
  }
  if (count != (*update)->count) return {.complaint = "an update does not have its count"};
  last_ = ToNumber((*update)->last());
  return {.any = true};
}

std::optional<std::string> Follower::Ingest(std::string_view note) {
  const auto decoded = kv::IngestNote::Decode(note);
  if (!decoded.ok()) return "a note cannot be read: " + decoded.status().ToString();
  for (const kv::IngestedFile& file : decoded->files) {
    const auto content = read_sorted_(file.path);
    if (!content) return "a note names '" + file.path + "', which nobody made";
    kv::WriteBatch::Reader reader = content->operations_reader();
    for (auto next = reader.Next(); next.ok() && *next; next = reader.Next()) Apply(**next);
  }
  return std::nullopt;
}

void Follower::Apply(const kv::WriteBatch::Operation& operation) {
  const std::string key(operation.key);
  if (operation.kind == kv::OpKind::kDeleteRange) {
    values_.erase(values_.lower_bound(key), values_.lower_bound(operation.value));
    return;
  }
  if (operation.kind == kv::OpKind::kMerge) {
    const auto held = values_.find(key);
    const auto before =
        held == values_.end() ? std::nullopt : std::optional<std::string_view>(held->second.bytes);
    auto made = kv::Merger().Apply(operation.merge_operator, key, before, operation.value);
    AIDB_CHECK(made.ok());  // Those of the simulation are built in.
    values_[key].bytes = *std::move(made);
    return;
  }
  values_.erase(key);
  if (operation.kind == kv::OpKind::kDelete) return;
  Value& value = values_[key];
  value.bytes = operation.value;
  if (kv::Expires(operation.kind)) value.expires_at_ms = operation.expires_at_ms;
}

std::optional<std::string> Follower::Check(const History& history, uint64_t now_ms) const {
  Pairs present;
  for (const auto& [key, value] : values_) {
    if (!value.expires_at_ms || *value.expires_at_ms > now_ms) {
      present.emplace_back(key, value.bytes);
    }
  }
  const auto matched = history.Match(last_, present, now_ms);
  if (!matched.complaint) return std::nullopt;
  return "who follows the store up to sequence " + std::to_string(last_) + ": " +
         *matched.complaint;
}

}  // namespace aidb::sim
