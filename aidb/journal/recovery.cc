#include "aidb/journal/recovery.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "aidb/base/bytes.h"
#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/base/hash.h"
#include "aidb/io/transfer.h"
#include "aidb/journal/chain.h"
#include "aidb/journal/quarantine.h"
#include "aidb/journal/replay.h"

namespace aidb::journal {
namespace {

constexpr uint64_t kWindowBytes = uint64_t{1} << 20;
constexpr const char* kDurableMark = "the ring's durable mark";

// What is known of the ends of files from elsewhere than their own bytes.
struct Proof {
  struct End {
    DurableEnd at;
    const char* source;
  };
  std::vector<End> durable;
  std::vector<End> acknowledged;  // In this boot: the page cache has them, not yet the disk.
  uint64_t durable_below = 0;     // Files of smaller numbers are durable to their ends.

  static End Largest(const std::vector<End>& ends, uint64_t number, End best) {
    for (const End& end : ends) {
      if (end.at.number == number && end.at.offset > best.at.offset) best = end;
    }
    return best;
  }
  uint64_t DurableEndOf(uint64_t number) const {
    return Largest(durable, number, {{number, 0}, ""}).at.offset;
  }
  // What must be there, and who says so.
  End Of(uint64_t number) const {
    return Largest(acknowledged, number, Largest(durable, number, {{number, 0}, ""}));
  }
};

class Recovery {
 public:
  Recovery(const RecoveryInput& input, const RecordSink& sink, RecoveryReport& report)
      : input_(input), sink_(sink), report_(report) {}

  Status AdoptRing(const RingRemains& remains);
  Result<Recovered> Run();

 private:
  // How reading one file ended.
  struct End {
    uint64_t offset = 0;
    uint64_t claimed = 0;     // The largest end that its own records claim to be durable.
    uint64_t last_begin = 0;  // Where its last record begins.
    bool complete = false;
    bool fill = false;
    std::string reason;
  };

  std::string PathOf(const FoundFile& file) const {
    return io::JoinPath(input_.options.directory, file.name);
  }
  // Writes the valid records that `remains` holds of `file` from `position` on to their places,
  // looking at no more than `count` bytes. How far it got, and whether the file ends there.
  struct Spliced {
    uint64_t bytes = 0;
    bool closed = false;
  };
  Result<Spliced> Splice(const RingRemains& remains, uint64_t position, uint64_t count,
                         const RingFile& file);
  // Splices file by file from `from` on; returns how far it got.
  Result<uint64_t> SpliceAll(const RingRemains& remains, uint64_t from);
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
  // kCorruption when file `index` has records that the ring cannot but know, and does not.
  Status CheckRingIsNewest(size_t index, const End& end, const FileReport& report) const;
  // Syncs a file that ends at `end`, and writes again what is not known to be durable.
  Status Harden(size_t index, const End& end);
  bool AllDurable(size_t index) const;
  Status CheckNoneMissing();
  // Finds the file of a durable mark that is older than the ring's table.
  void PlaceDurableMark();
  Result<Recovered> RunReadOnly();
  Status Enter(size_t index);
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
  DurableEnd ring_end_;  // Where the bytes that only the ring held end.
  // A durable mark in front of all files that the ring's table still names.
  struct UnplacedMark {
    uint64_t position = 0;
    RingFile oldest;  // Of the table.
  };
  std::optional<UnplacedMark> unplaced_mark_;
};

// The file of the byte at `position`. Files are in order of use; the last that starts at or before
// it holds it. The difference is signed: a re-driven file starts "before" its first byte.
const RingFile* FileOf(const RingRemains& remains, uint64_t position) {
  const RingFile* best = nullptr;
  for (const RingFile& file : remains.files) {
    if (static_cast<int64_t>(position - file.start) >= 0) best = &file;
  }
  return best;
}

// Writes `bytes` to their place. Where the page cache cannot lie, what is there already may be
// durable and is left alone.
Status PlaceBytes(io::File& file, uint64_t offset, std::string_view bytes, bool even_if_there) {
  if (!even_if_there) {
    std::string there(bytes.size(), '\0');
    AIDB_ASSIGN_OR_RETURN(const size_t got,
                          io::ReadUpTo(file, offset, std::as_writable_bytes(std::span(there))));
    if (got == bytes.size() && there == bytes) return {};
  }
  return io::WriteFully(file, offset, AsBytes(bytes));
}

Result<Recovery::Spliced> Recovery::Splice(const RingRemains& remains, uint64_t position,
                                           uint64_t count, const RingFile& file) {
  Spliced spliced;
  const std::string path = io::JoinPath(input_.options.directory, input_.names.NameOf(file.number));
  AIDB_ASSIGN_OR_RETURN(const bool exists, input_.files.Exists(path));
  if (!exists) return spliced;
  AIDB_ASSIGN_OR_RETURN(const auto target, input_.files.Open(path, io::OpenMode::kReadWrite));
  const FileIdentity identity = IdentityOf(input_, file.number);
  // No record in the ring is larger than a quarter of it.
  const uint64_t window_bytes = std::min(remains.ring_bytes, remains.ring_bytes / 4 + kWindowBytes);
  std::string scratch;
  while (spliced.bytes < count && !spliced.closed) {
    const uint64_t left = count - spliced.bytes;
    AIDB_ASSIGN_OR_RETURN(const std::string window,
                          remains.BytesAt(position + spliced.bytes, std::min(left, window_bytes)));
    const uint64_t offset = position + spliced.bytes - file.start;
    uint64_t good = 0;
    while (good < window.size() && !spliced.closed) {
      const Parsed parsed =
          input_.framing.Parse(std::string_view(window).substr(good), window.size() < left,
                               offset + good, identity, scratch);
      if (parsed.kind != ParseKind::kRecord && parsed.kind != ParseKind::kControl) break;
      spliced.closed = parsed.kind == ParseKind::kControl && parsed.control == ControlKind::kClose;
      good += parsed.size;
    }
    if (good == 0) break;
    AIDB_RETURN_IF_ERROR(PlaceBytes(*target, offset, std::string_view(window).substr(0, good),
                                    /*even_if_there=*/remains.same_boot));
    spliced.bytes += good;
  }
  AIDB_RETURN_IF_ERROR(target->Close());
  return spliced;
}

Result<uint64_t> Recovery::SpliceAll(const RingRemains& remains, uint64_t from) {
  uint64_t position = from;
  for (int i = 0; i <= Ring::kFileSlots; ++i) {
    const RingFile* file = FileOf(remains, position);
    if (file == nullptr) break;
    AIDB_ASSIGN_OR_RETURN(const Spliced spliced,
                          Splice(remains, position, remains.ring_bytes - (position - from), *file));
    position += spliced.bytes;
    if (!spliced.closed) break;
  }
  report_.ring_bytes += position - from;
  return position;
}

Status Recovery::AdoptRing(const RingRemains& remains) {
  const std::string ring_path = io::JoinPath(input_.options.directory, Ring::kName);
  const auto proven = [&](uint64_t position, const char* source) -> Proof::End {
    // The file of the last byte in front of the mark; at the mark itself another may begin.
    const RingFile* file = position == 0 ? nullptr : FileOf(remains, position - 1);
    return file == nullptr ? Proof::End{{0, 0}, source}
                           : Proof::End{{file->number, position - file->start}, source};
  };
  if (remains.durable) {
    // Files become durable in order; those of earlier lives were, before this ring was begun.
    if (const RingFile* file = FileOf(remains, *remains.durable)) {
      proof_.durable_below = file->number;
    }
    proof_.durable.push_back(proven(*remains.durable, kDurableMark));
    if (*remains.durable > 0 && !remains.files.empty() &&
        FileOf(remains, *remains.durable - 1) == nullptr) {
      unplaced_mark_ = {.position = *remains.durable, .oldest = remains.files.front()};
    }
  }
  // A file is in the table before its owner can say that history begins there.
  if (remains.same_boot && !remains.files.empty() &&
      remains.files.back().number < input_.floor.number) {
    return Corruption(ring_path + ": knows no file behind " +
                      input_.names.NameOf(remains.files.back().number) + " (offset " +
                      std::to_string(Ring::kFilesAt) + "), but history begins in " +
                      input_.names.NameOf(input_.floor.number) +
                      ": a stale copy of the ring was put back, and what was acknowledged last is "
                      "lost. Nothing was changed: restore the file from a copy");
  }
  if (!remains.written) {
    if (!remains.same_boot) return {};
    return Corruption(
        ring_path + ": no mark of written bytes is valid at offset " +
        std::to_string(Ring::kWrittenAt) +
        "; the newest acknowledged records may be in it and nowhere else. Nothing was "
        "changed: restore the file from a copy");
  }
  // First from the durable mark on, as far as the ring still holds those bytes: then even what a
  // failed write-back took from a file comes back. Large records never were in the ring, and the
  // oldest of many small files have left its table; their bytes are in the page cache.
  if (remains.durable && *remains.durable < *remains.written && remains.published &&
      *remains.published - *remains.durable <= remains.ring_bytes) {
    AIDB_RETURN_IF_ERROR(SpliceAll(remains, *remains.durable).status());
  }
  // Then from the written mark on: these bytes are nowhere else.
  AIDB_ASSIGN_OR_RETURN(const uint64_t end, SpliceAll(remains, *remains.written));
  if (!remains.same_boot || !remains.published) return {};
  proof_.acknowledged.push_back(
      proven(*remains.published, "the ring's mark of acknowledged records"));
  ring_end_ = proven(end, "").at;
  if (end >= *remains.published) return {};
  const RingFile* file = FileOf(remains, end);
  return Corruption(
      ring_path + ": acknowledged records are damaged at " +
      (file == nullptr
           ? "position " + std::to_string(end)
           : input_.names.NameOf(file->number) + " offset " + std::to_string(end - file->start)) +
      "; " + std::to_string(*remains.published - end) +
      " bytes of history are lost. Nothing was changed: restore the file from a copy");
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
      return InvalidArgument(PathOf(file) + ": the record at offset " + std::to_string(end.offset) +
                             " is not known here (" + parsed.reason +
                             "); open it with the release that wrote it");
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
    const bool held = record && parsed.first_id < input_.floor.first_id;
    if (held && input_.floor.first_id < parsed.first_id + parsed.ids) {
      return Corruption(PathOf(file) + " at offset " + std::to_string(end.offset) +
                        ": holds ids on both sides of " +
                        std::to_string(ToNumber(input_.floor.first_id)) +
                        ", the first that is not stored elsewhere: it is not the log of this "
                        "store. Nothing was cut: put back the files that belong together");
    }
    if (record) {
      next_id_ = next_id_ + parsed.ids;
      end.last_begin = end.offset;
    }
    if (record && !held) {
      AIDB_RETURN_IF_ERROR(
          sink_(file.number, parsed.first_id, parsed.ids, parsed.payload)
              .Annotate(PathOf(file) + " at offset " + std::to_string(end.offset)));
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
  const Proof::End known = proof_.Of(file.number);
  consider(known.at.offset, known.source);
  AIDB_ASSIGN_OR_RETURN(const FileScanner::Behind behind, file.scanner->SearchFrom(from));
  best.any_valid = behind.any_valid;
  consider(behind.durable_end, "a later record of this file");
  if (index + 1 == chain_.files.size()) return best;

  // Files are published and become durable in order: anything that is proven of a later one
  // proves all of this one.
  const OpenFacts& next = chain_.files[index + 1].open;
  for (size_t later = index + 1; later < chain_.files.size(); ++later) {
    FoundFile& follower = chain_.files[later];
    AIDB_ASSIGN_OR_RETURN(const auto proven, follower.scanner->SearchFrom(0));
    const Proof::End known_later = proof_.Of(follower.number);
    if (proven.durable_end > 0) consider(next.previous_end, "a durable record of a later file");
    if (known_later.at.offset > 0) consider(next.previous_end, known_later.source);
  }
  return best;
}

Status Recovery::Judge(size_t index, const End& end, FileReport& report) {
  FoundFile& file = chain_.files[index];
  const bool last = index + 1 == chain_.files.size();
  AIDB_ASSIGN_OR_RETURN(const Proven proven, ProvenEnd(index, end.offset));
  if (proven.end > end.offset && !AIDB_CANARY_HIT(kProofIgnored)) {
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

// What is written was published before, but for the one record that passes by the ring.
Status Recovery::CheckRingIsNewest(size_t index, const End& end, const FileReport& report) const {
  if (proof_.acknowledged.empty()) return {};
  // What came out of the ring just now it knows, of course.
  DurableEnd known_end = proof_.acknowledged.front().at;
  if (ring_end_.number > known_end.number ||
      (ring_end_.number == known_end.number && ring_end_.offset > known_end.offset)) {
    known_end = ring_end_;
  }
  const auto known = std::find_if(chain_.files.begin(), chain_.files.end(),
                                  [&](const FoundFile& f) { return f.number == known_end.number; });
  if (known == chain_.files.end()) return {};
  const auto known_index = static_cast<size_t>(known - chain_.files.begin());
  bool ahead = index == known_index && end.last_begin > known_end.offset;
  if (index > known_index && report.records > 1) {
    // A file that a re-drive made repeats what the ring knows; one that a roll began does not.
    ahead = chain_.files[known_index + 1].open.previous_end > known_end.offset;
  }
  if (!ahead) return {};
  return Corruption(io::JoinPath(input_.options.directory, Ring::kName) +
                    ": says at offset 512 that acknowledged records end in " + known->name +
                    " at offset " + std::to_string(known_end.offset) + ", but " +
                    chain_.files[index].name + " goes on to offset " + std::to_string(end.offset) +
                    ": a stale copy of the ring was put back, and what was acknowledged last is "
                    "lost. Nothing was cut: restore the file from a copy");
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
    const Proof::End known = proof_.Of(file.number);
    const uint64_t proven = std::max(behind.durable_end, known.at.offset);
    if (proven > 0) {
      return Lost(PathOf(file), 0,
                  file.has_open ? "a file that it continues is missing or damaged"
                                : "the file does not begin as it must",
                  known.at.offset > 0 ? known.source : "a later record of this file", proven);
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

bool Recovery::AllDurable(size_t index) const {
  if (input_.identity.boot_hash != Hash64(input_.files.BootId())) return true;
  if (chain_.files[index].number < proof_.durable_below) return true;
  return std::any_of(chain_.files.begin() + static_cast<long>(index) + 1, chain_.files.end(),
                     [&](const FoundFile& f) { return proof_.DurableEndOf(f.number) > 0; });
}

Status Recovery::Harden(size_t index, const End& end) {
  FoundFile& file = chain_.files[index];
  io::File& target = file.scanner->file();
  if (AIDB_CANARY_HIT(kTailBelieved)) return {};
  std::string buffer;
  const uint64_t proven = std::max(end.claimed, proof_.DurableEndOf(file.number));
  for (uint64_t at = AllDurable(index) ? end.offset : proven; at < end.offset;) {
    buffer.resize(std::min<uint64_t>(end.offset - at, kWindowBytes));
    AIDB_RETURN_IF_ERROR(io::ReadExact(target, at, std::as_writable_bytes(std::span(buffer))));
    AIDB_RETURN_IF_ERROR(io::WriteFully(target, at, std::as_bytes(std::span(buffer))));
    at += buffer.size();
  }
  return target.SyncAll().Annotate("sync " + PathOf(file));
}

// Checks that file `index` begins with the next record. Two things are no gap: a re-drive gathers
// several files in one, of which the owner may hold the first records elsewhere; and what it
// holds elsewhere may have been lost here.
Status Recovery::Enter(size_t index) {
  const FoundFile& file = chain_.files[index];
  const RecordId begin = file.open.first_id;
  const bool held = begin <= input_.floor.first_id;
  if (index == 0 ? held : begin == next_id_ || (held && begin > next_id_)) {
    next_id_ = begin;
    return {};
  }
  return Corruption(PathOf(file) + ": begins at offset " + std::to_string(file.open_size) +
                    " with id " + std::to_string(ToNumber(begin)) + ", " +
                    std::to_string(ToNumber(next_id_)) +
                    " expected: the records between them are missing, or the file is not the one "
                    "that follows. Nothing was cut: put back the files that belong together");
}

Status Recovery::ReadChain(Recovered& state, size_t& kept) {
  for (bool cut = false; kept < chain_.files.size() && !cut; ++kept) {
    FoundFile& file = chain_.files[kept];
    const bool last = kept + 1 == chain_.files.size();
    const uint64_t limit = last ? UINT64_MAX : chain_.files[kept + 1].open.previous_end;
    FileReport report{.number = file.number};
    AIDB_RETURN_IF_ERROR(Enter(kept));
    AIDB_ASSIGN_OR_RETURN(const End end, Read(file, limit, report));
    if (!end.complete) AIDB_RETURN_IF_ERROR(Judge(kept, end, report));
    AIDB_RETURN_IF_ERROR(CheckRingIsNewest(kept, end, report));
    report.end = end.offset;
    report_.records += report.records;
    state.last_number = file.number;
    state.last_end = end.offset;
    cut = !end.complete && report.verdict != Verdict::kClean;
    if (cut) AIDB_RETURN_IF_ERROR(Cut(file, end.offset, /*remove=*/false, report));
    AIDB_RETURN_IF_ERROR(Harden(kept, end));
    state.files.push_back({.number = file.number,
                           .first_id = file.open.first_id,
                           .next_id = next_id_,
                           .end = end.offset});
    report_.files.push_back(std::move(report));
  }
  return {};
}

// A file of which bytes are proven must be there: in the chain, or, when it is older than the
// newest of the chain, superseded.
Status Recovery::CheckNoneMissing() {
  const uint64_t head_number = chain_.files.empty() ? 0 : chain_.files.back().number;
  for (const auto* ends : {&proof_.durable, &proof_.acknowledged}) {
    for (const Proof::End& end : *ends) {
      const uint64_t number = end.at.number;
      if (end.at.offset == 0 || number <= head_number || number < input_.floor.number) continue;
      const bool there = std::any_of(chain_.leftover.begin(), chain_.leftover.end(),
                                     [&](const FoundFile& f) { return f.number == number; });
      if (there) continue;  // DropLeftover looks at it.
      return Corruption(io::JoinPath(input_.options.directory, input_.names.NameOf(number)) +
                        ": is missing, but " + end.source +
                        " proves that it was good up to offset " + std::to_string(end.at.offset) +
                        ". Nothing was cut: restore the file from a copy");
    }
  }
  return {};
}

// The table of the ring names the newest files only, and under the Async strategy more than those
// may be unsynced. The heads of the files lead back from its oldest: a file begins where the one
// before it ends. Without this, Harden would write durable bytes again, and a power cut could
// take them, of which an older page of the ring still has the proof.
//
// A file that a re-drive made begins not where the one before it ends, but it was durable, and
// with it all in front of it, before the table named it: what follows from its head is true, too.
void Recovery::PlaceDurableMark() {
  if (!unplaced_mark_) return;
  const auto oldest =
      std::find_if(chain_.files.begin(), chain_.files.end(),
                   [&](const FoundFile& f) { return f.number == unplaced_mark_->oldest.number; });
  if (oldest == chain_.files.end()) return;
  uint64_t start = unplaced_mark_->oldest.start;
  for (auto file = oldest; file != chain_.files.begin(); --file) {
    start -= file->open.previous_end;
    if (static_cast<int64_t>(unplaced_mark_->position - 1 - start) < 0) continue;
    const uint64_t number = std::prev(file)->number;
    proof_.durable.push_back({{number, unplaced_mark_->position - start}, kDurableMark});
    proof_.durable_below = std::max(proof_.durable_below, number);
    return;
  }
}

Result<Recovered> Recovery::Run() {
  if (input_.floor.clean_end) {
    proof_.durable.push_back({*input_.floor.clean_end, "the mark of an orderly close"});
  }
  AIDB_ASSIGN_OR_RETURN(chain_, FindChain(input_));
  if (input_.read_only) return RunReadOnly();
  for (const auto* files : {&chain_.files, &chain_.leftover}) {
    for (const FoundFile& file : *files) {
      if (!file.has_open) continue;
      proof_.durable.push_back(
          {{file.open.previous_number, file.open.previous_durable}, "the head of a later file"});
    }
  }
  PlaceDurableMark();
  AIDB_RETURN_IF_ERROR(CheckNoneMissing());

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
  for (const std::string& name : chain_.temporary) {
    AIDB_RETURN_IF_ERROR(input_.files.Remove(io::JoinPath(input_.options.directory, name)));
  }
  AIDB_RETURN_IF_ERROR(input_.files.SyncDirectory(input_.options.directory));
  next_id_ = std::max(next_id_, input_.floor.first_id);
  state.next_id = next_id_;
  report_.last_id = RecordId{ToNumber(next_id_) - 1};
  return state;
}

// Reads every file to where the next one, or the mark of the close, says that it ends. Files
// behind that mark are left over from an open that was interrupted before it took a record.
Result<Recovered> Recovery::RunReadOnly() {
  next_id_ = input_.floor.first_id;
  const DurableEnd& clean_end = *input_.floor.clean_end;
  Recovered state;
  for (size_t i = 0; i < chain_.files.size(); ++i) {
    FoundFile& file = chain_.files[i];
    const bool behind = file.number > clean_end.number;
    const bool last = i + 1 == chain_.files.size() || file.number == clean_end.number;
    const uint64_t file_end = last ? clean_end.offset : chain_.files[i + 1].open.previous_end;
    FileReport report{.number = file.number};
    AIDB_RETURN_IF_ERROR(Enter(i));
    AIDB_ASSIGN_OR_RETURN(const End end, Read(file, behind ? UINT64_MAX : file_end, report));
    if (behind && report.records > 0) {
      return Corruption(PathOf(file) + ": holds records at offset " +
                        std::to_string(file.open_size) +
                        ", though the store is said to have been closed before the file was begun: "
                        "put back the files that belong together, or open it for writing");
    }
    if (behind) continue;
    if (!end.complete) {
      return Lost(PathOf(file), end.offset, end.fill ? "nothing is written there" : end.reason,
                  "the mark of an orderly close", file_end);
    }
    report_.records += report.records;
    state.last_number = file.number;
    state.last_end = end.offset;
  }
  if (state.last_number != clean_end.number) {
    return Corruption(
        io::JoinPath(input_.options.directory, input_.names.NameOf(clean_end.number)) +
        ": the log that the store was closed with is damaged at offset 0, or missing. Nothing was "
        "changed: restore the file from a copy");
  }
  state.next_id = std::max(next_id_, input_.floor.first_id);
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
    return IdentityIsMissing(options.directory, "the log");
  }
  const RecoveryInput input{env.files, framing,           names, options, floor,
                            *identity, /*read_only=*/true};
  RecoveryReport report;
  Recovery recovery(input, sink, report);
  AIDB_ASSIGN_OR_RETURN(const Recovered recovered, recovery.Run());
  return recovered.next_id;
}

Result<Recovered> Recover(const RecoveryInput& input, const std::optional<RingRemains>& remains,
                          const RecordSink& sink, RecoveryReport& report) {
  if (input.floor.number != 0) {
    const std::string path =
        io::JoinPath(input.options.directory, input.names.NameOf(input.floor.number));
    AIDB_ASSIGN_OR_RETURN(const bool exists, input.files.Exists(path));
    if (!exists) {
      return Corruption(path + ": is missing, and the records from id " +
                        std::to_string(ToNumber(input.floor.first_id)) +
                        " on begin there. Nothing was changed: restore the file from a copy");
    }
  }
  Recovery recovery(input, sink, report);
  if (remains && !AIDB_CANARY_HIT(kRingIgnored)) {
    AIDB_RETURN_IF_ERROR(recovery.AdoptRing(*remains));
  }
  return recovery.Run();
}

}  // namespace aidb::journal
