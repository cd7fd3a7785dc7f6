#pragma once

#include "aidb/io/env.h"
#include "aidb/journal/options.h"

namespace aidb::journal {

// Reads a journal that was closed in order, for a store opened read-only: changes nothing.
// Returns the id that the next record would get. kCorruption when the journal does not end where
// `floor.clean_end`, which must be set, says.
Result<RecordId> ReplayClosed(const io::Env& env, const Framing& framing, const JournalFiles& names,
                              const JournalOptions& options, const RecoveryFloor& floor,
                              const RecordSink& sink);

}  // namespace aidb::journal
