#include "aidb/lsm/dump.h"

#include <optional>
#include <string>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/escape.h"
#include "aidb/base/uuid.h"
#include "aidb/io/transfer.h"
#include "aidb/journal/identity.h"
#include "aidb/journal/ring.h"
#include "aidb/kv/ingester.h"
#include "aidb/kv/write_batch.h"
#include "aidb/lsm/dump_table.h"
#include "aidb/lsm/file_names.h"
#include "aidb/lsm/log_framing.h"
#include "aidb/lsm/manifest.h"
#include "aidb/lsm/operands.h"
#include "aidb/lsm/table_format.h"
#include "aidb/lsm/version_edit.h"

namespace aidb::lsm {
namespace {

using journal::ControlKind;
using journal::Parsed;
using journal::ParseKind;

constexpr uint64_t kFileBytesMax = uint64_t{1} << 31;
constexpr size_t kValueShown = 32;

std::string Number(uint64_t number) { return std::to_string(number); }

std::string OpenText(const journal::OpenFacts& open) {
  return "OPEN after " +
         (open.previous_number == 0
              ? "nothing"
              : LogName(open.previous_number) + " (" + Number(open.previous_end) + " bytes, " +
                    Number(open.previous_durable) + " durable)") +
         ", first sequence " + Number(ToNumber(open.first_id));
}

std::string BehindText(uint32_t behind) {
  return behind == journal::kBehindUnknown ? ", behind unknown" : ", behind " + Number(behind);
}

// A log or a manifest: the same framing with another payload.
class LogDump {
 public:
  LogDump(std::string_view bytes, const journal::FileIdentity& file, FileKind kind,
          const DumpLine& line)
      : bytes_(bytes), file_(file), kind_(kind), line_(line) {}

  void Run() {
    while (offset_ < bytes_.size()) {
      const Parsed parsed = framing_.Parse(bytes_.substr(offset_), false, offset_, file_, scratch_);
      if (parsed.kind == ParseKind::kFill) {
        line_(At() + Number(bytes_.size() - offset_) + " bytes of zeros to the end");
        return;
      }
      if (parsed.kind == ParseKind::kRecord || parsed.kind == ParseKind::kControl) {
        Print(parsed);
        offset_ += parsed.size;
      } else {
        SkipDamage(parsed.reason);
      }
    }
  }

 private:
  std::string At() const { return "offset " + Number(offset_) + ": "; }

  // To the next valid piece.
  void SkipDamage(const std::string& reason) {
    const auto piece = framing_.FindEvidence(bytes_, offset_ + 1, 0, file_);
    const uint64_t end = piece ? piece->offset : bytes_.size();
    line_(At() + "DAMAGED, " + Number(end - offset_) + " bytes skipped: " + reason);
    offset_ = end;
  }

  void Print(const Parsed& parsed) {
    if (parsed.kind == ParseKind::kControl) {
      line_(At() +
            (parsed.control == ControlKind::kOpen    ? OpenText(parsed.open)
             : parsed.control == ControlKind::kClose ? std::string("CLOSE")
                                                     : std::string("MARK")) +
            BehindText(parsed.behind));
      return;
    }
    const bool edit = kind_ == FileKind::kManifest;
    line_(At() + (edit ? "edit " : "batch from sequence ") + Number(ToNumber(parsed.first_id)) +
          ", " + Number(parsed.ids) + (edit ? " edit, " : " operations, ") +
          Number(parsed.payload.size()) + " bytes" + BehindText(parsed.behind));
    edit ? PrintEdit(parsed.payload) : PrintBatch(parsed);
  }

  void PrintBatch(const Parsed& parsed) {
    kv::WriteBatch::Reader reader(parsed.payload);
    std::string operand;
    for (uint64_t sequence = ToNumber(parsed.first_id);; ++sequence) {
      const auto operation = reader.Next();
      if (!operation.ok()) {
        line_("  DAMAGED: " + std::string(operation.status().message()));
        return;
      }
      if (!*operation) return;
      const Entry entry = EntryOf(**operation, Sequence{sequence}, operand);
      line_("  " + Number(sequence) + " " +
            EntryText(entry.kind, entry.key, entry.value, entry.expires_at_ms));
    }
  }

  void PrintTable(const AddedTable& added) {
    const TableFacts& facts = added.facts;
    line_("  add table " + TableName(facts.number) + " to level " + Number(added.level) + " run " +
          Number(added.run) + ": " + Number(facts.size_bytes) + " bytes, " + Number(facts.entries) +
          " entries, " + Number(facts.deletes) + " deletes, " +
          (facts.range_deletes == 0 ? std::string()
                                    : Number(facts.range_deletes) + " range deletes, ") +
          (facts.operands == 0 ? std::string() : Number(facts.operands) + " operands, ") +
          (facts.ingested ? "ingested, all as of sequence "
                          : "sequences " + Number(ToNumber(facts.lowest)) + " to ") +
          Number(ToNumber(facts.highest)) + ", keys " + KeyText(facts.first_key) + " to " +
          KeyText(facts.last_key));
  }

  void PrintEdit(std::string_view payload) {
    const auto edit = VersionEdit::Decode(payload);
    if (!edit.ok()) {
      line_("  DAMAGED: " + std::string(edit.status().message()));
      return;
    }
    const auto closed = [this](const char* what, const ClosedLog& log) {
      line_("  " + std::string(what) + " " + LogName(log.number) + ": " + Number(log.size_bytes) +
            " bytes, last sequence " + Number(ToNumber(log.last)));
    };
    if (edit->header) {
      line_("  header: format " + Number(edit->header->format) + ", uuid " +
            edit->header->uuid.ToString() + ", order of keys " + edit->header->comparator +
            ", a snapshot of " + Number(edit->header->snapshot_edits) + " edits");
    }
    if (edit->next_file_number) line_("  next file number " + Number(*edit->next_file_number));
    if (edit->last_sequence) line_("  last sequence " + Number(ToNumber(*edit->last_sequence)));
    if (edit->log_floor) line_("  log floor " + Number(*edit->log_floor));
    if (edit->clock_ms_max) line_("  highest clock " + std::to_string(*edit->clock_ms_max));
    if (edit->clean_shutdown) closed("closed in order, ends in", *edit->clean_shutdown);
    for (const ClosedLog& log : edit->closed_logs) closed("closed log", log);
    for (const CompactionPointer& pointer : edit->pointers) {
      line_("  level " + Number(pointer.level) + " goes on behind " + KeyText(pointer.key));
    }
    for (const RemovedTable& table : edit->removed) {
      line_("  remove table " + TableName(table.number) + " from level " + Number(table.level));
    }
    for (const AddedTable& table : edit->added) PrintTable(table);
    if (edit->ingest_sequence) {
      line_("  an ingest took sequence " + Number(ToNumber(*edit->ingest_sequence)));
    }
    for (const uint64_t number : edit->damaged)
      line_("  table " + TableName(number) + " is damaged");
  }

  const LogFraming framing_;
  const std::string_view bytes_;
  const journal::FileIdentity file_;
  const FileKind kind_;
  const DumpLine& line_;
  uint64_t offset_ = 0;
  std::string scratch_;
};

std::string_view DirectoryOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "." : path.substr(0, slash);
}

// From the file's own first record, else from JOURNAL or CURRENT beside it.
std::optional<journal::FileIdentity> IdentityFor(io::FileSystem& files, std::string_view path,
                                                 std::string_view bytes, const FileName& name) {
  if (const auto own = LogFraming::ReadIdentity(bytes)) return own;
  const std::string_view directory = DirectoryOf(path);
  if (name.kind == FileKind::kLog) {
    const auto identity = journal::ReadIdentity(files, directory);
    if (!identity.ok() || !*identity) return std::nullopt;
    return journal::FileIdentity{(*identity)->uuid, name.number};
  }
  const auto text = io::ReadWhole(files, io::JoinPath(directory, kCurrentName), 4096);
  const auto current = text.ok() ? CurrentFile::Decode(*text) : Result<CurrentFile>(text.status());
  if (!current.ok()) return std::nullopt;
  return journal::FileIdentity{current->uuid.bytes, name.number};
}

Status DumpLog(io::FileSystem& files, std::string_view path, const FileName& name,
               const DumpLine& line) {
  AIDB_ASSIGN_OR_RETURN(const std::string bytes, io::ReadWhole(files, path, kFileBytesMax));
  const auto identity = IdentityFor(files, path, bytes, name);
  if (!identity) {
    line("DAMAGED: does not say whose it is, and neither does a file beside it");
    return {};
  }
  line("number " + Number(identity->number) + ", uuid " + Uuid{identity->journal_uuid}.ToString() +
       ", " + Number(bytes.size()) + " bytes");
  LogDump(bytes, *identity, name.kind, line).Run();
  return {};
}

Status DumpCurrent(io::FileSystem& files, std::string_view path, const DumpLine& line) {
  AIDB_ASSIGN_OR_RETURN(const std::string bytes, io::ReadWhole(files, path, 4096));
  const auto current = CurrentFile::Decode(bytes);
  line(current.ok() ? "manifest " + ManifestName(current->manifest_number) + ", uuid " +
                          current->uuid.ToString()
                    : "DAMAGED: " + std::string(current.status().message()));
  return {};
}

Status DumpIdentity(io::FileSystem& files, std::string_view path, const DumpLine& line) {
  const auto identity = journal::ReadIdentity(files, DirectoryOf(path));
  if (!identity.ok()) {
    line("DAMAGED: " + std::string(identity.status().message()));
  } else if (*identity) {
    line("uuid " + Uuid{(*identity)->uuid}.ToString() + ", generation " +
         Number((*identity)->generation) + ", ring " +
         ((*identity)->ring_in_use ? "in use" : "not in use"));
  }
  return {};
}

Status DumpRing(io::FileSystem& files, std::string_view path, const DumpLine& line) {
  const auto damaged = [&line](const Status& why) {
    line("DAMAGED: " + std::string(why.message()));
    return Status();
  };
  AIDB_ASSIGN_OR_RETURN(const bool exists, files.Exists(path));
  if (!exists) return InvalidArgument(std::string(path) + ": there is no such file");
  const auto remains = journal::RingRemains::Read(files, DirectoryOf(path), files.BootId());
  if (!remains.ok()) return damaged(remains.status());
  if (!*remains) {
    line("empty");
    return {};
  }
  const auto mark = [](const std::optional<uint64_t>& position) {
    return position ? Number(*position) : std::string("DAMAGED");
  };
  line("uuid " + Uuid{(*remains)->uuid}.ToString() + ", generation " +
       Number((*remains)->generation) + ", " + Number((*remains)->ring_bytes) + " bytes, " +
       ((*remains)->same_boot ? "this boot" : "another boot"));
  line("published " + mark((*remains)->published) + ", written " + mark((*remains)->written) +
       ", durable " + mark((*remains)->durable));
  for (const journal::RingFile& file : (*remains)->files) {
    line("file " + LogName(file.number) + " starts at position " + Number(file.start));
  }
  return {};
}

}  // namespace

namespace {

std::string NoteText(std::string_view name, std::string_view value) {
  const auto note = kv::IngestNote::Decode(value);
  if (name != kv::IngestNote::kName || !note.ok()) return "note " + KeyText(name);
  std::string text = "ingest of";
  for (const kv::IngestedFile& file : note->files) {
    text += " " + KeyText(file.path) + " as " + TableName(file.table) + " with " +
            Number(file.entries) + " entries, keys " + KeyText(file.first_key) + " to " +
            KeyText(file.last_key) + ";";
  }
  text.pop_back();
  return text;
}

}  // namespace

std::string EntryText(OpKind kind, std::string_view key, std::string_view value,
                      uint64_t expires_at_ms) {
  if (kind == OpKind::kDelete) return "delete " + KeyText(key);
  if (kind == OpKind::kDeleteRange) {
    return "delete from " + KeyText(key) + " up to " + KeyText(value) + ", which stays";
  }
  if (kind == OpKind::kMerge && !value.empty()) {
    const Operand operand = OperandIn(value);
    return "merge " + KeyText(key) + " by operator " + Number(static_cast<uint64_t>(operand.op)) +
           " with \"" + EscapeForMessage(operand.bytes, kValueShown) + "\"";
  }
  if (kind == OpKind::kNote) return NoteText(key, value);
  const std::string text =
      "put " + KeyText(key) + " = \"" + EscapeForMessage(value, kValueShown) + "\"";
  return kv::Expires(kind) ? text + " until " + Number(expires_at_ms) : text;
}

Status DumpFile(io::FileSystem& files, std::string_view path, const DumpLine& line) {
  const size_t slash = path.rfind('/');
  const auto name = ParseFileName(slash == std::string_view::npos ? path : path.substr(slash + 1));
  if (!name) return InvalidArgument(std::string(path) + ": not the name of a store's file");
  switch (name->kind) {
    case FileKind::kLog:
    case FileKind::kManifest:
      return DumpLog(files, path, *name, line);
    case FileKind::kTable:
      return DumpTable(files, path, line);
    case FileKind::kCurrent:
      return DumpCurrent(files, path, line);
    case FileKind::kJournal:
      return DumpIdentity(files, path, line);
    case FileKind::kRing:
      return DumpRing(files, path, line);
    case FileKind::kLock:
    case FileKind::kQuarantine:
    case FileKind::kTemporary:
      break;
  }
  return InvalidArgument(std::string(path) + ": there is nothing in it to print");
}

}  // namespace aidb::lsm
