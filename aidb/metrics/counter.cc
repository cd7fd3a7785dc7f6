#include "aidb/metrics/counter.h"

namespace aidb::metrics {

uint64_t Counter::Value() const {
  uint64_t sum = 0;
  for (const StripeOfOneLine& stripe : stripes_) {
    sum += stripe.value.load(std::memory_order_relaxed);
  }
  return sum;
}

}  // namespace aidb::metrics
