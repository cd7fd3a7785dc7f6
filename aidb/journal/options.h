#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/clock.h"
#include "aidb/base/status.h"
#include "aidb/journal/framing.h"

namespace aidb::journal {

// When bytes go to the disk by themselves. In every strategy an acknowledged record survives
// the death of the process; WaitDurable and Flush work in all of them.
//
//   strategy             may be lost by a power cut
//   Async                what the kernel had not written back
//   Batched(n)           fewer than 2n records; appends wait at 2n
//   Periodic(t)          at most 2t of history; appends wait when the oldest byte is 2t old
//   BatchedOrPeriodic    the smaller of both
struct FlushStrategy {
  uint64_t records = 0;  // Batched(n); 0 = not by count.
  Duration interval{0};  // Periodic(t); 0 = not by time.

  static FlushStrategy Async() { return {}; }
  static FlushStrategy Batched(uint64_t records) { return {.records = records}; }
  static FlushStrategy Periodic(Duration interval) { return {.interval = interval}; }
  static FlushStrategy BatchedOrPeriodic(uint64_t records, Duration interval) {
    return {.records = records, .interval = interval};
  }
  bool async() const { return records == 0 && interval == Duration{0}; }
};

struct JournalOptions {
  std::string directory;
  FlushStrategy strategy;
  // A file is ended when the next record would cross this size.
  uint64_t file_bytes = uint64_t{64} << 20;
  // Power of two, 64 KiB … 1 GiB. Records above a quarter of it are written directly.
  uint64_t ring_bytes = uint64_t{16} << 20;
  // Largest record payload.
  uint64_t record_bytes_max = uint64_t{64} << 20;
};

// What the owner of the files decides.
//
// Thread safety: any thread may call any method.
class JournalFiles {
 public:
  virtual ~JournalFiles() = default;
  // A number above every number given before, in this and every earlier life of the directory.
  virtual uint64_t NextNumber() = 0;
  virtual std::string NameOf(uint64_t number) const = 0;
  // The number in a name that NameOf could have made.
  virtual std::optional<uint64_t> NumberOf(std::string_view name) const = 0;
};

// A file and how far it is known to be on the disk.
struct DurableEnd {
  uint64_t number = 0;
  uint64_t offset = 0;
};

// What the owner knows when it opens a journal.
struct RecoveryFloor {
  // The oldest file that still matters; 0 = all there are.
  uint64_t number = 0;
  // The first id that is not stored elsewhere. It is the first of that file; a re-drive may have
  // put older records in front of it into the same file, and recovery passes over them.
  RecordId first_id{1};
  // Set when the journal was closed in order: where it ended.
  std::optional<DurableEnd> clean_end{};
};

// Gets every recovered record once, in order of ids. An error ends the recovery with it.
using RecordSink = std::function<Status(uint64_t file_number, RecordId first_id, uint32_t ids,
                                        std::string_view payload)>;

enum class Verdict : uint8_t {
  kClean,       // Ends where its successor says, or with nothing behind.
  kTorn,        // Cut at the first bad record: nothing proves that it was durable.
  kHole,        // Likewise, with valid records behind that prove nothing either.
  kUnused,      // Prepared and never written.
  kSuperseded,  // Another file repeats its records.
};
std::string_view VerdictName(Verdict verdict);

struct FileReport {
  uint64_t number = 0;
  Verdict verdict = Verdict::kClean;
  uint64_t records = 0;
  uint64_t end = 0;        // Where its valid bytes end.
  uint64_t cut_bytes = 0;  // Kept in quarantine.
  std::string reason{};    // Why the first bad record was bad.
};

struct RecoveryReport {
  std::vector<FileReport> files;
  uint64_t records = 0;
  uint64_t ring_bytes = 0;              // Taken from the ring of the process before.
  RecordId last_id{};                   // Of the last recovered record.
  std::vector<std::string> quarantine;  // Paths of what was cut and kept.
  std::vector<std::string> notes;       // In words, for the log.

  // Whether bytes of records were cut.
  bool cut_anything() const { return !quarantine.empty(); }
};

}  // namespace aidb::journal
