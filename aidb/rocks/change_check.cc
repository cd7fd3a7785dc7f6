#include "aidb/rocks/change_check.h"

#include <memory>
#include <string>
#include <vector>

#include <rocksdb/utilities/debug.h>

#include "aidb/rocks/rocks_status.h"

namespace aidb::rocks {
namespace {

constexpr size_t kVersionsPerPage = 256;

using Versions = std::vector<rocksdb::KeyVersion>;

Status ChangedKey(const std::string& key) {
  return Conflict("key \"" + key + "\" was written since the snapshot");
}

// All versions from the first key at or above `from`, newest first within a key, a page at most.
Result<Versions> ReadVersions(rocksdb::DB& db, const std::string& from, const std::string& to,
                              size_t count) {
  Versions versions;
  AIDB_RETURN_IF_ERROR(Translate(rocksdb::GetAllKeyVersions(&db, from, to, count, &versions)));
  return versions;
}

Status CheckKey(rocksdb::DB& db, const std::string& key, uint64_t since) {
  AIDB_ASSIGN_OR_RETURN(const Versions versions, ReadVersions(db, key, key, 1));
  if (!versions.empty() && versions[0].user_key == key && versions[0].sequence > since) {
    return ChangedKey(key);
  }
  // GetAllKeyVersions takes an unreadable block for the end; a plain read says so.
  rocksdb::PinnableSlice value;
  const rocksdb::Status read =
      db.Get(rocksdb::ReadOptions(), db.DefaultColumnFamily(), key, &value);
  return read.IsNotFound() ? Status() : Translate(read);
}

// A plain walk over the range, for its errors alone (see CheckKey).
Status CheckReadable(rocksdb::DB& db, const kv::ScanRange& range) {
  rocksdb::ReadOptions options;
  const rocksdb::Slice upper = range.upper ? rocksdb::Slice(*range.upper) : rocksdb::Slice();
  if (range.upper) options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> walk(db.NewIterator(options));
  for (walk->Seek(range.lower); walk->Valid(); walk->Next()) {
  }
  return Translate(walk->status());
}

Status CheckRange(rocksdb::DB& db, const kv::ScanRange& range, uint64_t since) {
  if (range.empty()) return {};
  std::string from = range.lower;
  while (true) {
    // An empty end means no end; an empty upper bound is an empty range.
    AIDB_ASSIGN_OR_RETURN(const Versions versions,
                          ReadVersions(db, from, range.upper.value_or(""), kVersionsPerPage));
    for (const rocksdb::KeyVersion& version : versions) {
      if (range.Contains(version.user_key) && version.sequence > since) {
        return ChangedKey(version.user_key);
      }
    }
    if (versions.size() < kVersionsPerPage) return CheckReadable(db, range);
    // The newest version of the last key was seen, for it comes first: go on behind that key.
    from = versions.back().user_key + '\0';
  }
}

}  // namespace

Status CheckUnchanged(rocksdb::DB& db, const kv::Precondition& unchanged, uint64_t since) {
  for (const std::string& key : unchanged.keys) AIDB_RETURN_IF_ERROR(CheckKey(db, key, since));
  for (const kv::ScanRange& range : unchanged.ranges) {
    AIDB_RETURN_IF_ERROR(CheckRange(db, range, since));
  }
  return {};
}

}  // namespace aidb::rocks
