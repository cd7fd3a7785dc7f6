#include "aidb/rocks/recent_range_deletes.h"

#include <algorithm>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/base/escape.h"

namespace aidb::rocks {
namespace {

constexpr size_t kKeyBytesShown = 64;

Status Deleted(std::string_view key) {
  return Conflict("key \"" + EscapeForMessage(key, kKeyBytesShown) +
                  "\" is in a range that was deleted since the snapshot");
}

}  // namespace

void RecentRangeDeletes::Note(const kv::WriteBatch& batch, uint64_t last, uint64_t oldest) {
  const MutexLock lock(mu_);
  while (!ranges_.empty() && ranges_.front().sequence <= oldest) ranges_.pop_front();
  kv::WriteBatch::Reader operations = batch.operations_reader();
  while (true) {
    const auto next = operations.Next();
    AIDB_CHECK(next.ok());  // A WriteBatch holds what its own methods encoded.
    if (!*next) break;
    if ((*next)->kind != kv::OpKind::kDeleteRange) continue;
    Range range{std::string((*next)->key), std::string((*next)->value), last};
    // Batches that are written together may come here in another order than they were.
    const auto place = std::ranges::upper_bound(ranges_, last, {}, &Range::sequence);
    ranges_.insert(place, std::move(range));
    if (ranges_.size() > kRangesMax) Join();
  }
}

void RecentRangeDeletes::Join() {
  Range all = std::move(ranges_.back());
  ranges_.pop_back();
  for (Range& range : ranges_) {
    all.begin = std::min(all.begin, range.begin);
    all.end = std::max(all.end, range.end);
  }
  ranges_.clear();
  ranges_.push_back(std::move(all));
}

void RecentRangeDeletes::Forget() {
  const MutexLock lock(mu_);
  ranges_.clear();
}

Status RecentRangeDeletes::CheckUnchanged(const kv::Precondition& unchanged, uint64_t since) const {
  const MutexLock lock(mu_);
  for (auto range = ranges_.rbegin(); range != ranges_.rend() && range->sequence > since; ++range) {
    for (const std::string& key : unchanged.keys) {
      if (key >= range->begin && key < range->end) return Deleted(key);
    }
    for (const kv::ScanRange& scanned : unchanged.ranges) {
      const std::string& first = std::max(scanned.lower, range->begin);
      if (first < range->end && scanned.Contains(first)) return Deleted(first);
    }
  }
  return {};
}

size_t RecentRangeDeletes::size() const {
  const MutexLock lock(mu_);
  return ranges_.size();
}

}  // namespace aidb::rocks
