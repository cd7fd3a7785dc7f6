#include "aidb/db/stored_scan.h"

#include <string>

namespace aidb {
namespace {

// Whether each bound is where the store has it.
bool IsStoredAsGiven(const kv::ScanOptions& options, bool bounded) {
  if (options.keyspace != nullptr) return false;
  if (kv::TakesPrefix(options.prefix) || kv::TakesPrefix(options.lower.value_or("")) ||
      kv::TakesPrefix(options.upper.value_or(""))) {
    return false;
  }
  return !bounded || options.upper || !options.prefix.empty();
}

}  // namespace

kv::ScanRange StoredRange(const kv::Keyspace* keyspace, const kv::ScanRange& range, bool bounded) {
  kv::ScanRange stored{.lower = std::string(kv::StoredKey(keyspace, range.lower).view())};
  if (keyspace != nullptr || bounded || range.upper) {
    stored.upper = kv::StoredEnd(keyspace, range.upper);
  }
  return stored;
}

StoredScan::StoredScan(const kv::ScanOptions& options, bool bounded) : given_(options) {
  if (IsStoredAsGiven(options, bounded)) return;
  range_ = StoredRange(options.keyspace, kv::RangeOf(options), bounded);
}

kv::ScanOptions StoredScan::options() const {
  kv::ScanOptions stored = given_;
  if (!range_) return stored;
  stored.lower = range_->lower;
  stored.upper.reset();
  if (range_->upper) stored.upper = *range_->upper;
  stored.prefix = {};
  return stored;
}

}  // namespace aidb
