#include "aidb/kv/update_feed.h"

#include <string>

namespace aidb::kv {

Status CheckUpdateRequest(Sequence from, Sequence newest, const UpdateOptions& options) {
  if (options.lag_bytes_max < 1 || options.lag_bytes_max > kUpdateLagBytesMax) {
    return InvalidArgument("update option lag_bytes_max is " +
                           std::to_string(options.lag_bytes_max) + "; allowed is 1 to " +
                           std::to_string(kUpdateLagBytesMax));
  }
  if (from <= newest) return {};
  return InvalidArgument(
      "updates since sequence " + std::to_string(ToNumber(from)) +
      " are asked for, but the newest here is " + std::to_string(ToNumber(newest)) +
      ": what was written behind that elsewhere is not of this store, or a power "
      "cut took it here; take a checkpoint and begin anew at its sequence");
}

}  // namespace aidb::kv
