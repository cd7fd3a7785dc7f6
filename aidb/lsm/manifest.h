#pragma once

// The manifest: which tables a store consists of, where its logs begin, and the file CURRENT
// that names the manifest in force (docs/formats/manifest.md, current.md).
//
// A manifest MANIFEST-N is a log file (log_framing.h) salted with N: OPEN, then one record per
// edit; ids count the edits from 1. Each edit is synced before the next one is written, and its
// record says so (`behind` 0). So a bad record with any piece of a later one behind it is rot,
// never a torn tail.
//
// A new manifest comes into force in six steps:
//
//   M1 write the snapshot, sync the file     M4 rename CURRENT.tmp to CURRENT
//   M2 sync the directory                    M5 sync the directory
//   M3 write CURRENT.tmp, sync it            M6 delete what was in force before
//
// Until M4 is durable the old pair holds, afterwards the new one; both are whole at every
// moment. Without M2 a directory that reorders may lose the file that CURRENT names.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/io/file_system.h"
#include "aidb/lsm/file_names.h"
#include "aidb/lsm/log_framing.h"
#include "aidb/lsm/manifest_state.h"

namespace aidb::lsm {

inline constexpr uint64_t kManifestRecordBytesMax = uint64_t{64} << 20;
// A manifest that outgrows its snapshot by this factor and margin is written anew.
inline constexpr uint64_t kManifestGrowthMax = 4;
inline constexpr uint64_t kManifestMarginBytes = uint64_t{1} << 20;
// More than any manifest can hold: 4 snapshots of a million tables.
inline constexpr uint64_t kManifestBytesMax = uint64_t{1} << 31;

// What CURRENT says.
struct CurrentFile {
  uint64_t manifest_number = 0;
  Uuid uuid;

  std::string Encode() const;
  static Result<CurrentFile> Decode(std::string_view bytes);

  bool operator==(const CurrentFile&) const = default;
};

// A manifest as it was read.
struct ManifestFound {
  ManifestState state;
  uint64_t number = 0;
  // Larger than the number of any file in the directory: new ones start here.
  uint64_t next_number_free = 1;
  // The last record, if a crash tore it: it was never acknowledged. Kept in quarantine/ when
  // the manifest is replaced.
  struct Torn {
    uint64_t offset = 0;
    uint64_t bytes = 0;
  };
  std::optional<Torn> torn;
};

// Reads the manifest in force and changes nothing. Nullopt when there is no store in
// `directory`. kCorruption, naming file, offset and next command, when CURRENT or the manifest
// is damaged, or when CURRENT is missing beside a store's files: never a fresh store over an
// old one. kInvalidArgument when a newer version wrote it.
Result<std::optional<ManifestFound>> ReadManifest(io::FileSystem& files,
                                                  std::string_view directory);

// Writes the manifest. An edit is durable once Append returned ok.
//
// Thread safety: one caller at a time.
// Lifetime: borrows the file system and the numbers.
class Manifest {
 public:
  // The first manifest of a new store, by M1–M6; `numbers` must start at NextNumberFree or
  // later, for an earlier attempt may have left files. No log and no table may be created before
  // this returns: their presence is what tells a store whose CURRENT was lost from none.
  static Result<std::unique_ptr<Manifest>> Create(io::FileSystem& files, std::string directory,
                                                  FileNumbers& numbers, const Uuid& uuid);
  // Likewise, of a store that begins with `state`, whose tables are there and durable.
  static Result<std::unique_ptr<Manifest>> Create(io::FileSystem& files, std::string directory,
                                                  FileNumbers& numbers, ManifestState state);
  // Goes on from what was read: a new manifest, by M1–M6. A torn tail is put in quarantine/
  // first. `numbers` must start at found.next_number_free or later.
  static Result<std::unique_ptr<Manifest>> Continue(io::FileSystem& files, std::string directory,
                                                    FileNumbers& numbers, ManifestFound found);

  // Makes `edit` part of the store, durably. It is stamped with the next file number.
  //
  // A manifest whose write or sync failed is dead (house rule 4): a new one with state and edit
  // is written by M1–M6. When that fails too the error comes back, and while edit_in_doubt() the
  // edit may or may not be part of the store: the caller deletes neither the files it names as
  // added nor those it names as removed. A later Append tries once more, without that edit; when
  // it succeeds, the edit is certainly no part of the store.
  // kInternal, and nothing happened, when the edit does not fit the state.
  Status Append(const VersionEdit& edit);

  // Whether a manifest that a crash may leave in force holds the edit of the last Append, which
  // failed. False: the edit is certainly not part of the store. Settled by the next success.
  bool edit_in_doubt() const { return edit_in_doubt_; }

  const ManifestState& state() const { return state_; }
  uint64_t number() const { return number_; }

 private:
  Manifest(io::FileSystem& files, std::string directory, FileNumbers& numbers);

  Status WriteRecord(std::string_view payload);
  Status WriteSnapshot(const ManifestState& state);
  // M1–M6. On success file_, number_, state_ and the sizes are those of the new manifest.
  Status Replace(ManifestState state);
  Status Prepare(const std::string& path, const ManifestState& state);
  // Removes a manifest that nothing names; returns `why`, saying so if it could not.
  Status Discard(const std::string& path, Status why);
  void RemoveOthers();
  std::string PathOf(std::string_view name) const;

  io::FileSystem& files_;
  const std::string directory_;
  FileNumbers& numbers_;
  const LogFraming framing_{kManifestRecordBytesMax, RecordForm::kFull};

  ManifestState state_;
  std::unique_ptr<io::File> file_;  // Null once dead.
  bool edit_in_doubt_ = false;
  uint64_t number_ = 0;
  uint64_t end_ = 0;             // Where the next record goes.
  uint64_t next_id_ = 1;         // Of the next record.
  uint64_t snapshot_bytes_ = 0;  // Size of the file when it came into force.
};

}  // namespace aidb::lsm
