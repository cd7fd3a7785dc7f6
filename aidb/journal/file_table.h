#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <string>

#include "aidb/base/result.h"
#include "aidb/base/sync.h"
#include "aidb/journal/framing.h"

namespace aidb::journal {

// Which file of a journal holds which records, and which of the files readers still need.
//
//      Find(id): the last file whose first id is not behind it
//        file 3        file 4        file 6 (a re-drive's: 5 counts no more)
//      ├─────────────┼─────────────┼──────────────┄
//      first id 17     first id 40   first id 58
//            ▲ a reader's next id: 3 stays, until the reader has moved on or is cut off
//
// Thread safety: any thread may call any method.
// Lifetime: a Reader belongs to the table, from Attach to Detach.
class FileTable {
 public:
  struct File {
    uint64_t number = 0;
    uint64_t first_id = 0;  // Of its first record; of the next one while it has none.
    std::optional<uint64_t>
        start;                  // Position of its offset 0, modulo 2^64; none: of an earlier life.
    uint64_t ring_offset = 0;   // The ring never held what is in front of it.
    uint64_t end = UINT64_MAX;  // Offset behind what counts; open while it takes records.
  };
  // A file, and the state of the table that said so.
  struct Found {
    File file;
    uint64_t version = 0;
  };
  // Where somebody reads, as the table knows it.
  struct Reader {
    uint64_t next_id = 0;
    uint64_t number = 0;  // It has read the first `offset` bytes of this file.
    uint64_t offset = 0;
    uint64_t lag_bytes_max = 0;
    // What was published when it began, if it needs nothing of that.
    std::optional<uint64_t> begin_position{};
    std::string cut_off{};  // Why it was.
  };

  // ---- For the journal. Files come in the order of their records.

  // One that recovery kept, with the records [first, next).
  void AddRecovered(uint64_t number, RecordId first, RecordId next, uint64_t end);
  // The active file ends at position `start`, and `number` begins there.
  void Begin(uint64_t number, RecordId first, uint64_t start);
  // A re-drive: what lies behind position `from` counts no more; `number`, of which `size` bytes
  // are written, has it all, and goes on at position `to`.
  void Replace(uint64_t from, uint64_t to, uint64_t number, RecordId first, uint64_t size);
  // The owner needs no file below `floor`. Cuts off the readers that need one and are too far
  // behind what is published up to `position`; forgets, and returns, the number below which nobody
  // needs any.
  uint64_t Release(uint64_t floor, uint64_t position);

  // What is not in file `number` by now never will be: cuts off whoever needs it.
  void Lose(uint64_t number);

  // ---- For readers.

  // kResourceExhausted when the record is in none of the files any more.
  // `begin`: the position up to which it needs nothing, where that is known.
  Result<std::list<Reader>::iterator> Attach(RecordId next, uint64_t lag_bytes_max,
                                             std::optional<uint64_t> begin = {});
  void Detach(std::list<Reader>::iterator reader);
  // The file that holds the reader's next record; kResourceExhausted once it was cut off.
  Result<Found> Find(const Reader& reader, RecordId next) const;
  // What the reader needs is in front of it now.
  void Advance(Reader& reader, RecordId next, uint64_t number, uint64_t offset);
  uint64_t version() const;
  // The first id that the files hold without a gap to the newest.
  RecordId oldest() const;
  size_t readers() const;
  // What the slowest reader has not read of what is published up to `position`, in bytes of files.
  uint64_t LagBytes(uint64_t position) const;

 private:
  const File& FileFor(uint64_t id) const AIDB_REQUIRES(mu_);
  uint64_t LagOf(const Reader& reader, uint64_t position) const AIDB_REQUIRES(mu_);
  Status Gone(uint64_t id) const AIDB_REQUIRES(mu_);
  void ForgetBelow(uint64_t number) AIDB_REQUIRES(mu_);

  mutable Mutex mu_;
  std::deque<File> files_ AIDB_GUARDED_BY(mu_);
  // Behind the last record of the last recovered file; 0: none.
  uint64_t recovered_next_ AIDB_GUARDED_BY(mu_) = 0;
  uint64_t version_ AIDB_GUARDED_BY(mu_) = 0;
  std::list<Reader> readers_ AIDB_GUARDED_BY(mu_);
};

}  // namespace aidb::journal
