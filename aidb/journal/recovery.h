#pragma once

#include <optional>
#include <string>
#include <vector>

#include "aidb/io/env.h"
#include "aidb/journal/identity.h"
#include "aidb/journal/options.h"
#include "aidb/journal/ring.h"

namespace aidb::journal {

struct RecoveryInput {
  io::FileSystem& files;
  const Framing& framing;
  const JournalFiles& names;
  const JournalOptions& options;
  const RecoveryFloor& floor;
  const Identity& identity;
  // Change nothing: for a journal that was closed in order.
  bool read_only = false;
};

// A file of the journal that stays, with the records [first_id, next_id).
struct RecoveredFile {
  uint64_t number = 0;
  RecordId first_id{};
  RecordId next_id{};
  uint64_t end = 0;
};

// Where the journal goes on.
struct Recovered {
  uint64_t last_number = 0;  // The file that the next one continues; 0 = none.
  uint64_t last_end = 0;
  RecordId next_id{};
  std::vector<RecoveredFile> files{};
};

// Brings the directory to a state whose every record is durable, hands the records to `sink`,
// and reports. Steps, each repeatable after a crash in any of them:
//
//   1  write what the ring holds and the files lack to its place
//   2  follow the chain: each file's first record names its predecessor and how much of it
//      counts; the newest file that has one is the head
//   3  read the files in order; at the first bad record X decide:
//        a later piece, file, manifest or ring word proves X durable  -> kCorruption, nothing cut
//        otherwise                                   -> cut at X; what is cut goes to quarantine/
//   4  sync; and write again first whatever nothing proves durable, if the kernel is the same as
//      before (its page cache may show what the disk refused). What is proven is never written
//      again, so that a power cut in the middle cannot take it
//
// `remains` is what an earlier life left in the ring, if anything.
Result<Recovered> Recover(const RecoveryInput& input, const std::optional<RingRemains>& remains,
                          const RecordSink& sink, RecoveryReport& report);

}  // namespace aidb::journal
