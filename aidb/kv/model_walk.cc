#include "aidb/kv/model_walk.h"

#include "aidb/kv/model_random.h"

namespace aidb::kv {

void Walk::Move(Rng& rng, std::string* transcript) {
  const bool forward = order == ScanOrder::kForward;
  const uint64_t choice = rng.Below(10);
  const std::string sought = RandomBound(rng);
  if (at && choice < 4) {
    if (transcript) *transcript += " next";
    iterator.Next();
    Step(forward);
  } else if (at && choice < 7) {
    if (transcript) *transcript += " prev";
    iterator.Prev();
    Step(!forward);
  } else if (choice == 7 && rng.OneIn(4)) {
    const bool to_start = rng.OneIn(2);
    if (transcript) *transcript += to_start ? " seek to start" : " seek to end";
    to_start ? iterator.SeekToStart() : iterator.SeekToEnd();
    Place(to_start == forward ? 0 : pairs.size() - 1);  // No pairs: wraps, so no place.
  } else if (choice % 2 == 0) {
    if (transcript) *transcript += " seek " + Show(sought);
    iterator.Seek(sought);
    size_t first = 0;
    while (first < pairs.size() && pairs[first].first < sought) ++first;
    Place(first);
  } else {
    if (transcript) *transcript += " seek for prev " + Show(sought);
    iterator.SeekForPrev(sought);
    size_t behind = 0;
    while (behind < pairs.size() && pairs[behind].first <= sought) ++behind;
    Place(behind - 1);
  }
}

std::optional<std::string> Walk::Difference() const {
  const std::string expected =
      at ? Show(pairs[*at].first) + " = " + Show(pairs[*at].second) : "the end";
  if (!iterator.Valid()) {
    if (!iterator.status().ok()) return "iterator: " + iterator.status().ToString();
    if (at) return "iterator: at the end; expected " + expected;
    return std::nullopt;
  }
  if (at && iterator.key() == pairs[*at].first && iterator.value() == pairs[*at].second) {
    return std::nullopt;
  }
  return "iterator: at " + Show(iterator.key()) + " = " + Show(iterator.value()) + "; expected " +
         expected;
}

}  // namespace aidb::kv
