#pragma once

// Sorted files, made elsewhere, that become part of a store as they are.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/kv/types.h"
#include "aidb/kv/write_batch.h"

namespace aidb::kv {

// The most files that one ingest takes.
inline constexpr size_t kIngestFilesMax = 1024;

// One file of an ingest.
struct IngestedFile {
  std::string path{};  // As the caller named it.
  uint64_t table = 0;  // Its number in the store, if it became a table there; else 0.
  uint64_t size_bytes = 0;
  uint32_t crc = 0;      // crc32c of the whole file.
  uint64_t entries = 0;  // Values and deletes.
  uint64_t range_deletes = 0;
  std::string first_key{};  // Nothing in it lies before, ...
  std::string last_key{};   // ... or behind: no entry, and nothing that a range delete covers.

  bool operator==(const IngestedFile&) const = default;
};

// What the feed of a native store tells of an ingest (UpdateFeed): the one operation, of kind
// kNote, of an update. It names the files and does not hold what was in them: who follows the store
// ingests the same files into its own, or takes the keys between the bounds from a snapshot or a
// checkpoint. (Other stores write what the files hold, and tell it as any batch.)
struct IngestNote {
  std::vector<IngestedFile> files{};

  // The key of such a note.
  static constexpr std::string_view kName = "ingest";
  static bool Is(const WriteBatch::Operation& operation) {
    return operation.kind == OpKind::kNote && operation.key == kName;
  }

  // The operation, as a log holds it.
  std::string Encode() const;
  // Of the value of a note. kCorruption, or kInvalidArgument when a newer version wrote it.
  static Result<IngestNote> Decode(std::string_view value);

  bool operator==(const IngestNote&) const = default;
};

// Takes sorted files into a store: what fills it fastest.
//
// Thread safety: any thread.
class Ingester {
 public:
  virtual ~Ingester() = default;
  // ok: everything in `files` is in the store, and on the disk if the store keeps anything there,
  // as if one write had put it there, whose last sequence is returned. What it replaces, hides and
  // deletes, conditions that it breaks and what snapshots see: all as after that write. Of a file
  // the range deletes come first, then the rest. Reads go on meanwhile; writes wait while the files
  // get their place.
  //
  // A sorted file is what a SortedFileWriter or DB::Export made, of whatever store. Every byte of
  // each is verified first. The files share no key with each other, counting all that a range
  // delete covers. A native store gives everything one sequence, and takes the files over by hard
  // links where it can: so they must not be changed in place afterwards; they may be removed.
  //
  // kInvalidArgument for no file or more than kIngestFilesMax, for one that is missing or holds
  // several sequences, and for two that share keys: it names both. kCorruption for one that is
  // damaged or no sorted file, with file and offset. kUnavailable in a store opened read-only, or
  // closed. After all of these and kResourceExhausted nothing has happened. After kIoError the
  // whole ingest is there or nothing of it, once the store is opened again. No error harms the
  // files.
  //
  // With `below`, kInvalidArgument too for a file with keys from there on: DB has a meaning of its
  // own for these (keyspace.h).
  virtual Result<Sequence> Ingest(std::span<const std::string> files,
                                  std::string_view below = {}) = 0;
};

// Reads sorted files: for backends that have another format themselves.
//
// Thread safety: any thread.
class SortedFileSource {
 public:
  virtual ~SortedFileSource() = default;
  // Verifies every byte of every file, and that they go together; gives them in key order. Errors
  // as Ingester::Ingest has them.
  virtual Result<std::vector<IngestedFile>> Verify(std::span<const std::string> files) = 0;
  // Gives `visit` each operation in a verified file: the range deletes, then the rest in key order.
  // Ends with the first error.
  using Visit = std::function<Status(const WriteBatch::Operation&)>;
  virtual Status Read(const IngestedFile& file, const Visit& visit) = 0;
};

// For backends: kInvalidArgument for so many files.
Status CheckIngestCount(size_t files);
// For backends: kInvalidArgument for a file whose keys end with `last_key`, if that is not below
// `below`; empty is no bound.
Status CheckIngestBelow(std::string_view path, std::string_view last_key, std::string_view below);

}  // namespace aidb::kv
