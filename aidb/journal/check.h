#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aidb/io/env.h"
#include "aidb/journal/options.h"

namespace aidb::journal {

// What a journal's files hold, and what opening it would do to them.
struct JournalCheck {
  // Why it cannot be opened; ok when it can.
  Status damage;
  // What opening would cut and report; only for a journal that was not closed in order.
  std::vector<std::string> notes;
  RecordId next_id{};  // What the next record would get, when there is no damage.
  uint64_t records = 0;
};

// Reads JOURNAL, the ring and every file from the floor on, and hands all records to `sink`, as
// opening would do: recovery runs, on copies in memory. Nothing is changed. The caller holds the
// directory's lock in some mode.
//
// Errors other than damage, such as a failed read or files of a newer version, come back as such.
Result<JournalCheck> CheckJournal(const io::Env& env, const Framing& framing,
                                  const JournalFiles& names, const JournalOptions& options,
                                  const RecoveryFloor& floor, const RecordSink& sink);

}  // namespace aidb::journal
