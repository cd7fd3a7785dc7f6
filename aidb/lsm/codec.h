#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "aidb/base/status.h"
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

// Unpacks into `raw`, which must be filled exactly. Not for kNone. kCorruption saying what is
// wrong.
Status Unpack(kv::Compression codec, std::string_view stored, std::span<char> raw);

}  // namespace aidb::lsm
