#pragma once

// Files as the engine sees them: thin, honest, and weak enough for every real kernel.
//
// Reads and writes may be short, as the system's are; io/transfer.h has the loops with a limit.
// Data is read with pread and never mapped: a truncated mapped file is a signal. The one
// mapping is SharedRegion, the log's ring, which is zero-filled before it is mapped.
//
// What survives: a killed process loses nothing that Write returned; a power cut loses what no
// sync covered, and a directory entry (create, rename, remove, link) until SyncDirectory on its
// directory. Syncing a file does not make its name durable.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"

namespace aidb::io {

// One open file description.
//
// Thread safety: any thread may call any method; overlapping writes are the caller's business.
class File {
 public:
  // Closing happens here if Close was not called; its error is then lost.
  virtual ~File() = default;

  // Reads up to out.size() bytes at `offset`. Returns the count; 0 only at or past the end, or
  // when `out` is empty. May be short anywhere.
  virtual Result<size_t> Read(uint64_t offset, std::span<std::byte> out) const = 0;
  // Writes up to all bytes of both spans, one after the other, at `offset`; the second may be
  // empty (the ring wraps). Returns the count, at least 1 when there was anything to write.
  // kResourceExhausted when the disk is full.
  virtual Result<size_t> Write(uint64_t offset, std::span<const std::byte> first,
                               std::span<const std::byte> second) = 0;
  // Makes data and the size durable (fdatasync). After an error this file must never be synced
  // again (house rule 4).
  virtual Status SyncData() = 0;
  // SyncData, and all metadata (fsync).
  virtual Status SyncAll() = 0;
  virtual Status Truncate(uint64_t size) = 0;
  // Reserves space up to `size`; neither the bytes nor Size change. A promise the disk may still
  // break at sync, and where it cannot be made at all this succeeds and does nothing.
  virtual Status Allocate(uint64_t size) = 0;
  virtual Result<uint64_t> Size() const = 0;
  // May fail; the descriptor is gone either way. No other call may be running, none may follow.
  virtual Status Close() = 0;
  // For messages.
  virtual std::string_view path() const = 0;
};

// A file of fixed size whose bytes are shared memory: they outlive the process with the page
// cache, and a power cut keeps any subset of its pages.
//
// Thread safety: the bytes are memory; its users order their own accesses.
class SharedRegion {
 public:
  virtual ~SharedRegion() = default;
  virtual std::span<std::byte> bytes() = 0;
};

// Held until destroyed.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

enum class OpenMode : unsigned char {
  kRead,       // Must exist.
  kReadWrite,  // Must exist.
  kCreateNew,  // Must not exist; read and write.
  // kRead, and the bytes come from the disk, not from what the kernel keeps of them in memory,
  // which stays as it is; where that cannot be had, as kRead. For who looks whether they are
  // still there.
  kReadFromDisk,
};
constexpr bool MayWrite(OpenMode mode) {
  return mode == OpenMode::kReadWrite || mode == OpenMode::kCreateNew;
}

enum class LockMode : unsigned char { kExclusive, kShared };

// Whether a shared mapping on this file system is trusted to outlive a kill and never to raise
// a signal once it is zero-filled.
enum class RegionSupport : unsigned char {
  kTrusted,
  kRefused,  // Copy-on-write or network file systems.
};

// Errors name the operation and the path. Besides what the methods say: kInvalidArgument when a
// name is missing, taken or of the wrong kind (the caller's view of the directory is wrong),
// kResourceExhausted when the disk is full or no descriptor is left, kPermissionDenied,
// kUnavailable on a read-only file system, and kIoError for everything else.
//
// Thread safety: any thread may call any method.
// Lifetime: outlives every File it opened.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // kInvalidArgument when kCreateNew finds a file or the others find none, or no regular file.
  // Mode 0600. A symbolic link is not followed.
  virtual Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) = 0;
  virtual Result<bool> Exists(std::string_view path) const = 0;
  // Names, without the directory, in byte order.
  virtual Result<std::vector<std::string>> List(std::string_view directory) const = 0;
  // Succeeds when it is there already, unless others could exchange our files in it: a directory
  // that is a symbolic link, belongs to another user or is writable by everybody is
  // kPermissionDenied. Not recursive. Mode 0700.
  virtual Status CreateDirectory(std::string_view path) = 0;
  // Replaces `to` atomically. kInvalidArgument unless both are in the same directory, or when
  // there is no `from`.
  virtual Status Rename(std::string_view from, std::string_view to) = 0;
  // A file or an empty directory. kInvalidArgument when there is none.
  virtual Status Remove(std::string_view path) = 0;
  // A second name for the same file. kInvalidArgument when `to` is taken.
  virtual Status Link(std::string_view from, std::string_view to) = 0;
  // Makes creations, renames, removals and links in this directory durable. After kIoError some of
  // them may be lost, and a later sync may say ok all the same: see SyncGuard. After any other
  // error, no descriptor left for one, it was not tried.
  virtual Status SyncDirectory(std::string_view path) = 0;
  // Takes the lock file `path`, creating it. kUnavailable "already open by pid N" when another
  // process, or another call in this one, holds it in a mode that excludes this one. Shared locks
  // leave no pid behind; their refusal says "already open for reading". The directory that holds
  // `path` must be one that CreateDirectory accepts. A child forked without exec keeps the lock.
  virtual Result<std::unique_ptr<DirectoryLock>> Lock(std::string_view path, LockMode mode) = 0;
  // Bytes that an ordinary user may still write on the file system of `path`.
  virtual Result<uint64_t> FreeBytes(std::string_view path) const = 0;

  // Opens or creates the region file `path` of exactly `size_bytes` (a multiple of 4096). A new
  // one, or one of another size, is made zero-filled and synced before it is mapped; an existing
  // one keeps its bytes. Its name is durable after SyncDirectory. kUnavailable where
  // RegionSupportAt says kRefused.
  virtual Result<std::unique_ptr<SharedRegion>> OpenRegion(std::string_view path,
                                                           uint64_t size_bytes) = 0;
  // About `path`, or its directory while there is no such file.
  virtual RegionSupport RegionSupportAt(std::string_view path) const = 0;
  // Changes with every start of the kernel: equal ids mean that the page cache is the same one.
  virtual std::string BootId() const = 0;
};

// "dir/name".
std::string JoinPath(std::string_view directory, std::string_view name);
// The directory that holds the last name of `path`: "a/b" → "a", "b" → ".", "/b" → "/".
std::string ParentOf(std::string_view path);

}  // namespace aidb::io
