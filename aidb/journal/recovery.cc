#include "aidb/journal/recovery.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "aidb/base/check.h"
#include "aidb/io/transfer.h"
#include "aidb/journal/chain.h"
#include "aidb/journal/quarantine.h"
#include "aidb/journal/replay.h"

namespace aidb::journal {
namespace {

// Collects what proves that bytes of files were durable, or acknowledged in this boot.
struct Proof {
  std::vector<std::pair<DurableEnd, const char*>> ends;

  // The largest proven end within file `number`, and who says so.
  std::pair<uint64_t, const char*> Of(uint64_t number) const {
    std::pair<uint64_t, const char*> best{0, ""};
    for (const auto& [end, source] : ends) {
      if (end.number == number && end.offset > best.first) best = {end.offset, source};
    }
    return best;
  }
};

class Recovery {
 public:
  Recovery(const RecoveryInput& input, const RecordSink& sink, RecoveryReport& report)
      : input_(input), sink_(sink), report_(report) {}

  Status AdoptRing(Ring& ring, const RingRemains& remains);
  Result<Recovered> Run();

 private:
  // How reading one file ended.
  struct End {
    uint64_t offset = 0;
    uint64_t claimed = 0;  // The largest end that its own records claim to be durable.
    bool complete = false;
    bool fill = false;
    std::string reason;
  };

  std::string PathOf(const FoundFile& file) const {
    return io::JoinPath(input_.options.directory, file.name);
  }
  Result<uint64_t> Splice(Ring& ring, uint64_t position, const RingFile& file, bool& closed);
  // Reads records up to `limit`, handing each to the sink.
  Result<End> Read(FoundFile& file, uint64_t limit, FileReport& report);
  // What is known of the bytes of file `index` behind `from`.
  struct Proven {
    uint64_t end = 0;
    const char* source = "";
    bool any_valid = false;  // A valid piece of a record lies behind `from`.
  };
  Result<Proven> ProvenEnd(size_t index, uint64_t from);
  // Decides what a file means that ends before its limit: kCorruption, or a verdict.
  Status Judge(size_t index, const End& end, FileReport& report);
  // Keeps and removes what lies behind `offset`; a whole file when it is 0 and `remove`.
  Status Cut(FoundFile& file, uint64_t offset, bool remove, FileReport& report);
  Status DropLeftover(FoundFile& file, uint64_t head_number);
  // Writes [proven, end) again and syncs the file.
  Status Harden(FoundFile& file, uint64_t proven, uint64_t end);
  Result<Recovered> RunReadOnly();
  // Reads, judges, cuts and hardens the chain in order; `kept` files of it stay.
  Status ReadChain(Recovered& state, size_t& kept);
  Status Lost(const std::string& path, uint64_t offset, const std::string& reason,
              const char* source, uint64_t proven_end) const;

  const RecoveryInput& input_;
  const RecordSink& sink_;
  RecoveryReport& report_;
  Proof proof_;
  Chain chain_;
  RecordId next_id_{};
};

Result<uint64_t> Recovery::Splice(Ring& ring, uint64_t position, const RingFile& file,
                                  bool& closed) {
  std::string bytes(ring.size(), '\0');
  ring.CopyOut(position, std::as_writable_bytes(std::span(bytes)));
  const FileIdentity identity = IdentityOf(input_, file.number);
  const uint64_t offset = position - file.start;
  uint64_t good = 0;
  std::string scratch;
  while (good < bytes.size() && !closed) {
    const Parsed parsed = input_.framing.Parse(std::string_view(bytes).substr(good), false,
                                               offset + good, identity, scratch);
    if (parsed.kind != ParseKind::kRecord && parsed.kind != ParseKind::kControl) break;
    closed = parsed.kind == ParseKind::kControl && parsed.control == ControlKind::kClose;
    good += parsed.size;
  }
  if (good == 0) return uint64_t{0};
  const std::string path = io::JoinPath(input_.options.directory, input_.names.NameOf(file.number));
  AIDB_ASSIGN_OR_RETURN(const bool exists, input_.files.Exists(path));
  if (!exists) return uint64_t{0};
  AIDB_ASSIGN_OR_RETURN(const auto target, input_.files.Open(path, io::OpenMode::kReadWrite));
  AIDB_RETURN_IF_ERROR(
      io::WriteFully(*target, offset, std::as_bytes(std::span(bytes).first(good))));
  AIDB_RETURN_IF_ERROR(target->Close());
  return good;
}

Status Recovery::AdoptRing(Ring& ring, const RingRemains& remains) {
  const auto file_at = [&](uint64_t position) {
    // Files are in order of use; the last that starts at or before the position holds it. The
    // difference is signed: a re-driven file starts "before" its first byte.
    const RingFile* best = nullptr;
    for (const RingFile& file : remains.files) {
      if (static_cast<int64_t>(position - file.start) >= 0) best = &file;
    }
    return best;
  };
  const auto add_proof = [&](uint64_t position, const char* source) {
    if (const RingFile* file = file_at(position)) {
      proof_.ends.push_back({{file->number, position - file->start}, source});
    }
  };
  if (remains.durable) add_proof(*remains.durable, "the ring's durable mark");

  // From the durable mark on, where the ring still holds those bytes: then even what a failed
  // write-back took from the file comes back.
  std::optional<uint64_t> from = remains.written;
  if (remains.durable && remains.published &&
      *remains.published - *remains.durable <= ring.size()) {
    from = remains.durable;
  }
  if (!from) {
    if (!remains.same_boot) return {};
    return Corruption("ring: no mark of written bytes is valid (offsets 576 and 640)");
  }
  uint64_t position = *from;
  for (int i = 0; i <= Ring::kFileSlots; ++i) {
    const RingFile* file = file_at(position);
    if (file == nullptr) break;
    bool closed = false;
    AIDB_ASSIGN_OR_RETURN(const uint64_t count, Splice(ring, position, *file, closed));
    position += count;
    report_.ring_bytes += count;
    if (!closed) break;
  }
  if (remains.same_boot && remains.published) {
    add_proof(*remains.published, "the ring's mark of acknowledged records");
    if (position < *remains.published) {
      const RingFile* file = file_at(position);
      return Corruption("ring: acknowledged records are damaged at " +
                        (file == nullptr ? "position " + std::to_string(position)
                                         : input_.names.NameOf(file->number) + " offset " +
                                               std::to_string(position - file->start)) +
                        "; " + std::to_string(*remains.published - position) +
                        " bytes of history are lost");
    }
  }
  return {};
}

Result<Recovery::End> Recovery::Read(FoundFile& file, uint64_t limit, FileReport& report) {
  End end;
  end.offset = file.open_size;
  while (true) {
    if (end.offset == limit) {
      end.complete = true;
      return end;
    }
    AIDB_ASSIGN_OR_RETURN(const Parsed parsed, file.scanner->ParseAt(end.offset, limit));
    if (parsed.kind == ParseKind::kNewer) {
      return InvalidArgument(PathOf(file) + " at offset " + std::to_string(end.offset) + ": " +
                             parsed.reason + "; open it with the release that wrote it");
    }
    const bool record = parsed.kind == ParseKind::kRecord;
    if (!record && parsed.kind != ParseKind::kControl) {
      end.fill = parsed.kind == ParseKind::kFill;
      end.reason = parsed.reason;
      return end;
    }
    if (record && parsed.first_id != next_id_) {
      end.reason = "a record has id " + std::to_string(ToNumber(parsed.first_id)) + ", " +
                   std::to_string(ToNumber(next_id_)) + " expected";
      return end;
    }
    if (record) {
      AIDB_RETURN_IF_ERROR(
          sink_(file.number, parsed.first_id, parsed.ids, parsed.payload)
              .Annotate(PathOf(file) + " at offset " + std::to_string(end.offset)));
      next_id_ = next_id_ + parsed.ids;
      ++report.records;
    }
    if (parsed.behind != kBehindUnknown && parsed.behind <= end.offset) {
      end.claimed = std::max(end.claimed, end.offset - parsed.behind);
    }
    end.offset += parsed.size;
  }
}

Result<Recovery::Proven> Recovery::ProvenEnd(size_t index, uint64_t from) {
  FoundFile& file = chain_.files[index];
  Proven best;
  const auto consider = [&](uint64_t end, const char* source) {
    if (end > best.end) {
      best.end = end;
      best.source = source;
    }
  };
  const auto known = proof_.Of(file.number);
  consider(known.first, known.second);
  AIDB_ASSIGN_OR_RETURN(const FileScanner::Behind behind, file.scanner->SearchFrom(from));
  best.any_valid = behind.any_valid;
  consider(behind.durable_end, "a later record of this file");
  if (index + 1 == chain_.files.size()) return best;

  const OpenFacts& next = chain_.files[index + 1].open;
  consider(next.previous_durable, "the head of the next file");
  for (size_t later = index + 1; later < chain_.files.size(); ++later) {
    FoundFile& follower = chain_.files[later];
    AIDB_ASSIGN_OR_RETURN(const auto proven, follower.scanner->SearchFrom(0));
    const uint64_t durable = std::max(proven.durable_end, proof_.Of(follower.number).first);
    if (durable > 0) consider(next.previous_end, "a durable record of a later file");
  }
  return best;
}

Status Recovery::Judge(size_t index, const End& end, FileReport& report) {
  FoundFile& file = chain_.files[index];
  const bool last = index + 1 == chain_.files.size();
  AIDB_ASSIGN_OR_RETURN(const Proven proven, ProvenEnd(index, end.offset));
  if (proven.end > end.offset) {
    return Lost(PathOf(file), end.offset, end.fill ? "nothing is written there" : end.reason,
                proven.source, proven.end);
  }
  report.reason = end.reason;
  if (last && end.fill && !proven.any_valid) {
    report.verdict = Verdict::kClean;
  } else {
    report.verdict = proven.any_valid || !last ? Verdict::kHole : Verdict::kTorn;
  }
  return {};
}

Status Recovery::Lost(const std::string& path, uint64_t offset, const std::string& reason,
                      const char* source, uint64_t proven_end) const {
  return Corruption(path + ": the record at offset " + std::to_string(offset) + " is damaged (" +
                    reason + "), but " + source + " proves that the file was good up to offset " +
                    std::to_string(proven_end) + "; history from id " +
                    std::to_string(ToNumber(next_id_)) +
                    " on would be lost. Nothing was cut: restore the file from a copy");
}

Status Recovery::Cut(FoundFile& file, uint64_t offset, bool remove, FileReport& report) {
  AIDB_ASSIGN_OR_RETURN(const bool only_fill, file.scanner->OnlyFillFrom(offset));
  const uint64_t size = file.scanner->size();
  if (!only_fill && report.verdict != Verdict::kSuperseded) {
    AIDB_ASSIGN_OR_RETURN(std::string kept,
                          KeepInQuarantine(input_.files, input_.options.directory, file.name,
                                           file.scanner->file(), offset, size));
    report.cut_bytes = size - offset;
    report_.quarantine.push_back(std::move(kept));
  }
  if (remove) return input_.files.Remove(PathOf(file));
  return offset < size ? file.scanner->file().Truncate(offset) : Status();
}

Status Recovery::DropLeftover(FoundFile& file, uint64_t head_number) {
  FileReport report{.number = file.number};
  if (file.number > head_number) {
    // Its head is bad: had anything of it been durable, dropping it would lose history.
    AIDB_ASSIGN_OR_RETURN(const auto behind, file.scanner->SearchFrom(0));
    const auto known = proof_.Of(file.number);
    const uint64_t proven = std::max(behind.durable_end, known.first);
    if (proven > 0) {
      return Lost(PathOf(file), 0, "the file does not begin as it must",
                  known.first > 0 ? known.second : "a later record of this file", proven);
    }
    report.verdict = behind.any_valid ? Verdict::kHole : Verdict::kUnused;
  } else {
    report.verdict = file.has_open ? Verdict::kSuperseded : Verdict::kUnused;
  }
  // The floor's file stays, empty: whoever opens next must find what the floor names.
  const bool remove = file.number != input_.floor.number;
  AIDB_RETURN_IF_ERROR(Cut(file, 0, remove, report));
  report_.files.push_back(std::move(report));
  return {};
}

Status Recovery::Harden(FoundFile& file, uint64_t proven, uint64_t end) {
  io::File& target = file.scanner->file();
  std::string buffer;
  for (uint64_t at = std::min(proven, end); at < end;) {
    buffer.resize(std::min<uint64_t>(end - at, uint64_t{1} << 20));
    AIDB_RETURN_IF_ERROR(io::ReadExact(target, at, std::as_writable_bytes(std::span(buffer))));
    AIDB_RETURN_IF_ERROR(io::WriteFully(target, at, std::as_bytes(std::span(buffer))));
    at += buffer.size();
  }
  return target.SyncAll().Annotate("sync " + PathOf(file));
}

Status Recovery::ReadChain(Recovered& state, size_t& kept) {
  for (bool cut = false; kept < chain_.files.size() && !cut; ++kept) {
    FoundFile& file = chain_.files[kept];
    const bool last = kept + 1 == chain_.files.size();
    const uint64_t limit = last ? UINT64_MAX : chain_.files[kept + 1].open.previous_end;
    FileReport report{.number = file.number};
    if (file.open.first_id != next_id_) {
      return Corruption(
          PathOf(file) + ": begins with id " + std::to_string(ToNumber(file.open.first_id)) + ", " +
          std::to_string(ToNumber(next_id_)) + " expected: the records between them are missing");
    }
    AIDB_ASSIGN_OR_RETURN(const End end, Read(file, limit, report));
    if (!end.complete) AIDB_RETURN_IF_ERROR(Judge(kept, end, report));
    report.end = end.offset;
    report_.records += report.records;
    state.last_number = file.number;
    state.last_end = end.offset;
    cut = !end.complete && report.verdict != Verdict::kClean;
    if (cut) AIDB_RETURN_IF_ERROR(Cut(file, end.offset, /*remove=*/false, report));
    AIDB_RETURN_IF_ERROR(
        Harden(file, std::max(end.claimed, proof_.Of(file.number).first), end.offset));
    report_.files.push_back(std::move(report));
  }
  return {};
}

Result<Recovered> Recovery::Run() {
  if (input_.floor.clean_end) {
    proof_.ends.push_back({*input_.floor.clean_end, "the mark of an orderly close"});
  }
  AIDB_ASSIGN_OR_RETURN(chain_, FindChain(input_));
  if (input_.read_only) return RunReadOnly();
  const auto names_previous = [&](const FoundFile& file) {
    if (!file.has_open) return;
    proof_.ends.push_back(
        {{file.open.previous_number, file.open.previous_durable}, "the head of a later file"});
  };
  std::for_each(chain_.leftover.begin(), chain_.leftover.end(), names_previous);

  next_id_ = input_.floor.first_id;
  Recovered state;
  size_t kept = 0;
  AIDB_RETURN_IF_ERROR(ReadChain(state, kept));
  const uint64_t head_number = chain_.files.empty() ? 0 : chain_.files.back().number;
  for (size_t i = chain_.files.size(); i-- > kept;) {
    FileReport report{.number = chain_.files[i].number, .verdict = Verdict::kHole};
    AIDB_RETURN_IF_ERROR(Cut(chain_.files[i], 0, /*remove=*/true, report));
    report_.files.push_back(std::move(report));
  }
  for (FoundFile& file : chain_.leftover) AIDB_RETURN_IF_ERROR(DropLeftover(file, head_number));
  AIDB_RETURN_IF_ERROR(input_.files.SyncDirectory(input_.options.directory));
  state.next_id = next_id_;
  report_.last_id = RecordId{ToNumber(next_id_) - 1};
  return state;
}

// Reads every file to where the next one, or the mark of the close, says that it ends.
Result<Recovered> Recovery::RunReadOnly() {
  next_id_ = input_.floor.first_id;
  const DurableEnd& clean_end = *input_.floor.clean_end;
  Recovered state;
  for (size_t i = 0; i < chain_.files.size(); ++i) {
    FoundFile& file = chain_.files[i];
    const bool last = i + 1 == chain_.files.size();
    const uint64_t limit = last ? clean_end.offset : chain_.files[i + 1].open.previous_end;
    FileReport report{.number = file.number};
    AIDB_ASSIGN_OR_RETURN(const End end, Read(file, limit, report));
    if (!end.complete) {
      return Lost(PathOf(file), end.offset, end.fill ? "nothing is written there" : end.reason,
                  "the mark of an orderly close", limit);
    }
    state.last_number = file.number;
    state.last_end = end.offset;
  }
  if (state.last_number != clean_end.number) {
    return Corruption(
        io::JoinPath(input_.options.directory, input_.names.NameOf(clean_end.number)) +
        ": the log that the store was closed with is damaged at offset 0");
  }
  state.next_id = next_id_;
  return state;
}

}  // namespace

Result<RecordId> ReplayClosed(const io::Env& env, const Framing& framing, const JournalFiles& names,
                              const JournalOptions& options, const RecoveryFloor& floor,
                              const RecordSink& sink) {
  AIDB_CHECK(floor.clean_end.has_value());
  AIDB_ASSIGN_OR_RETURN(const std::optional<Identity> identity,
                        ReadIdentity(env.files, options.directory));
  if (!identity) {
    return Corruption(io::JoinPath(options.directory, "JOURNAL") +
                      ": is missing, and without it the log cannot be read");
  }
  const RecoveryInput input{env.files, framing,           names, options, floor,
                            *identity, /*read_only=*/true};
  RecoveryReport report;
  Recovery recovery(input, sink, report);
  AIDB_ASSIGN_OR_RETURN(const Recovered recovered, recovery.Run());
  return recovered.next_id;
}

Result<Recovered> Recover(const RecoveryInput& input, Ring& ring,
                          const std::optional<RingRemains>& remains, const RecordSink& sink,
                          RecoveryReport& report) {
  if (input.floor.number != 0) {
    const std::string path =
        io::JoinPath(input.options.directory, input.names.NameOf(input.floor.number));
    AIDB_ASSIGN_OR_RETURN(const bool exists, input.files.Exists(path));
    if (!exists) {
      return Corruption(path + ": is missing, and the records from id " +
                        std::to_string(ToNumber(input.floor.first_id)) + " on begin there");
    }
  }
  Recovery recovery(input, sink, report);
  if (remains && !input.floor.clean_end) {
    if (remains->uuid != input.identity.uuid) {
      return Corruption("ring: belongs to another journal");
    }
    if (remains->generation > input.identity.generation) {
      return Corruption("JOURNAL: generation " + std::to_string(input.identity.generation) +
                        " is older than the ring's " + std::to_string(remains->generation) +
                        ": a stale copy of the file has been put back");
    }
    if (remains->generation == input.identity.generation) {
      AIDB_RETURN_IF_ERROR(recovery.AdoptRing(ring, *remains));
    } else {
      report.notes.push_back("the ring is of an earlier open and was not used");
    }
  }
  return recovery.Run();
}

}  // namespace aidb::journal
