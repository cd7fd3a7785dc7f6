#include "aidb/lsm/manifest.h"

#include <utility>
#include <vector>

#include "aidb/base/bytes.h"
#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/io/transfer.h"
#include "aidb/journal/quarantine.h"

namespace aidb::lsm {

Manifest::Manifest(io::FileSystem& files, std::string directory, FileNumbers& numbers)
    : files_(files), directory_(std::move(directory)), numbers_(numbers) {}

Result<std::unique_ptr<Manifest>> Manifest::Create(io::FileSystem& files, std::string directory,
                                                   FileNumbers& numbers, const Uuid& uuid) {
  ManifestState state;
  state.uuid = uuid;
  return Create(files, std::move(directory), numbers, std::move(state));
}

Result<std::unique_ptr<Manifest>> Manifest::Create(io::FileSystem& files, std::string directory,
                                                   FileNumbers& numbers, ManifestState state) {
  std::unique_ptr<Manifest> manifest(new Manifest(files, std::move(directory), numbers));
  AIDB_RETURN_IF_ERROR(manifest->Replace(std::move(state)));
  return manifest;
}

Result<std::unique_ptr<Manifest>> Manifest::Continue(io::FileSystem& files, std::string directory,
                                                     FileNumbers& numbers, ManifestFound found) {
  AIDB_CHECK(numbers.next() >= found.next_number_free);
  std::unique_ptr<Manifest> manifest(new Manifest(files, std::move(directory), numbers));
  if (found.torn) {
    const std::string name = ManifestName(found.number);
    AIDB_ASSIGN_OR_RETURN(const auto old, files.Open(manifest->PathOf(name), io::OpenMode::kRead));
    AIDB_ASSIGN_OR_RETURN(
        const std::string kept,
        journal::KeepInQuarantine(files, manifest->directory_, name, *old, found.torn->offset,
                                  found.torn->offset + found.torn->bytes));
  }
  AIDB_RETURN_IF_ERROR(manifest->Replace(std::move(found.state)));
  return manifest;
}

std::string Manifest::PathOf(std::string_view name) const { return io::JoinPath(directory_, name); }

Status Manifest::Append(const VersionEdit& edit) {
  edit_in_doubt_ = false;
  VersionEdit stamped = edit;
  stamped.next_file_number = numbers_.next();
  if (const std::optional<std::string> why = state_.Refusal(stamped))
    return Internal("edit of " + ManifestName(number_) + " " + *why);
  const std::string payload = stamped.Encode();
  if (payload.size() > kManifestRecordBytesMax) {
    return ResourceExhausted("an edit of " + std::to_string(payload.size()) +
                             " bytes; a manifest record holds at most " +
                             std::to_string(kManifestRecordBytesMax));
  }
  Status first_failure;
  if (file_ != nullptr && end_ < kManifestGrowthMax * snapshot_bytes_ + kManifestMarginBytes) {
    first_failure = WriteRecord(payload);
    if (first_failure.ok()) {
      state_.Apply(stamped);
      return {};
    }
  }
  ManifestState next = state_;
  next.Apply(stamped);
  Status replaced = Replace(std::move(next));
  if (!replaced.ok() && !first_failure.ok())
    return std::move(replaced).Annotate("after " + first_failure.ToString());
  return replaced;
}

Status Manifest::WriteRecord(std::string_view payload) {
  const journal::Record record{.payload = payload, .ids = 1};
  const journal::RecordId id{next_id_};
  std::string framed(framing_.FramedSize(record, id, end_), '\0');
  framing_.Encode(
      {.file = {state_.uuid.bytes, number_}, .offset = end_, .first_id = id, .behind = 0}, record,
      std::as_writable_bytes(std::span(framed)));
  if (Status status = io::WriteFully(*file_, end_, AsBytes(framed)); !status.ok()) {
    // A record that the page cache does not have whole, the disk does not have whole either.
    const Result<uint64_t> size = file_->Size();
    edit_in_doubt_ = !size.ok() || *size >= end_ + framed.size();
    return status;
  }
  edit_in_doubt_ = true;
  if (!AIDB_CANARY_HIT(kManifestNotSynced)) AIDB_RETURN_IF_ERROR(file_->SyncData());
  edit_in_doubt_ = false;
  end_ += framed.size();
  ++next_id_;
  return {};
}

Status Manifest::WriteSnapshot(const ManifestState& state) {
  const journal::FileIdentity identity{state.uuid.bytes, number_};
  const journal::OpenFacts open{.first_id = journal::RecordId{1}};
  std::string bytes(framing_.ControlSize(journal::ControlKind::kOpen, 0), '\0');
  framing_.EncodeControl({.file = identity, .behind = 0}, journal::ControlKind::kOpen, open,
                         std::as_writable_bytes(std::span(bytes)));
  next_id_ = 1;
  for (const VersionEdit& edit : state.Snapshot()) {
    const std::string payload = edit.Encode();
    const uint64_t offset = bytes.size();
    const journal::Record record{payload, 1};
    const journal::RecordId id{next_id_++};
    bytes.resize(offset + framing_.FramedSize(record, id, offset));
    framing_.Encode({identity, offset, id, 0}, record,
                    std::as_writable_bytes(std::span(bytes)).subspan(offset));
  }
  AIDB_RETURN_IF_ERROR(io::WriteFully(*file_, 0, AsBytes(bytes)));
  AIDB_RETURN_IF_ERROR(file_->SyncAll());
  end_ = bytes.size();
  snapshot_bytes_ = end_;
  return {};
}

Status Manifest::Replace(ManifestState state) {
  file_.reset();  // Dead or outgrown: never written or synced again.
  number_ = numbers_.Take();
  state.next_file_number = numbers_.next();
  const std::string path = PathOf(ManifestName(number_));
  if (Status status = Prepare(path, state); !status.ok()) {
    file_.reset();
    return Discard(path, std::move(status).Annotate("write " + path));
  }
  // M4: rename CURRENT.tmp to CURRENT. M5: sync the directory.
  if (Status status = io::RenameReplacement(files_, directory_, kCurrentName); !status.ok()) {
    // CURRENT may name either manifest: both stay.
    file_.reset();
    edit_in_doubt_ = true;
    return std::move(status).Annotate("put " + path + " in force");
  }
  edit_in_doubt_ = false;
  state_ = std::move(state);
  RemoveOthers();
  return {};
}

Status Manifest::Prepare(const std::string& path, const ManifestState& state) {
  // M1: write the snapshot, sync the file.
  AIDB_ASSIGN_OR_RETURN(file_, files_.Open(path, io::OpenMode::kCreateNew));
  AIDB_RETURN_IF_ERROR(WriteSnapshot(state));
  // M2: sync the directory, so that CURRENT can name the file.
  AIDB_RETURN_IF_ERROR(files_.SyncDirectory(directory_));
  // M3: write CURRENT.tmp, sync it.
  return io::WriteReplacement(files_, directory_, kCurrentName,
                              CurrentFile{number_, state.uuid}.Encode());
}

Status Manifest::Discard(const std::string& path, Status why) {
  const Result<bool> exists = files_.Exists(path);
  if (exists.ok() && !*exists) return why;
  // Nothing names it yet: left behind it is an orphan without effect.
  const Status removed = files_.Remove(path);
  if (removed.ok()) return why;
  return std::move(why).Annotate("left " + path + " behind (" + removed.ToString() + ")");
}

void Manifest::RemoveOthers() {
  // M6: delete what was in force before, and what failed tries left. A manifest that cannot be
  // deleted now is an orphan without effect; the next replacement tries again.
  const Result<std::vector<std::string>> names = files_.List(directory_);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::optional<FileName> parsed = ParseFileName(name);
    if (!parsed || parsed->kind != FileKind::kManifest || parsed->number == number_) continue;
    if (!files_.Remove(PathOf(name)).ok()) return;
  }
}

}  // namespace aidb::lsm
