#pragma once

// How one format frames its records, seen from the journal.
//
// The journal decides where bytes go and when they are durable; a Framing decides how they look
// and what a read one proves. Implementations: lsm::LogFraming (32 KiB blocks); the segmented
// log and the geo store's JSON lines follow.
//
// Every method is a pure function of its arguments: no I/O, no clock. What comes from disk is
// never trusted: Parse and FindEvidence accept any bytes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace aidb::journal {

// Records are numbered without a gap; a record may take several ids (a batch of writes takes one
// per operation).
enum class RecordId : uint64_t {};
constexpr uint64_t ToNumber(RecordId id) { return static_cast<uint64_t>(id); }
constexpr RecordId operator+(RecordId id, uint64_t n) { return RecordId{ToNumber(id) + n}; }

// What makes bytes belong to one file and no other: part of every record's checksum, so that a
// stale, misplaced or foreign record fails at once.
struct FileIdentity {
  std::array<uint8_t, 16> journal_uuid{};
  uint64_t number = 0;
};

struct Record {
  std::string_view payload;
  uint32_t ids = 1;  // How many ids it takes; at least 1.
};

// How many bytes of its file in front of a record were not yet known to be durable when it was
// written. It is what lets recovery tell a torn tail from rot.
inline constexpr uint32_t kBehindUnknown = 0xFFFFFFFF;

// Where a record goes.
struct Place {
  FileIdentity file;
  uint64_t offset = 0;
  RecordId first_id{};
  uint32_t behind = kBehindUnknown;
};

enum class ControlKind : uint8_t {
  kOpen,   // First in a file: what it continues.
  kClose,  // Last in a file: it was ended on purpose.
  kMark,   // Carries only `behind`: written when a journal falls idle.
};

// What a kOpen says of the file before.
struct OpenFacts {
  uint64_t previous_number = 0;   // 0 = there is none.
  uint64_t previous_end = 0;      // Its bytes that count; what lies behind is void.
  uint64_t previous_durable = 0;  // Its bytes known durable when this file was begun.
  RecordId first_id{};            // Of the first record of this file.
};

enum class ParseKind : uint8_t {
  kRecord,
  kControl,
  kFill,        // Never written from here on, as far as these bytes show.
  kBad,         // Neither: `reason` says why.
  kUnfinished,  // A record begins well and does not end: torn, or the rest is bad.
  kNeedMore,    // Begins well; needs bytes behind the given ones. Only if `more_follows`.
  kNewer,       // Well formed, of a kind that a newer version wrote: refuse, never skip.
};

struct Parsed {
  ParseKind kind = ParseKind::kBad;
  uint64_t size = 0;  // Bytes from the offset to the end of the record, padding included.
  RecordId first_id{};
  uint32_t ids = 0;
  std::string_view payload{};  // Into the parsed bytes, or into `scratch`.
  uint32_t behind = kBehindUnknown;
  ControlKind control = ControlKind::kMark;
  OpenFacts open{};         // When control is kOpen.
  const char* reason = "";  // Static text.
};

// A valid piece of a record found by searching.
struct Evidence {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint32_t behind = kBehindUnknown;
};

class Framing {
 public:
  virtual ~Framing() = default;

  // Bytes that a record takes if it starts at `offset` and `first_id` is its first, padding
  // included. Of the payload only the size counts. Called under the ticket lock: must take a few
  // nanoseconds.
  virtual uint64_t FramedSize(const Record& record, RecordId first_id, uint64_t offset) const = 0;
  virtual uint64_t ControlSize(ControlKind kind, uint64_t offset) const = 0;
  // Fills `out`, whose size is FramedSize at that offset.
  virtual void Encode(const Place& place, const Record& record, std::span<std::byte> out) const = 0;
  // Likewise with ControlSize. `open` is read for kOpen only.
  virtual void EncodeControl(const Place& place, ControlKind kind, const OpenFacts& open,
                             std::span<std::byte> out) const = 0;

  // Reads what starts at `offset` of `file`; `bytes` begins there. `more_follows` says whether
  // the file has bytes behind them. `scratch` may be used to join pieces.
  virtual Parsed Parse(std::string_view bytes, bool more_follows, uint64_t offset,
                       const FileIdentity& file, std::string& scratch) const = 0;
  // The first valid piece of a record of `file` that begins in bytes[skip, …); bytes[0] is at
  // `offset`. Checks the piece's own checksum and nothing beyond it.
  virtual std::optional<Evidence> FindEvidence(std::string_view bytes, uint64_t skip,
                                               uint64_t offset, const FileIdentity& file) const = 0;
  // Bytes that FindEvidence may need behind the start of a piece: the largest piece.
  virtual uint64_t PieceBytesMax() const = 0;
};

}  // namespace aidb::journal
