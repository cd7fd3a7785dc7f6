// The operations on one open file.

#include <algorithm>
#include <cstring>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/io/sim/file_system.h"
#include "aidb/io/sim/open_file.h"

namespace aidb::io {
namespace {

constexpr uint64_t kSectorBytes = 512;
// File systems end here too (ext4: 16 TiB); a wild offset is an error, not an allocation.
constexpr uint64_t kFileBytesMax = uint64_t{1} << 44;

}  // namespace

// ---- Reading ------------------------------------------------------------------------------

Result<size_t> SimFileSystem::Read(const Handle& handle, uint64_t offset,
                                   std::span<std::byte> out) {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kRead, handle.path, offset, out.size()));
  if (!handle.open) {
    Violation("read after close: " + handle.path);
    return End(call, Result<size_t>(InvalidArgument("read " + handle.path + ": it is closed")));
  }
  return End(call, Result<size_t>(ReadNow(call, handle, offset, out)));
}

size_t SimFileSystem::ReadNow(const Call& call, const Handle& handle, uint64_t offset,
                              std::span<std::byte> out) {
  if (disk_.Get(handle.inode).is_region) StoreRegions();
  const SimContent& content = disk_.Get(handle.inode).cache;
  if (offset >= content.size() || out.empty()) return 0;
  size_t count = std::min<uint64_t>(out.size(), content.size() - offset);
  const bool is_short = call.Has(Fault::kShort) || (options_.short_transfer_one_in > 0 &&
                                                    rng_.OneIn(options_.short_transfer_one_in));
  if (is_short && count > 1) count = 1 + rng_.Below(count - 1);
  out = out.first(count);
  content.Read(offset, out);
  if (call.Has(Fault::kReadFlipsBit)) {
    out[rng_.Below(count)] ^= std::byte{1} << rng_.Below(8);
  } else if (call.Has(Fault::kReadStale)) {
    const SimContent& old = disk_.Get(handle.inode).before_last_sync;
    std::fill(out.begin(), out.end(), std::byte{0});
    if (offset < old.size()) {
      old.Read(offset, out.first(std::min<uint64_t>(count, old.size() - offset)));
    }
  } else if (call.Has(Fault::kReadMisplaced) && content.size() > kSectorBytes + count) {
    const uint64_t moved = (offset + kSectorBytes) % (content.size() - count);
    content.Read(moved, out);
  }
  return count;
}

Result<uint64_t> SimFileSystem::Size(const Handle& handle) {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kSize, handle.path));
  return End(call, Result<uint64_t>(disk_.Get(handle.inode).cache.size()));
}

// ---- Writing ------------------------------------------------------------------------------

Result<size_t> SimFileSystem::Write(Handle& handle, uint64_t offset,
                                    std::span<const std::byte> first,
                                    std::span<const std::byte> second) {
  const size_t size = first.size() + second.size();
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kWrite, handle.path, offset, size));
  if (!handle.open || !MayWrite(handle.mode)) {
    if (!handle.open) Violation("write after close: " + handle.path);
    return End(call, Result<size_t>(InvalidArgument("write " + handle.path + ": not writable")));
  }
  if (offset > kFileBytesMax || size > kFileBytesMax - offset) {
    return End(call, Result<size_t>(InvalidArgument("write " + handle.path + ": too large")));
  }
  if (second.empty()) return End(call, WriteNow(call, handle, offset, first));
  std::vector<std::byte> joined(first.begin(), first.end());
  joined.insert(joined.end(), second.begin(), second.end());
  return End(call, WriteNow(call, handle, offset, joined));
}

Result<size_t> SimFileSystem::WriteNow(const Call& call, Handle& handle, uint64_t offset,
                                       std::span<const std::byte> bytes) {
  if (bytes.empty()) return size_t{0};
  size_t count = bytes.size();
  const bool is_short = call.Has(Fault::kShort) || (options_.short_transfer_one_in > 0 &&
                                                    rng_.OneIn(options_.short_transfer_one_in));
  if (is_short && count > 1) count = 1 + rng_.Below(count - 1);
  if (call.Has(Fault::kErrorAfterPart)) count = rng_.Below(count);

  const SimDisk::Inode& inode = disk_.Get(handle.inode);
  const uint64_t owned = std::max(inode.cache.size(), inode.reserved);
  if (offset + count > owned && capacity_bytes_ != SimDisk::kUnlimited) {
    const uint64_t end_max = owned + FreeNow();
    if (offset >= end_max) {
      return ResourceExhausted("write " + handle.path + ": no space left on device");
    }
    count = std::min<uint64_t>(count, end_max - offset);
  }
  if (count > 0) disk_.Write(handle.inode, offset, bytes.first(count));
  return count;
}

Status SimFileSystem::Truncate(Handle& handle, uint64_t size) {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kTruncate, handle.path, size));
  if (!handle.open || !MayWrite(handle.mode) || size > kFileBytesMax) {
    return End(call, InvalidArgument("truncate " + handle.path + ": not writable or too large"));
  }
  const uint64_t now = disk_.Get(handle.inode).cache.size();
  if (size > now && size - now > FreeNow()) {
    return End(call, ResourceExhausted("truncate " + handle.path + ": no space left on device"));
  }
  disk_.Truncate(handle.inode, size);
  return End(call, Status());
}

Status SimFileSystem::Allocate(Handle& handle, uint64_t size) {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kAllocate, handle.path, size));
  if (!handle.open || !MayWrite(handle.mode) || size > kFileBytesMax) {
    return End(call, InvalidArgument("allocate " + handle.path + ": not writable or too large"));
  }
  const SimDisk::Inode& inode = disk_.Get(handle.inode);
  const uint64_t owned = std::max(inode.cache.size(), inode.reserved);
  if (size > owned && size - owned > FreeNow()) {
    return End(call, ResourceExhausted("allocate " + handle.path + ": no space left on device"));
  }
  disk_.Reserve(handle.inode, size);
  return End(call, Status());
}

// ---- Syncing ------------------------------------------------------------------------------

Status SimFileSystem::Sync(Handle& handle) {
  const uint64_t up_to = disk_.sequence();  // What is written from here on is not covered.
  if (!detached_ && handle.must_not_sync) Violation("sync after a failed sync: " + handle.path);
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kSync, handle.path));
  if (!handle.open) {
    Violation("sync after close: " + handle.path);
    return End(call, InvalidArgument("sync " + handle.path + ": it is closed"));
  }
  return End(call, SyncNow(call, handle, up_to));
}

Status SimFileSystem::SyncNow(const Call& call, Handle& handle, uint64_t up_to) {
  if (handle.error_to_report) {  // Once per description, then it is forgotten.
    handle.error_to_report = false;
    handle.must_not_sync = true;
    return Injected(call);
  }
  if (call.Has(Fault::kSyncLies)) return {};
  if (Status refused = RefuseSync(call, handle.inode, up_to); !refused.ok()) {
    for (Handle* other : handles_) {
      if (other->inode == handle.inode && other != &handle) other->error_to_report = true;
    }
    handle.must_not_sync = true;
    return refused;
  }
  disk_.CompleteSync(handle.inode, up_to);
  return {};
}

// Ok unless the drawn fault makes this sync fail.
Status SimFileSystem::RefuseSync(const Call& call, InodeId inode, uint64_t up_to) {
  if (!call.fault || call.Has(Fault::kStall)) return {};
  disk_.FailSync(
      inode, up_to,
      call.Has(Fault::kSyncDropsCache) ? SyncFailure::kDropsCache : SyncFailure::kKeepsCache, rng_);
  failed_.insert(inode);
  if (!call.Has(Fault::kNoSpace)) return Injected(call);
  return ResourceExhausted("sync " + std::string(call.operation.path) +
                           ": no space left on device (injected)");
}

Status SimFileSystem::Close(Handle& handle, SimScheduler::From from) {
  if (!handle.open) return InvalidArgument("close " + handle.path + ": it is closed");
  handle.open = false;
  handles_.erase(std::find(handles_.begin(), handles_.end(), &handle));
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kClose, handle.path, 0, 0, from));
  return End(call, Status());
}

}  // namespace aidb::io
