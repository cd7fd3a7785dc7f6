#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/call_gate.h"
#include "aidb/base/clock.h"
#include "aidb/base/result.h"
#include "aidb/io/file_system.h"
#include "aidb/journal/file_table.h"
#include "aidb/journal/framing.h"

namespace aidb::journal {

class Journal;

// How far a tail may fall behind the newest record, in bytes of files, before it is cut off.
inline constexpr uint64_t kTailLagBytesMax = uint64_t{1} << 30;

enum class TailLevel : unsigned char {
  kPublished,
  kDurable,  // What a power cut leaves: no id that it gave is ever given again.
};

struct TailOptions {
  TailLevel level = TailLevel::kPublished;
  uint64_t lag_bytes_max = kTailLagBytesMax;
};

// Reads the records of a journal in order, while it takes more: what is in files, and then what is
// appended, out of the ring. Writers never wait for it, but for the copy of bytes that they would
// overwrite in the ring meanwhile.
//
// It survives rolls and re-drives. A file that it still needs stays, see Journal::Release, unless
// it is too far behind: then it is cut off. After Journal::Close it gives what is left in files,
// all of it if the Close went well, and then kUnavailable.
//
// Thread safety: none; but tails are independent of each other.
// Lifetime: may outlive the journal; from its end on it gives kUnavailable. Holds a window of the
// log in memory, 64 KiB or up to twice the record that it is at, and room for one record more, the
// largest it has met, where the framing has to join its pieces.
class Tail {
 public:
  struct Record {
    RecordId first_id{};
    uint32_t ids = 0;
    std::string_view payload{};  // Lives until the next call.
  };

  ~Tail();
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;

  // The next record; waits for it at most so long. Nullopt: there is none yet.
  //
  // kResourceExhausted once it was cut off. kUnavailable after the last record of a journal that
  // was closed or has stopped, and as soon as it is gone; in one that has stopped, appenders that
  // were on their way may still publish theirs: later calls give it. After any other error the next
  // call tries the same again.
  Result<std::optional<Record>> Next(Duration wait);
  // Of the next record; when it began inside of one, an id inside of that.
  RecordId next_id() const { return next_id_; }
  // The first record that the journal's files hold; the next one, once the journal is gone.
  RecordId oldest_id() const;

 private:
  friend class Journal;
  Tail(Journal& journal, std::shared_ptr<CallGate> gate,
       std::list<FileTable::Reader>::iterator place, const TailOptions& options);

  Result<Record> Read();
  // Nullopt: the window shows no whole record, and must be loaded.
  Result<std::optional<Record>> Parse();
  // Makes the window hold more of the log from offset_ on.
  Status Load();
  Result<size_t> ReadFrom(const FileTable::File& file, uint64_t end, std::span<std::byte> out);
  // That what was read is no record of the log.
  Status Broken(std::string_view reason) const;
  // What to tell of `status`, which happened in the given state of the table: nothing, if that has
  // changed since, for a file that was left or removed meanwhile may show anything.
  Status Fail(Status status, uint64_t version);
  void Enter(uint64_t number);

  Journal& journal_;  // Inside gate_ alone.
  const std::shared_ptr<CallGate> gate_;
  const std::list<FileTable::Reader>::iterator place_;
  const TailOptions options_;
  RecordId next_id_;

  uint64_t number_ = 0;  // The file it reads; 0: none yet.
  std::unique_ptr<io::File> file_;
  uint64_t offset_ = 0;  // Of what is read next.
  // Bytes of the file from window_offset_ on, and the state of the table they belong to.
  std::string window_;
  uint64_t window_offset_ = 0;
  bool window_ends_ = false;  // There were no more bytes when it was loaded.
  uint64_t window_version_ = 0;
  uint64_t wanted_bytes_;
  std::string scratch_;
};

}  // namespace aidb::journal
