// Reading CURRENT and the manifest it names. See manifest.h.

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>
#include <vector>

#include "aidb/base/bytes.h"
#include "aidb/base/crc32c.h"
#include "aidb/base/escape.h"
#include "aidb/io/transfer.h"
#include "aidb/lsm/manifest.h"
#include "aidb/lsm/repair_command.h"

namespace aidb::lsm {
namespace {

using journal::ControlKind;
using journal::Parsed;
using journal::ParseKind;

constexpr uint64_t kCurrentBytesMax = 4096;

// What an operator is told in the end.
std::string NextCommand(std::string_view directory) {
  return "; nothing was changed" + RepairCommand(directory);
}

std::string Hex8(uint32_t value) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", value);
  return text;
}

// The files of a store, by what they tell.
struct Listing {
  bool current = false;
  size_t logs_and_tables = 0;
};

Result<Listing> ListStore(const io::FileSystem& files, std::string_view directory) {
  AIDB_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(directory));
  Listing listing;
  for (const std::string& name : names) {
    const std::optional<FileName> parsed = ParseFileName(name);
    if (!parsed) continue;
    listing.current |= parsed->kind == FileKind::kCurrent;
    if (parsed->kind == FileKind::kLog || parsed->kind == FileKind::kTable)
      ++listing.logs_and_tables;
  }
  return listing;
}

// Reads one manifest's bytes record by record.
class Reader {
 public:
  Reader(std::string_view bytes, std::string path, const CurrentFile& current)
      : bytes_(bytes), path_(std::move(path)), file_{current.uuid.bytes, current.manifest_number} {}

  Status Run(ManifestFound& found) {
    AIDB_RETURN_IF_ERROR(ReadOpen());
    uint64_t edits_needed = 1;
    for (uint64_t edits = 0;; ++edits) {
      const Parsed parsed = ParseHere();
      if (parsed.kind == ParseKind::kNewer) return Newer(parsed.reason);
      if (parsed.kind != ParseKind::kRecord) return End(parsed, edits, edits_needed, found);
      if (parsed.ids != 1 || ToNumber(parsed.first_id) != edits + 1)
        return Bad("edit " + std::to_string(edits + 1) + " is missing");
      AIDB_RETURN_IF_ERROR(TakeEdit(parsed.payload, edits == 0, edits_needed, found.state));
      offset_ += parsed.size;
    }
  }

 private:
  Parsed ParseHere() {
    return framing_.Parse(bytes_.substr(offset_), false, offset_, file_, scratch_);
  }
  Status Bad(const std::string& why) const {
    return Corruption(path_ + " at offset " + std::to_string(offset_) + ": " + why);
  }
  Status Newer(const std::string& why) const {
    return InvalidArgument(path_ + " at offset " + std::to_string(offset_) +
                           " was written by a newer version of AiDb: " + why);
  }

  Status ReadOpen() {
    const Parsed parsed = ParseHere();
    if (parsed.kind == ParseKind::kNewer) return Newer(parsed.reason);
    if (parsed.kind != ParseKind::kControl || parsed.control != ControlKind::kOpen)
      return Bad(std::string("no beginning of this manifest: ") + parsed.reason);
    offset_ += parsed.size;
    return {};
  }

  Status TakeEdit(std::string_view payload, bool first, uint64_t& edits_needed,
                  ManifestState& state) {
    Result<VersionEdit> edit = VersionEdit::Decode(payload);
    if (!edit.ok())
      return std::move(edit).status().Annotate(path_ + " at offset " + std::to_string(offset_));
    if (first != edit->header.has_value()) return Bad("the header is not in the first edit");
    if (first) {
      if (edit->header->uuid.bytes != file_.journal_uuid) return Bad("the uuid is another one");
      edits_needed = edit->header->snapshot_edits;
    }
    if (const std::optional<std::string> why = state.Refusal(*edit)) return Bad("the edit " + *why);
    state.Apply(*edit);
    return {};
  }

  // The first thing that is no edit: the end, a torn tail, or rot.
  Status End(const Parsed& parsed, uint64_t edits, uint64_t edits_needed, ManifestFound& found) {
    if (parsed.kind == ParseKind::kControl) return Bad("a control where an edit should be");
    // The snapshot was synced before anything named this file.
    if (edits < edits_needed) {
      return Bad("only " + std::to_string(edits) + " of " + std::to_string(edits_needed) +
                 " edits of its snapshot are there. " + parsed.reason);
    }
    if (parsed.kind == ParseKind::kFill) return {};
    uint64_t skip = offset_ + 1;
    while (const auto piece = framing_.FindEvidence(bytes_, skip, 0, file_)) {
      // Pieces of the torn record itself claim no more than what is in front of it.
      if (piece->behind <= piece->offset && piece->offset - piece->behind > offset_) {
        return Bad(std::string(parsed.reason) + ", and the record at offset " +
                   std::to_string(piece->offset - piece->behind) + " behind it is whole");
      }
      skip = piece->offset + piece->size;
    }
    const size_t last = bytes_.find_last_not_of('\0');
    found.torn = ManifestFound::Torn{offset_, last + 1 - offset_};
    return {};
  }

  const LogFraming framing_{kManifestRecordBytesMax, RecordForm::kFull};
  const std::string_view bytes_;
  const std::string path_;
  const journal::FileIdentity file_;
  uint64_t offset_ = 0;
  std::string scratch_;
};

Status CheckNoStore(std::string_view directory, const Listing& listing) {
  if (listing.logs_and_tables == 0) return {};
  return Corruption(io::JoinPath(directory, kCurrentName) + " is missing beside " +
                    std::to_string(listing.logs_and_tables) + " logs and tables" +
                    NextCommand(directory));
}

Result<ManifestFound> ReadNamed(io::FileSystem& files, std::string_view directory) {
  const std::string current_path = io::JoinPath(directory, kCurrentName);
  AIDB_ASSIGN_OR_RETURN(const std::string line,
                        io::ReadWhole(files, current_path, kCurrentBytesMax));
  Result<CurrentFile> current = CurrentFile::Decode(line);
  if (!current.ok()) return std::move(current).status().Annotate(current_path);
  const std::string path = io::JoinPath(directory, ManifestName(current->manifest_number));
  AIDB_ASSIGN_OR_RETURN(const bool exists, files.Exists(path));
  if (!exists) return Corruption(current_path + " names " + path + ", which is missing");
  AIDB_ASSIGN_OR_RETURN(const std::string bytes, io::ReadWhole(files, path, kManifestBytesMax));
  ManifestFound found;
  found.number = current->manifest_number;
  AIDB_RETURN_IF_ERROR(Reader(bytes, path, *current).Run(found));
  AIDB_ASSIGN_OR_RETURN(const uint64_t unused, NextNumberFree(files, directory));
  found.next_number_free = std::max(found.state.next_file_number, unused);
  return found;
}

}  // namespace

std::string CurrentFile::Encode() const {
  const std::string text = ManifestName(manifest_number) + " " + uuid.ToString();
  return text + " " + Hex8(Crc32c(text)) + "\n";
}

Result<CurrentFile> CurrentFile::Decode(std::string_view bytes) {
  constexpr size_t kShown = 80;
  const auto bad = [&](const char* why) {
    return Corruption(std::string(why) + " in \"" + EscapeForMessage(bytes, kShown) + "\"");
  };
  const size_t name_end = bytes.find(' ');
  if (name_end == std::string_view::npos) return bad("no name of a manifest");
  const std::optional<FileName> name = ParseFileName(bytes.substr(0, name_end));
  if (!name || name->kind != FileKind::kManifest) return bad("no name of a manifest");
  const size_t uuid_end = bytes.find(' ', name_end + 1);
  if (uuid_end == std::string_view::npos) return bad("no uuid");
  const Result<Uuid> uuid = Uuid::Parse(bytes.substr(name_end + 1, uuid_end - name_end - 1));
  if (!uuid.ok()) return bad("no uuid");
  CurrentFile current{name->number, *uuid};
  if (current.Encode() != bytes) return bad("a checksum that does not match");
  return current;
}

Result<std::optional<ManifestFound>> ReadManifest(io::FileSystem& files,
                                                  std::string_view directory) {
  AIDB_ASSIGN_OR_RETURN(const Listing listing, ListStore(files, directory));
  if (!listing.current) {
    AIDB_RETURN_IF_ERROR(CheckNoStore(directory, listing));
    return std::optional<ManifestFound>();
  }
  Result<ManifestFound> found = ReadNamed(files, directory);
  if (found.ok()) return std::optional<ManifestFound>(*std::move(found));
  Status status = std::move(found).status();
  if (status.code() != StatusCode::kCorruption) return status;
  return Corruption(std::string(status.message()) + NextCommand(directory));
}

}  // namespace aidb::lsm
