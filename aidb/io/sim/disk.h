#pragma once

// What is stored, apart from any process: a value that can be cloned at every instant and cut.
//
//            cache (what a reader sees)          durable (what the platters hold)
//   file     content, size                       content, size
//            └─ pending: the writes and truncations that no sync covered, in order
//   directory entries                            entries
//            └─ pending: the creations, renames, removals and links no sync covered, in order
//
// The model is the weakest that is legal, not ext4 as it behaves: nothing pending is ordered
// against anything else.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/random.h"
#include "aidb/base/result.h"
#include "aidb/io/sim/content.h"

namespace aidb::io {

enum class InodeId : uint32_t {};

// What a power cut may do. Every draw of the dice stays inside these.
struct PowerCutModel {
  // The unit that is written whole or not at all: 512 or 4096.
  uint32_t sector_bytes = 512;
  // Which of the pending changes of a directory survive.
  enum class Names : unsigned char {
    kSubset,  // Any of them, each for itself.
    kPrefix,  // The oldest so many, as a journaling file system keeps them.
  };
  Names names = Names::kSubset;
  // Newly allocated space may hold anything, other files' old bytes too.
  bool garbage = true;
  // The unit of a shared region: 512 or 4096.
  uint32_t region_bytes = 4096;

  // Any of the models above.
  static PowerCutModel Draw(Rng& rng);
};

// How a device behaves once it has refused a sync.
enum class SyncFailure : unsigned char {
  kKeepsCache,  // A: the cache shows the new bytes, the disk has the old, the next sync says ok.
  kDropsCache,  // B: the cache shows the old bytes again.
};

// What time does to a file at rest.
enum class Rot : unsigned char {
  kFlipBit,
  kZeroPage,
  kTruncate,
  kSwapPages,  // Two 4 KiB pages change places.
  kStalePage,  // A page returns to what it was before the last sync.
};

// Thread safety: a value, used by one thread.
class SimDisk {
 public:
  static constexpr uint64_t kUnlimited = ~uint64_t{0};
  // Older pending writes of one file are written back when there are more than this.
  static constexpr size_t kPendingMax = 1024;

  // An empty root directory.
  SimDisk();

  // The disk after the power failed now. The boot id changes.
  SimDisk PowerCut(Rng& rng, const PowerCutModel& model) const;
  // The disk after the process was killed now: all that was written is there.
  SimDisk Kill() const;
  // The disk unmounted cleanly and carried to another host: all is there and durable, the boot
  // id differs.
  SimDisk Move() const;

  // For tests and oracles. Paths as in FileSystem; the root is "" or "/".
  std::optional<std::string> ReadFile(std::string_view path) const;
  std::vector<std::string> AllFiles() const;  // In byte order.
  // Puts a durable file there, with its directories.
  void PlaceFile(std::string_view path, std::string_view bytes);
  // Damages a file at rest. Says what it did; nullopt when the file has no place for it.
  std::optional<std::string> Damage(std::string_view path, Rot rot, Rng& rng);
  uint64_t boot() const { return boot_; }

  // ---- The operations of a file system, without time and without faults.

  struct PendingWrite {
    uint64_t sequence = 0;
    uint64_t offset = 0;
    uint64_t length = 0;
    std::shared_ptr<const std::string> bytes;  // Null: a truncation, which zeros the rest.
    uint64_t size_after = 0;
  };
  struct PendingName {
    enum class Kind : unsigned char { kAdd, kRemove, kRename };
    uint64_t sequence = 0;
    Kind kind = Kind::kAdd;
    std::string name;  // kRename: from.
    std::string to;    // kRename only.
    InodeId inode{};
  };
  using Names = std::map<std::string, InodeId, std::less<>>;
  struct Inode {
    bool is_directory = false;
    bool is_region = false;
    // The cache is not durable + pending: a sync failed and left what exists nowhere else.
    bool cache_diverged = false;
    uint64_t reserved = 0;  // Allocate.
    SimContent cache, durable, before_last_sync;
    std::vector<PendingWrite> writes;
    Names entries, durable_entries;
    std::vector<PendingName> names;
  };

  std::optional<InodeId> Find(std::string_view path) const;
  // The directory a path lies in, and the last name. nullopt when there is no such directory.
  struct Place {
    InodeId directory;
    std::string name;
  };
  std::optional<Place> FindPlace(std::string_view path) const;
  const Inode& Get(InodeId inode) const { return *inodes_[static_cast<uint32_t>(inode)]; }

  InodeId Create(const Place& place, bool is_directory);
  // Makes the file a region of zeros; its bytes, not its name, are durable.
  void FormatRegion(InodeId inode, uint64_t size);
  void Add(const Place& place, InodeId inode);
  void Remove(const Place& place);
  void Rename(const Place& from, const Place& to);
  void Write(InodeId inode, uint64_t offset, std::span<const std::byte> bytes);
  void Truncate(InodeId inode, uint64_t size);
  void Reserve(InodeId inode, uint64_t size);

  // A sync covers what has a sequence number up to the one taken when it began.
  uint64_t sequence() const { return sequence_; }
  void CompleteSync(InodeId inode, uint64_t up_to);
  // Some sectors got there, some did not, and nobody will write the others again.
  void FailSync(InodeId inode, uint64_t up_to, SyncFailure failure, Rng& rng);
  // The cache forgets what is nowhere else, as memory pressure makes it.
  void EvictCache(InodeId inode);

  // A region's memory, as it is now.
  void StoreRegion(InodeId inode, std::span<const std::byte> bytes);
  // The kernel writes some of its pages back by itself.
  void WriteBackRegion(InodeId inode, Rng& rng);

  // Drops what no name, no pending name and none of `open` refers to.
  void Collect(const std::vector<InodeId>& open);
  // Bytes that files with a name, or open, take up.
  uint64_t UsedBytes(const std::vector<InodeId>& open) const;

 private:
  Inode& Mutable(InodeId inode);
  InodeId NewInode(bool is_directory);
  void AddPendingName(InodeId directory, PendingName change);

  uint64_t boot_ = 1;
  uint64_t sequence_ = 0;
  std::vector<std::shared_ptr<Inode>> inodes_;  // By id; null: free. Shared until written.
};

}  // namespace aidb::io
