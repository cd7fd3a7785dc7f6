#include "aidb/journal/sync_group.h"

#include <algorithm>

namespace aidb::journal {
namespace {

// Below that a wait costs more than it brings: the timer's own grain is 50 µs.
constexpr Duration kPatienceMin = std::chrono::microseconds(20);
constexpr Duration kPatienceMax = std::chrono::microseconds(500);
constexpr uint32_t kPauseMax = 64;

}  // namespace

Duration SyncGroup::Patience() const {
  if (joined_ >= expected_ || pause_ > 0) return Duration{0};
  // A wait of T lifts the group from `joined_` to `expected_` and pays while T is a smaller share
  // of the sync than the group grows by. Half a sync pays for all groups that grow by half.
  const Duration patience = std::min(mean_sync_ / 2, kPatienceMax);
  return patience < kPatienceMin || 2 * expected_ < 3 * joined_ ? Duration{0} : patience;
}

void SyncGroup::Begin(bool waited) {
  if (pause_ > 0) --pause_;
  if (waited && joined_ >= expected_) {
    next_pause_ = 1;
  } else if (waited) {
    pause_ = next_pause_;
    next_pause_ = std::min(2 * next_pause_, kPauseMax);
  }
  in_sync_ = joined_;
  joined_ = 0;
}

void SyncGroup::End(Duration took) {
  expected_ = in_sync_ + joined_;
  mean_sync_ = mean_sync_ == Duration{0} ? took : (7 * mean_sync_ + took) / 8;
}

}  // namespace aidb::journal
