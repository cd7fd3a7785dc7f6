#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/status.h"
#include "aidb/base/sync.h"
#include "aidb/kv/options.h"

namespace aidb::lsm {

// The largest block, unpacked: 1 GiB. A stored size above is refused before any allocation.
inline constexpr uint64_t kBlockRawBytesMax = uint64_t{1} << 30;

// Packs blocks with one codec, as its one-shot format (LZ4 block, Snappy, zstd frame).
//
// Thread safety: none; it keeps the codec's working memory.
class Packer {
 public:
  explicit Packer(kv::Compression codec);
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  kv::Compression codec() const { return codec_; }
  // Nothing when packing would not save at least an eighth: such a block is better stored as it
  // is. The view lives until the next call.
  std::optional<std::string_view> Pack(std::string_view raw);

 private:
  struct Zstd;

  const kv::Compression codec_;
  std::unique_ptr<Zstd> zstd_;
  std::string packed_;
};

bool IsKnownCodec(uint8_t codec);

// Refuses sizes that no packing of `stored_bytes` bytes could have: asked before memory for
// `raw_bytes` is taken.
Status CheckRawSize(kv::Compression codec, uint64_t stored_bytes, uint64_t raw_bytes);

// Unpacks blocks with any codec. Keeps zstd's working memory for the next block: to make it for
// each costs more than to unpack a small one.
//
// Thread safety: any thread may call any method.
class Unpacker {
 public:
  Unpacker();
  ~Unpacker();
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  // Unpacks into `raw`, which must be filled exactly. Not for kNone. kCorruption saying what is
  // wrong.
  Status Unpack(kv::Compression codec, std::string_view stored, std::span<char> raw)
      AIDB_EXCLUDES(mu_);

  // More threads than this at once make contexts that are not kept. One has about 100 KB.
  static constexpr size_t kContextsMax = 8;

 private:
  struct Zstd;

  std::unique_ptr<Zstd> TakeZstd() AIDB_EXCLUDES(mu_);
  void GiveBack(std::unique_ptr<Zstd> context) AIDB_EXCLUDES(mu_);

  Mutex mu_;
  std::vector<std::unique_ptr<Zstd>> idle_ AIDB_GUARDED_BY(mu_);
};

}  // namespace aidb::lsm
