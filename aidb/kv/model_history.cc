#include "aidb/kv/model_history.h"

#include <algorithm>

namespace aidb::kv {

void ModelHistory::Apply(const std::string& key, std::optional<std::string> value) {
  newest_ = newest_ + 1;
  versions_[key].push_back({newest_, std::move(value)});
}

std::optional<std::string> ModelHistory::Get(std::string_view key, Sequence at) const {
  const auto found = versions_.find(key);
  if (found == versions_.end()) return std::nullopt;
  std::optional<std::string> value;
  for (const Version& version : found->second) {
    if (version.sequence <= at) value = version.value;
  }
  return value;
}

ModelHistory::Pairs ModelHistory::Range(const ScanOptions& scan, Sequence at) const {
  Pairs pairs;
  for (const auto& [key, unused] : versions_) {
    if (scan.lower && key < *scan.lower) continue;
    if (scan.upper && key >= *scan.upper) continue;
    if (!key.starts_with(scan.prefix)) continue;
    if (auto value = Get(key, at)) pairs.emplace_back(key, *std::move(value));
  }
  return pairs;
}

ModelHistory::Changed ModelHistory::ChangedSince(std::string_view key, Sequence since) const {
  const auto found = versions_.find(key);
  if (found == versions_.end() || found->second.back().sequence <= since) return Changed::kNo;
  return Get(key, since) || Get(key, newest_) ? Changed::kYes : Changed::kMaybe;
}

ModelHistory::Changed ModelHistory::RangeChangedSince(std::string_view lower,
                                                      std::string_view upper,
                                                      Sequence since) const {
  Changed most = Changed::kNo;
  for (const auto& [key, unused] : versions_) {
    if (key >= lower && key < upper) most = std::max(most, ChangedSince(key, since));
  }
  return most;
}

void ModelHistory::Trim(const std::string& key, Sequence oldest) {
  std::vector<Version>& versions = versions_[key];
  while (versions.size() > 1 && versions[1].sequence <= oldest) versions.erase(versions.begin());
}

}  // namespace aidb::kv
