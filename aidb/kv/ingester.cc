#include "aidb/kv/ingester.h"

#include <optional>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/escape.h"

namespace aidb::kv {
namespace {

// Of the value of a note (docs/formats/log.md).
constexpr uint64_t kNoteFormat = 1;

Status Malformed() { return Corruption("a note of an ingest is malformed"); }

}  // namespace

std::string IngestNote::Encode() const {
  std::string value;
  AppendVarint(value, kNoteFormat);
  AppendVarint(value, files.size());
  for (const IngestedFile& file : files) {
    AppendLengthPrefixed(value, file.path);
    AppendVarint(value, file.table);
    AppendVarint(value, file.size_bytes);
    AppendLe(value, file.crc);
    AppendVarint(value, file.entries);
    AppendVarint(value, file.range_deletes);
    AppendLengthPrefixed(value, file.first_key);
    AppendLengthPrefixed(value, file.last_key);
  }
  WriteBatch batch;
  batch.Add({.kind = OpKind::kNote, .key = kName, .value = value});
  return std::string(batch.operations());
}

Result<IngestNote> IngestNote::Decode(std::string_view value) {
  ByteReader reader(value);
  const std::optional<uint64_t> format = reader.Varint();
  if (!format) return Malformed();
  if (*format != kNoteFormat) {
    return InvalidArgument("a note of an ingest has format " + std::to_string(*format) +
                           ": a newer version wrote it");
  }
  const std::optional<uint64_t> count = reader.Varint();
  if (!count || *count > kIngestFilesMax) return Malformed();
  IngestNote note;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto path = reader.LengthPrefixed();
    const auto table = reader.Varint();
    const auto size_bytes = reader.Varint();
    const auto crc = reader.Le<uint32_t>();
    const auto entries = reader.Varint();
    const auto range_deletes = reader.Varint();
    const auto first_key = reader.LengthPrefixed();
    const auto last_key = reader.LengthPrefixed();
    if (!path || !table || !size_bytes || !crc || !entries || !range_deletes || !first_key ||
        !last_key) {
      return Malformed();
    }
    note.files.push_back({.path = std::string(*path),
                          .table = *table,
                          .size_bytes = *size_bytes,
                          .crc = *crc,
                          .entries = *entries,
                          .range_deletes = *range_deletes,
                          .first_key = std::string(*first_key),
                          .last_key = std::string(*last_key)});
  }
  if (!reader.empty()) return Malformed();
  return note;
}

Status CheckIngestCount(size_t files) {
  if (files == 0) return InvalidArgument("an ingest names no file");
  if (files <= kIngestFilesMax) return {};
  return InvalidArgument("an ingest of " + std::to_string(files) + " files; at most " +
                         std::to_string(kIngestFilesMax) + " are taken at once");
}

Status CheckIngestBelow(std::string_view path, std::string_view last_key, std::string_view below) {
  constexpr size_t kShown = 48;
  if (below.empty() || last_key < below) return {};
  return InvalidArgument("ingest " + std::string(path) + ": its last key is \"" +
                         EscapeForMessage(last_key, kShown) + "\"; keys from \"" +
                         EscapeForMessage(below, kShown) +
                         "\" on are kept otherwise here. Write them as a batch");
}

}  // namespace aidb::kv
