// Recovers a directory whose log file and ring hold arbitrary bytes around a valid journal.
//
//   input: u8 file to damage (0 log, 1 ring, 2 both) | u16 offset | u8 count | count bytes to put
//          there | … again, until the input ends
//
// Oracles: recovery ends; every record it gives is one that was written, in order; when it
// succeeds, a second recovery gives the same and cuts nothing.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/base/crc32c.h"
#include "aidb/base/hash.h"
#include "aidb/journal/memory_files_for_test.h"
#include "aidb/journal/numbered_files_for_test.h"
#include "aidb/journal/recovery.h"
#include "aidb/journal/toy_framing.h"

namespace aidb::journal {
namespace {

constexpr std::string_view kDirectory = "d";
constexpr int kRecords = 8;

std::string PayloadOf(uint64_t id) {
  return "payload " + std::to_string(id) + std::string(id * 5, '.');
}

// Two files: the first ended and known durable, the second of unknown fate.
std::map<uint64_t, std::string> TwoFiles(const ToyFraming& framing, const Identity& identity) {
  std::map<uint64_t, std::string> files;
  OpenFacts open{.first_id = RecordId{1}};
  for (uint64_t number = 1; number <= 2; ++number) {
    std::string& file = files[number];
    Place place{.file = {.journal_uuid = identity.uuid, .number = number}};
    const auto control = [&](ControlKind kind) {
      place.offset = file.size();
      place.behind = static_cast<uint32_t>(place.offset);
      file.resize(file.size() + framing.ControlSize(kind, place.offset));
      framing.EncodeControl(place, kind, open,
                            std::as_writable_bytes(std::span(file)).subspan(place.offset));
    };
    control(ControlKind::kOpen);
    for (uint64_t i = 1; i <= kRecords; ++i) {
      const uint64_t id = (number - 1) * kRecords + i;
      const std::string payload = PayloadOf(id);
      place.offset = file.size();
      place.first_id = RecordId{id};
      place.behind = 60;
      file.resize(file.size() +
                  framing.FramedSize({.payload = payload}, place.first_id, place.offset));
      framing.Encode(place, {.payload = payload},
                     std::as_writable_bytes(std::span(file)).subspan(place.offset));
    }
    if (number == 1) control(ControlKind::kClose);
    open = {.previous_number = 1,
            .previous_end = file.size(),
            .previous_durable = file.size(),
            .first_id = RecordId{kRecords + 1}};
  }
  return files;
}

// A ring that holds the newest bytes of both files.
std::string RingOf(const std::map<uint64_t, std::string>& logs, const Identity& identity) {
  std::string ring(Ring::kHeaderBytes + 4096, '\0');
  const auto word = [&](uint64_t at, uint64_t value) {
    StoreLe(ring.data() + at, value);
    StoreLe(ring.data() + at + 8, ~value ^ identity.generation);
  };
  ring.replace(0, 10, std::string_view("AIDBRING\1\0", 10));
  std::memcpy(ring.data() + 16, identity.uuid.data(), 16);
  StoreLe<uint64_t>(ring.data() + 32, identity.boot_hash);
  StoreLe<uint64_t>(ring.data() + 40, 4096);
  StoreLe<uint64_t>(ring.data() + 48, identity.generation);
  StoreLe<uint32_t>(ring.data() + 56, Crc32c(std::string_view(ring).substr(0, 56)));
  uint64_t position = 0;
  for (const auto& [number, bytes] : logs) {
    char* entry = ring.data() + Ring::kFilesAt + (number - 1) * Ring::kFileEntryBytes;
    StoreLe<uint64_t>(entry, position);
    StoreLe<uint64_t>(entry + 8, number);
    StoreLe<uint64_t>(entry + 16, identity.generation);
    StoreLe<uint64_t>(entry + 24, number - 1);
    StoreLe<uint32_t>(entry + 32, Crc32c(std::string_view(entry, 32)));
    bytes.copy(ring.data() + Ring::kHeaderBytes + position, bytes.size());
    position += bytes.size();
  }
  word(Ring::kPublishedAt, position);
  word(Ring::kWrittenAt, position - 100);
  word(Ring::kDurableAt, logs.at(1).size());
  return ring;
}

struct Outcome {
  bool ok = false;
  bool cut = false;
  std::map<uint64_t, std::string> records;
};

Outcome RecoverOnce(MemoryFiles& files, const Identity& identity) {
  const ToyFraming framing;
  const NumberedFiles names(9);
  JournalOptions options;
  options.directory = kDirectory;
  options.record_bytes_max = 4096;
  const RecoveryFloor floor{.number = 1, .first_id = RecordId{1}};
  Outcome outcome;
  const auto remains = RingRemains::Read(files, kDirectory, files.BootId());
  if (!remains.ok()) return outcome;
  RecoveryReport report;
  const auto recovered = Recover(
      {files, framing, names, options, floor, identity}, *remains,
      [&](uint64_t, RecordId id, uint32_t, std::string_view payload) {
        AIDB_CHECK(ToNumber(id) == outcome.records.size() + 1);
        outcome.records[ToNumber(id)] = payload;
        return Status();
      },
      report);
  outcome.ok = recovered.ok();
  outcome.cut = report.cut_anything();
  return outcome;
}

}  // namespace
}  // namespace aidb::journal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  using namespace aidb::journal;
  aidb::ByteReader reader({reinterpret_cast<const char*>(input), size});
  MemoryFiles files;
  Identity identity{.generation = 3, .boot_hash = aidb::Hash64(files.BootId())};
  identity.uuid.fill(7);
  std::map<uint64_t, std::string> logs = TwoFiles(ToyFraming(), identity);
  std::string ring = RingOf(logs, identity);
  while (const auto target = reader.Le<uint8_t>()) {
    const auto offset = reader.Le<uint16_t>();
    const auto count = reader.Le<uint8_t>();
    if (!offset || !count) break;
    const auto bytes = reader.Bytes(std::min<uint64_t>(*count, reader.left()));
    std::string& file = *target % 3 == 2 ? ring : logs[1 + *target % 3];
    file.replace(*offset % file.size(), std::min<size_t>(bytes->size(), file.size()), *bytes);
  }
  for (const auto& [number, bytes] : logs) {
    files.Put("d/" + NumberedFiles(1).NameOf(number), bytes);
  }
  if (size % 4 != 3) files.Put("d/ring", ring);
  const Outcome first = RecoverOnce(files, identity);
  for (const auto& [id, payload] : first.records) AIDB_CHECK(payload == PayloadOf(id));
  if (!first.ok) return 0;
  const Outcome second = RecoverOnce(files, identity);
  AIDB_CHECK(second.ok && !second.cut && second.records == first.records);
  return 0;
}
