#pragma once

// What a damaged table still holds: every data block that passes its check.
//
//   [data blocks][range deletes?][filter partitions][index partitions][index root]
//   [properties][meta index][footer]
//
// Blocks are found by the index, as reads do. Where a part of it is damaged, the bytes between are
// searched for blocks: each ends with a trailer whose checksum names its place and its table, so
// that a block proves itself wherever it lies, as long as the salt is known (from the manifest, or
// from the footer).

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/io/file_system.h"
#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/block_reader.h"
#include "aidb/lsm/codec.h"
#include "aidb/lsm/entry.h"
#include "aidb/lsm/range_deletes.h"
#include "aidb/lsm/table_format.h"

namespace aidb::lsm {

// One stretch of a table that cannot be read.
struct LostStretch {
  uint64_t offset = 0;
  std::string what;
  std::string keys;  // Which ones, in words.
};

// A walk over the entries of all blocks that can be read, in internal order.
//
// Thread safety: none.
// Lifetime: owns the file.
class SalvagedTable final : public EntryCursor {
 public:
  // Told once of each stretch, when it is found to be lost: of data blocks, when the walk comes
  // there.
  using OnLoss = std::function<void(const LostStretch&)>;

  // Looks for the blocks of the table with `salt`; without one the footer must be whole. The last
  // key, if it is known, is for messages. With `every` everything in it counts as of that
  // sequence. kCorruption when neither tells where its blocks are.
  static Result<std::unique_ptr<SalvagedTable>> Open(std::unique_ptr<io::File> file,
                                                     std::optional<uint64_t> salt,
                                                     std::string last_key, OnLoss on_loss,
                                                     std::optional<Sequence> every = std::nullopt);

  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view key, Sequence sequence) override;
  void Next() override;
  void Prev() override;
  // Damage is no error here.
  Status status() const override { return {}; }

  // What it deletes of ranges; null if nothing, or if that cannot be read, which is told.
  std::shared_ptr<const RangeDeleteList> TakeRangeDeletes();

  // Starts that are tried behind a bad block to find the next one without an index, and the
  // largest block that is found so: a second of work. What lies behind is lost otherwise.
  static constexpr uint64_t kSearchBytesMax = uint64_t{16} << 10;

 private:
  struct Found {
    BlockHandle handle;
    std::string key;  // The first one, or a shorter one below it; empty if unknown.
  };

  SalvagedTable(std::unique_ptr<io::File> file, uint64_t file_bytes, std::string last_key,
                OnLoss on_loss);

  Result<Block> Read(BlockKind kind, BlockHandle handle);
  void FindBlocks(const std::optional<Footer>& footer);
  Result<std::optional<BlockHandle>> FindRangeDeletes(const Footer& footer);
  Status AddPartition(const IndexEntry& partition);
  // Adds the data blocks that lie in [from, to).
  void Search(uint64_t from, uint64_t to);
  struct Place {
    BlockHandle handle;
    BlockKind kind;
  };
  // The block that begins at `from` of `bytes`, which begin at `offset` of the file.
  std::optional<Place> BlockAt(std::string_view bytes, uint64_t offset, uint64_t from,
                               uint64_t size_max) const;
  void Lose(uint64_t offset, const Status& why, std::string keys);
  std::string KeysOf(size_t block) const;
  // Loads the first good block from `block` on, or down; false when there is none.
  bool LoadFrom(size_t block);
  bool LoadDownFrom(size_t block);
  bool Load(size_t block);
  // Whether the loaded block continues the walk up; an index that lies may say otherwise.
  bool Continues();

  const std::unique_ptr<io::File> file_;
  const uint64_t file_bytes_;
  const std::string last_key_;
  const OnLoss on_loss_;
  uint64_t salt_ = 0;
  std::vector<Found> blocks_;  // In the order of their offsets, and so of their keys.
  std::set<uint64_t> lost_;    // Offsets that were told.
  std::optional<Footer> footer_;
  std::optional<BlockHandle> range_deletes_;  // Found by a search.
  std::optional<Sequence> every_;             // Of an ingested table.

  Unpacker unpacker_;
  size_t at_ = 0;
  std::optional<Block> block_;
  BlockCursor cursor_;
  // The last entry of the walk up so far.
  std::optional<std::pair<std::string, Sequence>> walked_;
};

}  // namespace aidb::lsm
