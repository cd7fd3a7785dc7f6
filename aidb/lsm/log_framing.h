#pragma once

// The framing of the write-ahead log and of the manifest (docs/formats/log.md).
//
//   file     = blocks of 32 KiB; a fragment never crosses a block; where fewer than 16 bytes are
//              left in a block they are zeros
//   fragment = header | payload
//
//    0        4      6    7     8              12             16
//   ┌────────┬──────┬────┬─────┬──────────────┬──────────────┬─────────┄
//   │checksum│length│type│flags│ log (low 32) │    behind    │ payload
//   └────────┴──────┴────┴─────┴──────────────┴──────────────┴─────────┄
//   checksum  masked crc32c of: journal uuid, file number u64, offset of this fragment u64, then
//             bytes 4… of the fragment to its end
//   type      1 FULL 2 FIRST 3 MIDDLE 4 LAST 5 OPEN 6 CLOSE 7 MARK 8 BATCH; 0 was never written
//   behind    bytes of the file in front of this fragment that were not known to be durable when
//             it was written; 2^32-1 = unknown
//
//   payload of FULL, or of FIRST MIDDLE… LAST joined:
//     u32 total_bytes (with these 17) | u32 count | u64 first_id | u8 flags | operations
//   payload of BATCH, which is a whole record like FULL, with the header short:
//     varint count | varint first_id | operations
//
// Most records are one small write: there a BATCH is a twelfth smaller than a FULL. Logs have it
// since version 2; manifests, whose records are few, keep version 1.
//
// The checksum is salted by place and not chained: a stale, misplaced or foreign fragment fails
// at once, and one bad record leaves those behind it verifiable, which is what the verdict
// between a torn tail and rot rests on. LevelDB's log (docs/log_format.md there) is the ancestor.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "aidb/base/status.h"
#include "aidb/journal/framing.h"
#include "aidb/kv/ingester.h"
#include "aidb/kv/types.h"
#include "aidb/kv/write_batch.h"

namespace aidb::lsm {

// kInvalidArgument for an operation of a batch that no log of this version holds.
inline Status CheckLogged(const kv::WriteBatch::Operation& operation) {
  const bool open_range = operation.kind == kv::OpKind::kDeleteRange && operation.value.empty();
  if (kv::IsStored(operation.kind) && !open_range) return {};
  if (kv::IngestNote::Is(operation)) return {};
  return InvalidArgument("the log holds an operation of kind " +
                         std::to_string(static_cast<unsigned>(operation.kind)) +
                         (open_range ? " without an end" : "") + ": a newer version wrote it");
}

inline constexpr uint64_t kLogBlockBytes = 32768;
inline constexpr uint64_t kLogHeaderBytes = 16;
inline constexpr uint64_t kLogFragmentPayloadMax = kLogBlockBytes - kLogHeaderBytes;  // 32,752.
inline constexpr uint64_t kLogBatchHeaderBytes = 17;  // 4 + 4 + 8 + 1.
inline constexpr uint64_t kLogOpenPayloadBytes = 59;  // 2 + 16 + 8 + 4 · 8 + 1.
// Largest payload of one record that any version of this format writes. Wider than any
// option allows, so that a store opened with smaller options still reads its log.
inline constexpr uint64_t kLogRecordBytesMax = uint64_t{1} << 30;

enum class FragmentType : uint8_t {
  kNone = 0,
  kFull = 1,
  kFirst = 2,
  kMiddle = 3,
  kLast = 4,
  kOpen = 5,
  kClose = 6,
  kMark = 7,
  kBatch = 8,
};

// How whole records are written, by the format version that OPEN names. Files of older versions are
// read, newer ones refused.
enum class RecordForm : uint8_t {
  kFull = 1,   // Format version 1.
  kBatch = 2,  // Format version 2.
};

// Records are batches: Record.payload is the operations, Record.ids their count, and first_id
// the sequence of the first.
//
// Thread safety: has no state; any thread may call any method.
class LogFraming final : public journal::Framing {
 public:
  // A record that claims more payload than `payload_bytes_max` is bad.
  explicit LogFraming(uint64_t payload_bytes_max = kLogRecordBytesMax,
                      RecordForm form = RecordForm::kBatch)
      : payload_bytes_max_(payload_bytes_max), form_(form) {}

  uint64_t FramedSize(const journal::Record& record, journal::RecordId first_id,
                      uint64_t offset) const override;
  uint64_t ControlSize(journal::ControlKind kind, uint64_t offset) const override;
  void Encode(const journal::Place& place, const journal::Record& record,
              std::span<std::byte> out) const override;
  void EncodeControl(const journal::Place& place, journal::ControlKind kind,
                     const journal::OpenFacts& open, std::span<std::byte> out) const override;
  journal::Parsed Parse(std::string_view bytes, bool more_follows, uint64_t offset,
                        const journal::FileIdentity& file, std::string& scratch) const override;
  std::optional<journal::Evidence> FindEvidence(std::string_view bytes, uint64_t skip,
                                                uint64_t offset,
                                                const journal::FileIdentity& file) const override;
  uint64_t PieceBytesMax() const override { return kLogBlockBytes; }

  // Which file these bytes, taken from its offset 0, say they begin: what OPEN carries, checked
  // by OPEN's own checksum. For tools that have no manifest.
  static std::optional<journal::FileIdentity> ReadIdentity(std::string_view bytes);

 private:
  const uint64_t payload_bytes_max_;
  const RecordForm form_;
};

}  // namespace aidb::lsm
