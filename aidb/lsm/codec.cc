#include "aidb/lsm/codec.h"

#include <limits>
#include <utility>

#include <lz4.h>
#include <snappy.h>
#include <zstd.h>

#include "aidb/base/check.h"

namespace aidb::lsm {

namespace {

constexpr int kZstdLevel = 1;  // Higher levels cost several times the time for a few percent.
// The most one stored byte can stand for: an LZ4 length byte 255, a Snappy copy 64 in 2 bytes.
constexpr uint64_t kLz4RatioMax = 255;
constexpr uint64_t kSnappyRatioMax = 32;

Status Bad(std::string_view codec, std::string_view what) {
  return Corruption(std::string(codec) + ": " + std::string(what));
}

std::string Wrong(uint64_t found, uint64_t expected) {
  return "unpacks to " + std::to_string(found) + " bytes, not " + std::to_string(expected);
}

}  // namespace

struct Packer::Zstd {
  Zstd() : context(ZSTD_createCCtx()) { AIDB_CHECK(context != nullptr); }
  ~Zstd() { ZSTD_freeCCtx(context); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  ZSTD_CCtx* context;
};

Packer::Packer(kv::Compression codec) : codec_(codec) {
  if (codec == kv::Compression::kZstd) zstd_ = std::make_unique<Zstd>();
}

Packer::~Packer() = default;

std::optional<std::string_view> Packer::Pack(std::string_view raw) {
  if (raw.size() < 8 || raw.size() > kBlockRawBytesMax) return std::nullopt;
  const size_t limit = raw.size() - raw.size() / 8;
  size_t size = 0;  // 0 = did not fit.
  switch (codec_) {
    case kv::Compression::kNone:
      return std::nullopt;
    case kv::Compression::kLz4:
      if (packed_.size() < limit) packed_.resize(limit);
      size = static_cast<size_t>(LZ4_compress_default(
          raw.data(), packed_.data(), static_cast<int>(raw.size()), static_cast<int>(limit)));
      break;
    case kv::Compression::kSnappy:
      if (packed_.size() < snappy::MaxCompressedLength(raw.size())) {
        packed_.resize(snappy::MaxCompressedLength(raw.size()));
      }
      snappy::RawCompress(raw.data(), raw.size(), packed_.data(), &size);
      break;
    case kv::Compression::kZstd: {
      if (packed_.size() < limit) packed_.resize(limit);
      const size_t code = ZSTD_compressCCtx(zstd_->context, packed_.data(), limit, raw.data(),
                                            raw.size(), kZstdLevel);
      size = ZSTD_isError(code) ? 0 : code;
      break;
    }
  }
  if (size == 0 || size > limit) return std::nullopt;
  return std::string_view(packed_).substr(0, size);
}

bool IsKnownCodec(uint8_t codec) { return codec <= static_cast<uint8_t>(kv::Compression::kZstd); }

Status CheckRawSize(kv::Compression codec, uint64_t stored_bytes, uint64_t raw_bytes) {
  uint64_t most = kBlockRawBytesMax;
  if (codec == kv::Compression::kNone) {
    if (raw_bytes != stored_bytes)
      return Corruption("unpacked block " + Wrong(stored_bytes, raw_bytes));
  } else if (codec == kv::Compression::kLz4) {
    most = std::min(most, stored_bytes * kLz4RatioMax);
  } else if (codec == kv::Compression::kSnappy) {
    most = std::min(most, stored_bytes * kSnappyRatioMax);
  }
  if (raw_bytes > most) {
    return Corruption("block of " + std::to_string(stored_bytes) + " stored bytes says it has " +
                      std::to_string(raw_bytes) + " unpacked, at most " + std::to_string(most) +
                      " are possible");
  }
  return {};
}

struct Unpacker::Zstd {
  Zstd() : context(ZSTD_createDCtx()) { AIDB_CHECK(context != nullptr); }
  ~Zstd() { ZSTD_freeDCtx(context); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  ZSTD_DCtx* context;
};

Unpacker::Unpacker() = default;
Unpacker::~Unpacker() = default;

std::unique_ptr<Unpacker::Zstd> Unpacker::TakeZstd() {
  {
    MutexLock lock(mu_);
    if (!idle_.empty()) {
      std::unique_ptr<Zstd> context = std::move(idle_.back());
      idle_.pop_back();
      return context;
    }
  }
  return std::make_unique<Zstd>();
}

void Unpacker::GiveBack(std::unique_ptr<Zstd> context) {
  MutexLock lock(mu_);
  if (idle_.size() < kContextsMax) idle_.push_back(std::move(context));
}

Status Unpacker::Unpack(kv::Compression codec, std::string_view stored, std::span<char> raw) {
  switch (codec) {
    case kv::Compression::kNone:
      break;
    case kv::Compression::kLz4: {
      if (stored.size() > std::numeric_limits<int>::max()) return Bad("lz4", "too long");
      const int size = LZ4_decompress_safe(
          stored.data(), raw.data(), static_cast<int>(stored.size()), static_cast<int>(raw.size()));
      if (size < 0) return Bad("lz4", "not a valid block");
      if (static_cast<size_t>(size) != raw.size()) {
        return Bad("lz4", Wrong(static_cast<size_t>(size), raw.size()));
      }
      return {};
    }
    case kv::Compression::kSnappy: {
      size_t size = 0;
      if (!snappy::GetUncompressedLength(stored.data(), stored.size(), &size)) {
        return Bad("snappy", "no length");
      }
      if (size != raw.size()) return Bad("snappy", Wrong(size, raw.size()));
      if (!snappy::RawUncompress(stored.data(), stored.size(), raw.data())) {
        return Bad("snappy", "not a valid block");
      }
      return {};
    }
    case kv::Compression::kZstd: {
      std::unique_ptr<Zstd> zstd = TakeZstd();
      const size_t size =
          ZSTD_decompressDCtx(zstd->context, raw.data(), raw.size(), stored.data(), stored.size());
      GiveBack(std::move(zstd));
      if (ZSTD_isError(size)) return Bad("zstd", ZSTD_getErrorName(size));
      if (size != raw.size()) return Bad("zstd", Wrong(size, raw.size()));
      return {};
    }
  }
  return Internal("asked to unpack a block that is not packed");
}

}  // namespace aidb::lsm
