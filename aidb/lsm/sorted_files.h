#pragma once

// Sorted files: tables of no store, to be taken into one as they are (kv/ingester.h).
//
//   auto file = SortedFileWriter::Create(env, "a.sst");
//   (*file)->Put("a", "1");                            // Keys ascend.
//   (*file)->Put("b", "2");
//   (*file)->Finish();
//   db->Ingest({"a.sst"});
//
// The format is that of tables (docs/formats/table.md), with one sequence for everything.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/io/env.h"
#include "aidb/kv/ingester.h"
#include "aidb/kv/options.h"

namespace aidb::lsm {

// What a sorted file looks like: as kv::Options has them.
struct SortedFileOptions {
  uint64_t block_bytes = kv::Options().block_bytes;
  int filter_bits_per_key = kv::Options().filter_bits_per_key;
  kv::Compression compression = kv::Options().compression;
};

// The largest value that a sorted file may hold.
inline constexpr uint64_t kSortedFileValueBytesMax = uint64_t{256} << 20;

// Writes one sorted file, front to back.
//
// Keys ascend, and none comes twice; so do ranges, which do not overlap. The two need not keep step
// with each other: of a file the range deletes come first, so a key in a deleted range is there.
//
// Nothing is to be done with the file before Finish. Without Finish, or after an error of it, the
// file is removed; what a crash leaves is no sorted file, and an ingest refuses it.
//
// Thread safety: none.
// Lifetime: borrows what `env` refers to.
class SortedFileWriter {
 public:
  // kInvalidArgument when there is a file `path`, or for options outside of their range.
  static Result<std::unique_ptr<SortedFileWriter>> Create(const io::Env& env, std::string_view path,
                                                          const SortedFileOptions& options = {});
  virtual ~SortedFileWriter() = default;

  // kInvalidArgument, and nothing happens, for a key or range out of order and for one above the
  // limits; any other error is for good.
  virtual Status Put(std::string_view key, std::string_view value) = 0;
  // A value that is absent from `expires_at_ms` on, in milliseconds since 1970.
  virtual Status PutUntil(std::string_view key, std::string_view value, uint64_t expires_at_ms) = 0;
  // Deletes what the store that takes the file holds of the key, if anything.
  virtual Status Delete(std::string_view key) = 0;
  // Likewise of all keys in [begin, end), which are some.
  virtual Status DeleteRange(std::string_view begin, std::string_view end) = 0;
  // One of these, as a reader of batches gives it; kInvalidArgument for any other.
  Status Add(const kv::WriteBatch::Operation& operation);
  // The last call. The file is on the disk. kInvalidArgument when nothing was added.
  virtual Result<kv::IngestedFile> Finish() = 0;

  // Bytes of the file so far, about.
  virtual uint64_t size_bytes() const = 0;
};

// For backends that have other files: reads sorted ones.
//
// Lifetime: borrows `files`.
std::unique_ptr<kv::SortedFileSource> NewSortedFileSource(io::FileSystem& files);

}  // namespace aidb::lsm
