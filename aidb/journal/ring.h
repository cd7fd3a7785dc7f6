#pragma once

// The ring: the newest bytes of a journal, in memory that outlives the process.
//
//   file `ring`, little endian
//   0     u64 "AIDBRING"        or "RESETING" while it is being reset: then it holds nothing
//   8     u16 version 1 | u8[6] 0
//   16    u8[16] journal uuid
//   32    u64 boot hash         XXH3-64 of the boot id
//   40    u64 ring bytes
//   48    u64 generation        that of the file JOURNAL; see identity.h
//   56    u32 crc32c of bytes 0…55 | u32 0
//   512   published  u64 x 4    two slots {value, ~value ^ generation}, written in turn: a
//   576   written    u64 x 4    process that dies between two stores leaves the other slot
//   640   durable    u64 x 4
//   1024  file[4]    64 bytes each: u64 start | u64 number | u64 generation | u64 turn | u32 crc |
//   0… 4096  ring bytes            position p lies at 4096 + p mod ring bytes
//
// Positions count the bytes of the journal since it was opened. File number f holds position p
// at offset p - start (modulo 2^64: a file made by a re-drive starts "before" its first byte).
//
// SIGKILL loses nothing of it. A power cut keeps any subset of its pages, so everything read
// back is verified by the framing, whose checksums name file and offset.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/io/env.h"

namespace aidb::journal {

// Where a position goes in a file.
struct RingFile {
  uint64_t start = 0;
  uint64_t number = 0;
};

// What a ring of an earlier life says, and its bytes. Read with ordinary reads, before the file is
// mapped, emptied or made again for this life: so it counts whatever its size, and also where
// this file system is not trusted with a mapping.
//
// Lifetime: owns its file.
struct RingRemains {
  // Nullopt when there is none, or it was being reset: then it holds nothing. kCorruption when the
  // header is damaged or names another size than the file has.
  static Result<std::optional<RingRemains>> Read(io::FileSystem& files, std::string_view directory,
                                                 std::string_view boot_id);
  // `count` bytes at `position`; count <= ring_bytes.
  Result<std::string> BytesAt(uint64_t position, uint64_t count) const;

  std::unique_ptr<io::File> file{};
  uint64_t ring_bytes = 0;
  std::array<uint8_t, 16> uuid{};
  uint64_t generation = 0;
  bool same_boot = false;
  // Absent when neither slot is valid.
  std::optional<uint64_t> published{};
  std::optional<uint64_t> written{};
  std::optional<uint64_t> durable{};
  std::vector<RingFile> files{};  // Ordered by start of use: oldest first.
};

// Thread safety: words and bytes are plain stores; the journal orders them. Each word has one
// writer at a time.
// Lifetime: owns its memory.
class Ring {
 public:
  static constexpr uint64_t kHeaderBytes = 4096;
  static constexpr int kFileSlots = 4;
  // Where things lie in the header.
  static constexpr uint64_t kPublishedAt = 512;
  static constexpr uint64_t kWrittenAt = 576;
  static constexpr uint64_t kDurableAt = 640;
  static constexpr uint64_t kFilesAt = 1024;
  static constexpr uint64_t kFileEntryBytes = 64;

  static constexpr std::string_view kName = "ring";

  // Opens or creates `directory`/ring; what an earlier life left in it may be gone afterwards.
  // Where the file system is not trusted with it, or has no room for it, gives a ring in private
  // memory: `durable_memory()` is then false, and the journal writes before it acknowledges.
  static Result<Ring> Open(io::FileSystem& files, std::string_view directory, uint64_t ring_bytes);

  // Empties it for a new life: afterwards all words are 0.
  void Reset(const std::array<uint8_t, 16>& uuid, uint64_t generation, std::string_view boot_id);

  void SetPublished(uint64_t position) { Store(kPublishedAt, published_turn_, position); }
  void SetWritten(uint64_t position) { Store(kWrittenAt, written_turn_, position); }
  void SetDurable(uint64_t position) { Store(kDurableAt, durable_turn_, position); }
  // The `turn`-th file since Reset. The entry it replaces must be written out.
  void SetFile(uint64_t turn, const RingFile& file);

  uint64_t size() const { return size_; }
  bool durable_memory() const { return region_ != nullptr; }
  // `count` bytes at `position`, in one or two pieces.
  struct Pieces {
    std::span<std::byte> first;
    std::span<std::byte> second;
  };
  Pieces At(uint64_t position, uint64_t count);
  void CopyOut(uint64_t position, std::span<std::byte> out);
  void CopyIn(uint64_t position, std::span<const std::byte> bytes);

 private:
  Ring(std::unique_ptr<io::SharedRegion> region, std::unique_ptr<std::byte[]> memory,
       std::byte* base, uint64_t size)
      : region_(std::move(region)), memory_(std::move(memory)), base_(base), size_(size) {}

  std::atomic_ref<uint64_t> Word(uint64_t offset) const {
    return std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(base_ + offset));
  }
  void Store(uint64_t at, uint64_t& turn, uint64_t value) {
    const uint64_t slot = at + 16 * (turn++ & 1);
    Word(slot).store(value, std::memory_order_relaxed);
    Word(slot + 8).store(~value ^ generation_, std::memory_order_release);
  }
  std::unique_ptr<io::SharedRegion> region_;  // Null: private memory.
  std::unique_ptr<std::byte[]> memory_;
  std::byte* base_;
  uint64_t size_;
  uint64_t generation_ = 0;
  uint64_t published_turn_ = 0;
  uint64_t written_turn_ = 0;
  uint64_t durable_turn_ = 0;
};

}  // namespace aidb::journal
