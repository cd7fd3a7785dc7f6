// A whole file: the input is a script that writes records and controls, then damages them. It
// is read back through windows that grow on demand, as the journal reads, and must give what
// the slow reference reader gives from the whole file; and as long as nothing was damaged,
// exactly what was written.
//
// input: steps of {u8 step, u16 argument}

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/lsm/log_framing.h"
#include "aidb/lsm/log_reference_reader.h"

namespace {

using namespace aidb;
using lsm::LogFraming;

constexpr uint64_t kPayloadMax = 300'000;
constexpr uint64_t kFileMax = 400'000;

struct Script {
  std::string file;
  uint64_t things = 0;  // Written, controls included.
  bool damaged = false;
};

void WriteControl(Script& script, const LogFraming& framing, journal::Place place,
                  journal::ControlKind kind) {
  const uint64_t size = framing.ControlSize(kind, place.offset);
  script.file.resize(place.offset + size);
  framing.EncodeControl(place, kind, {.previous_number = 3, .first_id = journal::RecordId{1}},
                        std::as_writable_bytes(std::span(script.file)).subspan(place.offset));
  ++script.things;
}

void Step(Script& script, const LogFraming& framing, const journal::FileIdentity& identity,
          uint8_t step, uint16_t argument) {
  const uint64_t offset = script.file.size();
  const journal::Place place{identity, offset, journal::RecordId{script.things + 1},
                             argument % 3 == 0 ? journal::kBehindUnknown : argument};
  switch (step % 8) {
    case 0:
      if (offset == 0) WriteControl(script, framing, place, journal::ControlKind::kOpen);
      return;
    case 1:
      return WriteControl(script, framing, place, journal::ControlKind::kMark);
    case 2:
      return WriteControl(script, framing, place, journal::ControlKind::kClose);
    case 3:
      if (offset == 0) return;
      script.file[argument % offset] ^= static_cast<char>(1 << (step / 8 % 8));
      script.damaged = true;
      return;
    case 4:
      script.file.resize(offset - std::min<uint64_t>(offset, argument));
      script.damaged = true;
      return;
    default: {
      const uint64_t payload = step % 8 == 5 ? argument : argument % 200;
      if (offset + payload > kFileMax) return;
      const std::string operations(payload, static_cast<char>(argument));
      const journal::Record record{operations, 1};
      script.file.resize(offset + framing.FramedSize(record, place.first_id, offset));
      framing.Encode(place, record, std::as_writable_bytes(std::span(script.file)).subspan(offset));
      ++script.things;
    }
  }
}

// Reads one thing through a window that starts small.
journal::Parsed ReadAt(const LogFraming& framing, const std::string& file, uint64_t offset,
                       const journal::FileIdentity& identity, std::string& scratch) {
  for (uint64_t window = 1 + offset % 40;; window *= 3) {
    const std::string_view bytes = std::string_view(file).substr(offset, window);
    const bool more_follows = offset + bytes.size() < file.size();
    const journal::Parsed parsed = framing.Parse(bytes, more_follows, offset, identity, scratch);
    if (parsed.kind != journal::ParseKind::kNeedMore) return parsed;
    AIDB_CHECK(more_follows);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const journal::FileIdentity identity{.journal_uuid = {9, 8, 7}, .number = 0x1'0000'0142};
  const LogFraming framing(kPayloadMax);
  Script script;
  for (size_t i = 0; i + 3 <= size && i < 900; i += 3)
    Step(script, framing, identity, bytes[i], LoadLe<uint16_t>(bytes + i + 1));

  const auto items = lsm::reference::ReadAll(script.file, identity, kPayloadMax);
  if (!script.damaged) AIDB_CHECK(items.size() == script.things);
  uint64_t offset = 0;
  std::string scratch;
  for (const auto& item : items) {
    const journal::Parsed parsed = ReadAt(framing, script.file, offset, identity, scratch);
    AIDB_CHECK(parsed.size == item.size);
    if (item.type == 1) {
      AIDB_CHECK(parsed.kind == journal::ParseKind::kRecord);
      AIDB_CHECK(parsed.payload == item.operations);
    } else {
      AIDB_CHECK(parsed.kind == journal::ParseKind::kControl);
    }
    offset += parsed.size;
  }
  const journal::Parsed end = ReadAt(framing, script.file, offset, identity, scratch);
  AIDB_CHECK(end.kind != journal::ParseKind::kRecord && end.kind != journal::ParseKind::kControl);
  if (!script.damaged) AIDB_CHECK(end.kind == journal::ParseKind::kFill);
  return 0;
}
