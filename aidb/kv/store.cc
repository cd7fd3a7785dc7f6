#include "aidb/kv/store.h"

namespace aidb::kv {

Status MultiGetTooLarge(size_t count) {
  return InvalidArgument("a MultiGet of " + std::to_string(count) + " keys; at most " +
                         std::to_string(kMultiGetKeysMax) + " are allowed");
}

}  // namespace aidb::kv
