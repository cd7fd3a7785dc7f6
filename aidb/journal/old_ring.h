#pragma once

#include <optional>

#include "aidb/journal/recovery.h"
#include "aidb/journal/ring.h"

namespace aidb::journal {

// The ring that an earlier life left, if recovery has to take bytes from it: that of the
// generation in JOURNAL. kCorruption when it was in use in this boot and is not there any more:
// what was acknowledged last would be lost in silence.
Result<std::optional<RingRemains>> FindOldRing(const RecoveryInput& input, RecoveryReport& report);

}  // namespace aidb::journal
