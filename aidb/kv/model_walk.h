#pragma once

#include <optional>
#include <string>
#include <utility>

#include "aidb/base/random.h"
#include "aidb/kv/iterator.h"
#include "aidb/kv/model_history.h"

namespace aidb::kv {

// An iterator and the pairs it must find. Pairs and place count upwards in both orders.
struct Walk {
  Iterator iterator;
  ScanOrder order;
  ModelHistory::Pairs pairs;
  std::optional<size_t> at;

  Walk(Iterator it, ScanOrder its_order, ModelHistory::Pairs its_pairs)
      : iterator(std::move(it)), order(its_order), pairs(std::move(its_pairs)) {
    if (!pairs.empty()) at = order == ScanOrder::kForward ? 0 : pairs.size() - 1;
  }

  // One random move; `transcript`, if any, gets its description.
  void Move(Rng& rng, std::string* transcript);
  // What differs, if anything does.
  std::optional<std::string> Difference() const;

 private:
  void Step(bool up) {
    if (up) {
      at = *at + 1 < pairs.size() ? std::optional(*at + 1) : std::nullopt;
    } else {
      at = *at > 0 ? std::optional(*at - 1) : std::nullopt;
    }
  }
  void Place(size_t index) { at = index < pairs.size() ? std::optional(index) : std::nullopt; }
};

}  // namespace aidb::kv
