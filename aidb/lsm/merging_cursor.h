#pragma once

#include <memory>
#include <vector>

#include "aidb/lsm/entry.h"

namespace aidb::lsm {

// One walk in internal order over the entries of all `children`. An entry that two children hold
// comes twice, the earlier child's first. The first error of a child ends the walk with that error.
//
// A step costs one step of a child and log2(n) comparisons, and allocates nothing. A single
// child is returned as it is; without children the walk is empty.
std::unique_ptr<EntryCursor> NewMergingCursor(std::vector<std::unique_ptr<EntryCursor>> children);

}  // namespace aidb::lsm
