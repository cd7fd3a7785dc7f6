// One Parse and one FindEvidence of arbitrary bytes at an arbitrary place. Oracles: the slow
// reference reader agrees, a record that parses takes exactly FramedSize bytes, and encoding it
// again gives a record that says the same.
//
// input: u8 flags | u16 offset in units of 1 | u8 file number | bytes. Flag 1 makes the first
// fragment's checksum right, flag 2 makes every plausible later one right too.

#include <algorithm>
#include <cstdint>
#include <string>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/lsm/log_framing.h"
#include "aidb/lsm/log_reference_reader.h"

namespace {

using namespace aidb;
using lsm::LogFraming;

constexpr uint64_t kPayloadMax = 70'000;

// Gives the fragment at file[at] its right checksum; returns where it ends.
uint64_t FixChecksum(std::string& file, uint64_t at, const journal::FileIdentity& identity) {
  if (at + 16 > file.size()) return file.size();
  const uint64_t length = LoadLe<uint16_t>(file.data() + at + 4);
  if (length > file.size() - at - 16) return file.size();
  std::string covered(identity.journal_uuid.begin(), identity.journal_uuid.end());
  AppendLe(covered, identity.number);
  AppendLe(covered, at);
  covered += file.substr(at + 4, 12 + length);
  StoreLe(file.data() + at, MaskCrc(Crc32c(covered)));
  return at + 16 + length;
}

void CheckRecord(const LogFraming& framing, const journal::Parsed& parsed, uint64_t offset,
                 const journal::FileIdentity& identity) {
  AIDB_CHECK(framing.FramedSize({parsed.payload, parsed.ids}, parsed.first_id, offset) ==
             parsed.size);
  std::string again(parsed.size, 'x');
  framing.Encode({identity, offset, parsed.first_id, parsed.behind}, {parsed.payload, parsed.ids},
                 std::as_writable_bytes(std::span(again)));
  std::string scratch;
  const journal::Parsed twice = framing.Parse(again, false, offset, identity, scratch);
  AIDB_CHECK(twice.kind == journal::ParseKind::kRecord);
  AIDB_CHECK(twice.payload == parsed.payload && twice.ids == parsed.ids);
  AIDB_CHECK(twice.first_id == parsed.first_id && twice.behind == parsed.behind);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 4 || size > 100'000) return 0;
  const uint64_t offset = LoadLe<uint16_t>(bytes + 1);
  const journal::FileIdentity identity{.journal_uuid = {1, 2, 3}, .number = bytes[3]};
  // The reference reads files from their beginning, so the bytes get one in front.
  std::string file(offset, '\0');
  file.append(reinterpret_cast<const char*>(bytes) + 4, size - 4);
  const uint64_t begin = lsm::reference::SkipPadding(offset);
  if ((bytes[0] & 1) != 0) {
    uint64_t at = FixChecksum(file, begin, identity);
    while ((bytes[0] & 2) != 0 && at < file.size()) at = FixChecksum(file, at, identity);
  }
  const std::string_view given = std::string_view(file).substr(offset);

  const LogFraming framing(kPayloadMax);
  std::string scratch;
  const journal::Parsed parsed = framing.Parse(given, false, offset, identity, scratch);
  const auto item = lsm::reference::ItemAt(file, offset, identity, kPayloadMax);
  const bool whole =
      parsed.kind == journal::ParseKind::kRecord || parsed.kind == journal::ParseKind::kControl;
  AIDB_CHECK(whole == item.has_value());
  if (whole) AIDB_CHECK(parsed.size == item->size);
  if (parsed.kind == journal::ParseKind::kRecord) {
    AIDB_CHECK(parsed.payload == item->operations && parsed.ids == item->count);
    // A whole record is written again in the form it has; one in several fragments has only one.
    const bool batch = file[begin + 6] == static_cast<char>(lsm::FragmentType::kBatch);
    const auto form = batch ? lsm::RecordForm::kBatch : lsm::RecordForm::kFull;
    CheckRecord(LogFraming(kPayloadMax, form), parsed, offset, identity);
  }
  AIDB_CHECK(parsed.kind != journal::ParseKind::kNeedMore);

  const auto evidence = framing.FindEvidence(given, 0, offset, identity);
  std::optional<lsm::reference::Piece> piece;
  for (uint64_t at = offset; at < file.size() && !piece; ++at) {
    piece = lsm::reference::PieceAt(file, at, identity);
    if (piece && piece->type == 0) piece.reset();
  }
  AIDB_CHECK(evidence.has_value() == piece.has_value());
  if (evidence) AIDB_CHECK(evidence->offset == piece->offset && evidence->behind == piece->behind);
  return 0;
}
