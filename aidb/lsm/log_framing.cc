#include "aidb/lsm/log_framing.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/base/crc32c.h"
#include "aidb/kv/types.h"

namespace aidb::lsm {
namespace {

using journal::ControlKind;
using journal::Evidence;
using journal::FileIdentity;
using journal::kBehindUnknown;
using journal::OpenFacts;
using journal::Parsed;
using journal::ParseKind;
using journal::Place;
using journal::Record;
using journal::RecordId;

static_assert((kLogBlockBytes & (kLogBlockBytes - 1)) == 0, "offsets are masked, not divided");

constexpr uint64_t LeftInBlock(uint64_t offset) {
  return kLogBlockBytes - (offset & (kLogBlockBytes - 1));
}

// Zeros in front of a fragment that is due at `offset`.
constexpr uint64_t Padding(uint64_t offset) {
  const uint64_t left = LeftInBlock(offset);
  return left < kLogHeaderBytes ? left : 0;
}

bool AllZero(std::string_view bytes) {
  if (bytes.empty()) return true;
  return bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

// `fragment` is a whole one, header and payload.
uint32_t Checksum(const FileIdentity& file, uint64_t offset, std::string_view fragment) {
  char salt[32];
  std::memcpy(salt, file.journal_uuid.data(), 16);
  StoreLe(salt + 16, file.number);
  StoreLe(salt + 24, offset);
  return MaskCrc(ExtendCrc32c(Crc32c({salt, sizeof salt}), fragment.substr(4)));
}

// ── Writing ─────────────────────────────────────────────────────────────────────────────────

// What `behind` says `further` bytes behind the place it was meant for.
uint32_t BehindAt(uint32_t behind, uint64_t further) {
  const uint64_t sum = behind + further;
  return behind == kBehindUnknown || sum >= kBehindUnknown ? kBehindUnknown
                                                           : static_cast<uint32_t>(sum);
}

// Completes a fragment whose payload is already at `at` + 16. `offset` is where it stands.
void Seal(const Place& place, FragmentType type, uint64_t offset, size_t length, char* at) {
  StoreLe(at + 4, static_cast<uint16_t>(length));
  at[6] = static_cast<char>(type);
  at[7] = 0;
  StoreLe(at + 8, static_cast<uint32_t>(place.file.number));
  StoreLe(at + 12, BehindAt(place.behind, offset - place.offset));
  StoreLe(at, Checksum(place.file, offset, {at, kLogHeaderBytes + length}));
}

// What stands in front of the operations of a BATCH.
uint64_t ShortHeaderBytes(const Record& record, RecordId first_id) {
  return VarintSize(record.ids) + VarintSize(ToNumber(first_id));
}

// Whether the record is one BATCH when it begins at `offset`, behind any padding.
bool IsBatch(RecordForm form, const Record& record, RecordId first_id, uint64_t offset) {
  return form == RecordForm::kBatch &&
         kLogHeaderBytes + ShortHeaderBytes(record, first_id) + record.payload.size() <=
             LeftInBlock(offset);
}

// The joined payload of a record, handed out piece by piece without being joined.
class Source {
 public:
  Source(const Place& place, const Record& record) : operations_(record.payload) {
    StoreLe(header_, static_cast<uint32_t>(kLogBatchHeaderBytes + record.payload.size()));
    StoreLe(header_ + 4, record.ids);
    StoreLe(header_ + 8, ToNumber(place.first_id));
    header_[16] = 0;
  }

  void Copy(char* to, size_t count) {
    if (header_done_ < sizeof header_) {
      const size_t part = std::min(count, sizeof header_ - header_done_);
      std::memcpy(to, header_ + header_done_, part);
      header_done_ += part;
      to += part;
      count -= part;
    }
    if (count == 0) return;
    std::memcpy(to, operations_.data(), count);
    operations_.remove_prefix(count);
  }

 private:
  char header_[kLogBatchHeaderBytes];
  size_t header_done_ = 0;
  std::string_view operations_;
};

FragmentType TypeOf(ControlKind kind) {
  switch (kind) {
    case ControlKind::kOpen:
      return FragmentType::kOpen;
    case ControlKind::kClose:
      return FragmentType::kClose;
    case ControlKind::kMark:
      return FragmentType::kMark;
  }
  AIDB_CHECK(false);
}

void EncodeOpen(const FileIdentity& file, const OpenFacts& open, RecordForm form, char* to) {
  StoreLe(to, static_cast<uint16_t>(form));
  std::memcpy(to + 2, file.journal_uuid.data(), 16);
  StoreLe(to + 18, file.number);
  StoreLe(to + 26, open.previous_number);
  StoreLe(to + 34, open.previous_end);
  StoreLe(to + 42, open.previous_durable);
  StoreLe(to + 50, ToNumber(open.first_id));
  to[58] = 0;  // No encryption key.
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────

struct Fragment {
  FragmentType type = FragmentType::kNone;
  uint8_t flags = 0;
  uint32_t behind = kBehindUnknown;
  std::string_view payload;
  uint64_t size = 0;
};

// What came of reading one fragment: `fragment` counts only if `kind` is kRecord.
struct Read {
  ParseKind kind = ParseKind::kBad;
  const char* reason = "";
  Fragment fragment;
};

// Reads the fragment at `offset`, which is not inside padding. Its type is not judged.
Read ReadFragment(std::string_view bytes, bool more_follows, uint64_t offset,
                  const FileIdentity& file) {
  if (bytes.size() < kLogHeaderBytes) {
    if (more_follows) return {ParseKind::kNeedMore, "", {}};
    if (AllZero(bytes)) return {ParseKind::kFill, "", {}};
    return {ParseKind::kUnfinished, "the file ends inside a fragment's header", {}};
  }
  if (AllZero(bytes.substr(0, kLogHeaderBytes))) {
    if (AllZero(bytes)) return {ParseKind::kFill, "", {}};
    return {ParseKind::kBad, "zeros where a record should begin", {}};
  }
  const uint64_t length = LoadLe<uint16_t>(bytes.data() + 4);
  if (length > LeftInBlock(offset) - kLogHeaderBytes)
    return {ParseKind::kBad, "a fragment's length reaches over its block", {}};
  if (LoadLe<uint32_t>(bytes.data() + 8) != static_cast<uint32_t>(file.number))
    return {ParseKind::kBad, "a fragment of another file, or none", {}};
  if (length > bytes.size() - kLogHeaderBytes) {
    if (more_follows) return {ParseKind::kNeedMore, "", {}};
    return {ParseKind::kUnfinished, "the file ends inside a fragment", {}};
  }
  const std::string_view whole = bytes.substr(0, kLogHeaderBytes + length);
  if (LoadLe<uint32_t>(whole.data()) != Checksum(file, offset, whole))
    return {ParseKind::kBad, "a fragment's checksum does not match", {}};
  return {ParseKind::kRecord,
          "",
          {.type = FragmentType{static_cast<uint8_t>(whole[6])},
           .flags = static_cast<uint8_t>(whole[7]),
           .behind = LoadLe<uint32_t>(whole.data() + 12),
           .payload = whole.substr(kLogHeaderBytes),
           .size = whole.size()}};
}

Parsed Refuse(ParseKind kind, const char* reason) {
  Parsed parsed;
  parsed.kind = kind;
  parsed.reason = reason;
  return parsed;
}

bool IsNewer(const Fragment& fragment, RecordForm form) {
  const FragmentType last = form == RecordForm::kBatch ? FragmentType::kBatch : FragmentType::kMark;
  return fragment.flags != 0 || fragment.type == FragmentType::kNone || fragment.type > last;
}

Parsed ParseControl(const Fragment& fragment, uint64_t offset, const FileIdentity& file,
                    RecordForm form) {
  Parsed parsed;
  parsed.kind = ParseKind::kControl;
  parsed.control = fragment.type == FragmentType::kClose ? ControlKind::kClose : ControlKind::kMark;
  const std::string_view payload = fragment.payload;
  if (fragment.type != FragmentType::kOpen) {
    if (!payload.empty())
      return Refuse(ParseKind::kNewer, "a CLOSE or MARK with a payload, from a newer version");
    return parsed;
  }
  if (offset != 0) return Refuse(ParseKind::kBad, "an OPEN that does not stand at offset 0");
  if (payload.size() < 2) return Refuse(ParseKind::kBad, "an OPEN without a format version");
  const uint16_t version = LoadLe<uint16_t>(payload.data());
  if (version == 0) return Refuse(ParseKind::kBad, "an OPEN of format version 0, never written");
  if (version > static_cast<uint16_t>(form))
    return Refuse(ParseKind::kNewer, "the file has a newer format version");
  if (payload.size() != kLogOpenPayloadBytes)
    return Refuse(ParseKind::kBad, "an OPEN of the wrong size");
  if (payload[58] != 0) return Refuse(ParseKind::kNewer, "the file names an encryption key");
  if (std::memcmp(payload.data() + 2, file.journal_uuid.data(), 16) != 0 ||
      LoadLe<uint64_t>(payload.data() + 18) != file.number) {
    return Refuse(ParseKind::kBad, "an OPEN that names another file");
  }
  parsed.control = ControlKind::kOpen;
  parsed.open = {.previous_number = LoadLe<uint64_t>(payload.data() + 26),
                 .previous_end = LoadLe<uint64_t>(payload.data() + 34),
                 .previous_durable = LoadLe<uint64_t>(payload.data() + 42),
                 .first_id = RecordId{LoadLe<uint64_t>(payload.data() + 50)}};
  return parsed;
}

struct Joined {
  ParseKind kind = ParseKind::kBad;
  const char* reason = "";
  uint64_t end = 0;  // Bytes from the offset to the end of the record.
};

// Gathers the fragments behind a FIRST, which ends at bytes[at], into `scratch`.
Joined Join(std::string_view bytes, bool more_follows, uint64_t offset, uint64_t at,
            const FileIdentity& file, std::string_view first_payload, uint64_t total_max,
            RecordForm form, std::string& scratch) {
  scratch.assign(first_payload);
  for (;;) {
    // Only the last fragment of a record may end before its block does.
    if (LeftInBlock(offset + at) != kLogBlockBytes)
      return {ParseKind::kBad, "a record's fragment ends before its block", 0};
    if (scratch.size() >= 4 && LoadLe<uint32_t>(scratch.data()) > total_max)
      return {ParseKind::kBad, "a record above the size limit", 0};
    const Read next = ReadFragment(bytes.substr(at), more_follows, offset + at, file);
    if (next.kind == ParseKind::kNeedMore) return {ParseKind::kNeedMore, "", 0};
    if (next.kind != ParseKind::kRecord)
      return {ParseKind::kUnfinished, "a record whose later fragments are missing or bad", 0};
    if (IsNewer(next.fragment, form))
      return {ParseKind::kNewer, "a fragment of a newer version", 0};
    const FragmentType type = next.fragment.type;
    if (type != FragmentType::kMiddle && type != FragmentType::kLast)
      return {ParseKind::kUnfinished, "a record that another one interrupts", 0};
    if (next.fragment.payload.empty())
      return {ParseKind::kBad, "a record's later fragment is empty", 0};
    scratch.append(next.fragment.payload);
    at += next.fragment.size;
    if (type == FragmentType::kLast) return {ParseKind::kRecord, "", at};
  }
}

// A record with these numbers, or why it is none.
Parsed WholeRecord(uint64_t count, uint64_t first, std::string_view operations) {
  constexpr uint64_t kIdMax = ToNumber(kv::kSequenceMax);
  if (count == 0) return Refuse(ParseKind::kBad, "a record of no operations");
  if (count > UINT32_MAX) return Refuse(ParseKind::kBad, "a record of more than 2^32 operations");
  if (first > kIdMax || count - 1 > kIdMax - first)
    return Refuse(ParseKind::kBad, "a record whose sequences exceed 2^56");
  Parsed parsed;
  parsed.kind = ParseKind::kRecord;
  parsed.ids = static_cast<uint32_t>(count);
  parsed.first_id = RecordId{first};
  parsed.payload = operations;
  return parsed;
}

// The payload of a BATCH.
Parsed ParseBatch(std::string_view payload) {
  ByteReader reader(payload);
  const std::optional<uint64_t> count = reader.Varint();
  const std::optional<uint64_t> first = reader.Varint();
  if (!count || !first) return Refuse(ParseKind::kBad, "a record too short for its header");
  return WholeRecord(*count, *first, reader.rest());
}

// The payload of a FULL, or of FIRST … LAST joined.
Parsed ParseJoined(std::string_view joined) {
  if (joined.size() < kLogBatchHeaderBytes)
    return Refuse(ParseKind::kBad, "a record too short for its header");
  if (LoadLe<uint32_t>(joined.data()) != joined.size())
    return Refuse(ParseKind::kBad, "a record's fragments do not add up to its size");
  if (joined[16] != 0)
    return Refuse(ParseKind::kNewer, "a record with flags, from a newer version");
  return WholeRecord(LoadLe<uint32_t>(joined.data() + 4), LoadLe<uint64_t>(joined.data() + 8),
                     joined.substr(kLogBatchHeaderBytes));
}

}  // namespace

uint64_t LogFraming::FramedSize(const Record& record, RecordId first_id, uint64_t offset) const {
  const uint64_t padding = Padding(offset);
  if (IsBatch(form_, record, first_id, offset + padding)) [[likely]] {
    return padding + kLogHeaderBytes + ShortHeaderBytes(record, first_id) + record.payload.size();
  }
  const uint64_t total = kLogBatchHeaderBytes + record.payload.size();
  const uint64_t first_max = LeftInBlock(offset + padding) - kLogHeaderBytes;
  if (total <= first_max) return padding + kLogHeaderBytes + total;
  const uint64_t later_fragments =
      (total - first_max + kLogFragmentPayloadMax - 1) / kLogFragmentPayloadMax;
  return padding + kLogHeaderBytes * (1 + later_fragments) + total;
}

uint64_t LogFraming::ControlSize(ControlKind kind, uint64_t offset) const {
  if (kind != ControlKind::kOpen) return Padding(offset) + kLogHeaderBytes;
  AIDB_CHECK(offset == 0);
  return kLogHeaderBytes + kLogOpenPayloadBytes;
}

void LogFraming::Encode(const Place& place, const Record& record, std::span<std::byte> out) const {
  AIDB_CHECK(record.ids > 0 && record.payload.size() <= payload_bytes_max_);
  AIDB_CHECK(out.size() == FramedSize(record, place.first_id, place.offset));
  char* at = reinterpret_cast<char*>(out.data());
  const uint64_t padding = Padding(place.offset);
  std::memset(at, 0, padding);
  at += padding;
  uint64_t offset = place.offset + padding;
  if (IsBatch(form_, record, place.first_id, offset)) [[likely]] {
    char* to = EncodeVarint(at + kLogHeaderBytes, record.ids);
    to = EncodeVarint(to, ToNumber(place.first_id));
    if (!record.payload.empty()) std::memcpy(to, record.payload.data(), record.payload.size());
    Seal(place, FragmentType::kBatch, offset, out.size() - padding - kLogHeaderBytes, at);
    return;
  }
  Source source(place, record);
  uint64_t left = kLogBatchHeaderBytes + record.payload.size();
  for (bool first = true; first || left > 0; first = false) {
    const uint64_t length = std::min(left, LeftInBlock(offset) - kLogHeaderBytes);
    left -= length;
    const FragmentType type = left == 0 ? (first ? FragmentType::kFull : FragmentType::kLast)
                                        : (first ? FragmentType::kFirst : FragmentType::kMiddle);
    source.Copy(at + kLogHeaderBytes, length);
    Seal(place, type, offset, length, at);
    at += kLogHeaderBytes + length;
    offset += kLogHeaderBytes + length;
  }
}

void LogFraming::EncodeControl(const Place& place, ControlKind kind, const OpenFacts& open,
                               std::span<std::byte> out) const {
  AIDB_CHECK(out.size() == ControlSize(kind, place.offset));
  const uint64_t padding = Padding(place.offset);
  char* at = reinterpret_cast<char*>(out.data());
  std::memset(at, 0, padding);
  at += padding;
  size_t length = 0;
  if (kind == ControlKind::kOpen) {
    EncodeOpen(place.file, open, form_, at + kLogHeaderBytes);
    length = kLogOpenPayloadBytes;
  }
  Seal(place, TypeOf(kind), place.offset + padding, length, at);
}

Parsed LogFraming::Parse(std::string_view bytes, bool more_follows, uint64_t offset,
                         const FileIdentity& file, std::string& scratch) const {
  const uint64_t padding = Padding(offset);
  if (bytes.size() < padding) {
    if (more_follows) return Refuse(ParseKind::kNeedMore, "");
    if (AllZero(bytes)) return Refuse(ParseKind::kFill, "");
    return Refuse(ParseKind::kBad, "bytes in the padding at a block's end");
  }
  if (!AllZero(bytes.substr(0, padding)))
    return Refuse(ParseKind::kBad, "bytes in the padding at a block's end");
  uint64_t at = padding;
  const Read first = ReadFragment(bytes.substr(at), more_follows, offset + at, file);
  if (first.kind != ParseKind::kRecord) return Refuse(first.kind, first.reason);
  if (IsNewer(first.fragment, form_))
    return Refuse(ParseKind::kNewer, "a fragment of a newer version");
  at += first.fragment.size;

  Parsed parsed;
  switch (first.fragment.type) {
    case FragmentType::kBatch:
      parsed = ParseBatch(first.fragment.payload);
      break;
    case FragmentType::kFull:
      parsed = ParseJoined(first.fragment.payload);
      break;
    case FragmentType::kFirst: {
      const Joined joined = Join(bytes, more_follows, offset, at, file, first.fragment.payload,
                                 kLogBatchHeaderBytes + payload_bytes_max_, form_, scratch);
      if (joined.kind != ParseKind::kRecord) return Refuse(joined.kind, joined.reason);
      parsed = ParseJoined(scratch);
      at = joined.end;
      break;
    }
    case FragmentType::kMiddle:
    case FragmentType::kLast:
      return Refuse(ParseKind::kBad, "the middle of a record without its beginning");
    default:
      parsed = ParseControl(first.fragment, offset, file, form_);
  }
  if (parsed.kind != ParseKind::kRecord && parsed.kind != ParseKind::kControl) return parsed;
  if (parsed.payload.size() > payload_bytes_max_)
    return Refuse(ParseKind::kBad, "a record above the size limit");
  parsed.size = at;
  // `behind` counts from the fragment; the caller counts from the padding in front of it.
  const uint32_t behind = first.fragment.behind;
  parsed.behind = behind == kBehindUnknown
                      ? behind
                      : static_cast<uint32_t>(behind - std::min<uint64_t>(behind, padding));
  return parsed;
}

std::optional<Evidence> LogFraming::FindEvidence(std::string_view bytes, uint64_t skip,
                                                 uint64_t offset, const FileIdentity& file) const {
  // A fragment names the low half of its file's number at byte 8. The search runs from one
  // occurrence of that number's lowest byte that is not zero to the next, at the speed of
  // memchr, and computes a checksum only where the whole header could be ours.
  const auto number = static_cast<uint32_t>(file.number);
  const unsigned rare = number == 0 ? 0 : static_cast<unsigned>(std::countr_zero(number)) / 8;
  const auto rare_byte = static_cast<uint8_t>(number >> (8 * rare));
  const uint64_t rare_at = 8 + rare;
  for (uint64_t at = skip; bytes.size() >= kLogHeaderBytes && at <= bytes.size() - kLogHeaderBytes;
       ++at) {
    const void* hit =
        std::memchr(bytes.data() + at + rare_at, rare_byte, bytes.size() - at - rare_at);
    if (hit == nullptr) return std::nullopt;
    at = static_cast<uint64_t>(static_cast<const char*>(hit) - bytes.data()) - rare_at;
    if (at > bytes.size() - kLogHeaderBytes) return std::nullopt;
    const char* header = bytes.data() + at;
    // A type this version does not know is evidence too; 0 was never written.
    if (LoadLe<uint32_t>(header + 8) != number || header[6] == 0) continue;
    if (Padding(offset + at) != 0) continue;
    const Read read = ReadFragment(bytes.substr(at), false, offset + at, file);
    if (read.kind != ParseKind::kRecord) continue;
    return Evidence{
        .offset = offset + at, .size = read.fragment.size, .behind = read.fragment.behind};
  }
  return std::nullopt;
}

std::optional<FileIdentity> LogFraming::ReadIdentity(std::string_view bytes) {
  constexpr uint64_t kSize = kLogHeaderBytes + kLogOpenPayloadBytes;
  if (bytes.size() < kSize) return std::nullopt;
  FileIdentity claimed;
  std::memcpy(claimed.journal_uuid.data(), bytes.data() + kLogHeaderBytes + 2, 16);
  claimed.number = LoadLe<uint64_t>(bytes.data() + kLogHeaderBytes + 18);
  const Read read = ReadFragment(bytes.substr(0, kSize), false, 0, claimed);
  if (read.kind != ParseKind::kRecord || read.fragment.size != kSize ||
      read.fragment.type != FragmentType::kOpen) {
    return std::nullopt;
  }
  return claimed;
}

}  // namespace aidb::lsm
