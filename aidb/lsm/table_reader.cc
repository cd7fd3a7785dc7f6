#include "aidb/lsm/table_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "aidb/base/crc32c.h"
#include "aidb/io/transfer.h"
#include "aidb/lsm/codec.h"
#include "aidb/lsm/repair_command.h"
#include "aidb/lsm/table_cursor.h"
#include "aidb/lsm/table_lookup.h"

namespace aidb::lsm {

namespace {

Status DamagedAt(std::string_view path, uint64_t offset, const Status& why) {
  // A file system's own error is passed on as such.
  std::string what = "table " + std::string(path) + " at offset " + std::to_string(offset) + ": " +
                     std::string(why.message());
  if (why.code() == StatusCode::kCorruption) what += RepairCommand(io::ParentOf(path));
  return {why.code(), std::move(what)};
}

Result<Footer> ReadFooter(const io::File& file, uint64_t file_bytes) {
  char bytes[kFooterBytes];
  const uint64_t at = file_bytes - std::min<uint64_t>(file_bytes, kFooterBytes);
  const auto span = std::as_writable_bytes(std::span(bytes)).first(file_bytes - at);
  AIDB_RETURN_IF_ERROR(io::ReadExact(file, at, span));
  auto footer = DecodeFooter({bytes, span.size()}, file_bytes);
  if (!footer.ok()) return DamagedAt(file.path(), at, footer.status());
  return footer;
}

Result<BlockBuffer> UnpackStored(const BlockTrailer& trailer, std::string_view stored,
                                 Unpacker& unpacker) {
  if (trailer.codec == kv::Compression::kNone) return BlockBuffer::CopyOf(stored);
  BlockBuffer raw(trailer.raw_size);
  AIDB_RETURN_IF_ERROR(unpacker.Unpack(trailer.codec, stored, std::span(raw.data(), raw.size())));
  return raw;
}

// One read, no copy of a block that is stored as it is.
Result<BlockBuffer> ReadStored(const io::File& file, uint64_t salt, BlockKind kind,
                               BlockHandle handle, Unpacker& unpacker) {
  BlockBuffer stored(handle.size + kTrailerBytes);
  AIDB_RETURN_IF_ERROR(io::ReadExact(file, handle.offset, stored.writable()));
  AIDB_ASSIGN_OR_RETURN(const BlockTrailer trailer,
                        CheckTrailer(salt, handle.offset, stored.view(), kind));
  stored.Truncate(handle.size);
  if (trailer.codec == kv::Compression::kNone) return stored;
  return UnpackStored(trailer, stored.view(), unpacker);
}

Result<TableProperties> ReadPropertiesOf(const io::File& file, const Footer& footer,
                                         uint64_t file_bytes, Unpacker& unpacker) {
  const auto read = [&](BlockKind kind, BlockHandle handle) -> Result<Block> {
    auto block = ReadTableBlock(file, file_bytes, footer.salt, kind, handle, unpacker, nullptr);
    if (!block.ok()) return DamagedAt(file.path(), handle.offset, block.status());
    return block;
  };
  AIDB_ASSIGN_OR_RETURN(const Block meta, read(BlockKind::kMetaIndex, footer.meta_index));
  const auto index = DecodeMetaIndex(meta.entries(), file_bytes);
  if (!index.ok()) return DamagedAt(file.path(), footer.meta_index.offset, index.status());
  const BlockHandle handle = index->properties;
  AIDB_ASSIGN_OR_RETURN(const Block block, read(BlockKind::kProperties, handle));
  auto properties = DecodeProperties(block.entries());
  if (!properties.ok()) return DamagedAt(file.path(), handle.offset, properties.status());
  properties->facts.salt = footer.salt;
  properties->facts.size_bytes = file_bytes;
  return properties;
}

}  // namespace

Result<Block> ReadTableBlock(const io::File& file, uint64_t file_bytes, uint64_t salt,
                             BlockKind kind, BlockHandle handle, Unpacker& unpacker,
                             ReadAhead* ahead) {
  if (ahead == nullptr) {
    AIDB_ASSIGN_OR_RETURN(BlockBuffer raw, ReadStored(file, salt, kind, handle, unpacker));
    return Block::Parse(kind, std::move(raw));
  }
  AIDB_ASSIGN_OR_RETURN(const std::string_view stored,
                        ahead->Bytes(file, file_bytes, handle.offset, handle.size + kTrailerBytes));
  AIDB_ASSIGN_OR_RETURN(const BlockTrailer trailer,
                        CheckTrailer(salt, handle.offset, stored, kind));
  AIDB_ASSIGN_OR_RETURN(BlockBuffer raw,
                        UnpackStored(trailer, stored.substr(0, handle.size), unpacker));
  return Block::Parse(kind, std::move(raw));
}

Status GiveSequence(Block& block, Sequence sequence) {
  if (block.kind() != BlockKind::kData && block.kind() != BlockKind::kRangeDeletes) return {};
  if (!block.entries().one_sequence()) {
    return Corruption("block of an ingested table holds several sequences");
  }
  block.SetSequence(sequence);
  return {};
}

Result<std::string_view> ReadAhead::Bytes(const io::File& file, uint64_t file_bytes,
                                          uint64_t offset, uint64_t size) {
  const bool sequential = offset == continues_at_;
  continues_at_ = offset + size;
  const bool inside =
      offset >= begin_ && offset - begin_ <= valid_ && size <= valid_ - (offset - begin_);
  if (!inside) {
    window_ = sequential ? std::min(window_ * 2, kWindowMax) : kWindowMin;
    uint64_t wanted = sequential ? std::max(size, window_) : size;
    wanted = std::max(size, std::min(wanted, file_bytes - std::min(file_bytes, offset)));
    if (buffer_.size() < wanted) buffer_.resize(wanted);
    valid_ = 0;
    AIDB_RETURN_IF_ERROR(
        io::ReadExact(file, offset, std::as_writable_bytes(std::span(buffer_.data(), wanted))));
    begin_ = offset;
    valid_ = wanted;
  }
  return std::string_view(buffer_).substr(offset - begin_, size);
}

Result<std::shared_ptr<TableReader>> TableReader::Open(std::unique_ptr<io::File> file,
                                                       TableFacts expected, BlockCache& cache) {
  AIDB_ASSIGN_OR_RETURN(const uint64_t file_bytes, file->Size());
  if (file_bytes != expected.size_bytes) {
    return Corruption("table " + std::string(file->path()) + " has " + std::to_string(file_bytes) +
                      " bytes, expected " + std::to_string(expected.size_bytes) + ": keys " +
                      KeyText(expected.first_key) + " to " + KeyText(expected.last_key) +
                      " cannot be read" + RepairCommand(io::ParentOf(file->path())));
  }
  std::shared_ptr<TableReader> table(new TableReader(std::move(file), std::move(expected), cache));
  AIDB_ASSIGN_OR_RETURN(table->footer_, ReadFooter(*table->file_, file_bytes));
  if (table->footer_.salt != table->facts_.salt) {
    return table->Damaged(
        file_bytes - kFooterBytes,
        Corruption("salt is " + std::to_string(table->footer_.salt) + ", the manifest says " +
                   std::to_string(table->facts_.salt) + ": another table"));
  }
  if (table->footer_.format != TableFormatFor(table->facts_)) {
    return table->Damaged(
        file_bytes - kFooterBytes,
        Corruption("format is " + std::to_string(table->footer_.format) +
                   ", which does not go with " + std::to_string(table->facts_.range_deletes) +
                   " range deletes and " + std::to_string(table->facts_.operands) +
                   " operands: another table"));
  }
  if (table->facts_.range_deletes > 0) {
    AIDB_RETURN_IF_ERROR(table->ReadRangeDeletes());
    if (table->footer_.index_root.size == 0) return table;
  }
  AIDB_RETURN_IF_ERROR(table->ReadRoot());
  return table;
}

Status TableReader::ReadRoot() {
  const BlockHandle root = footer_.index_root;
  AIDB_ASSIGN_OR_RETURN(root_, ReadBlock(BlockKind::kIndexRoot, root, nullptr));
  const EntryBlock& entries = root_->entries();
  root_entries_.reserve(entries.entries());
  for (size_t i = 0; i < entries.entries(); ++i) {
    const auto entry =
        DecodeIndexEntry(entries.At(i).value, BlockKind::kIndexRoot, facts_.size_bytes);
    if (!entry) {
      return Damaged(root.offset, Corruption("index root has a bad entry " + std::to_string(i)));
    }
    root_entries_.push_back(*entry);
  }
  root_hints_ = std::make_unique<RootHints[]>(entries.entries());
  return {};
}

Status TableReader::ReadRangeDeletes() {
  const BlockHandle meta_index = footer_.meta_index;
  AIDB_ASSIGN_OR_RETURN(const Block meta, ReadBlock(BlockKind::kMetaIndex, meta_index, nullptr));
  const auto handles = DecodeMetaIndex(meta.entries(), facts_.size_bytes);
  if (!handles.ok()) return Damaged(meta_index.offset, handles.status());
  if (!handles->range_deletes) {
    return Damaged(meta_index.offset,
                   Corruption("meta index names no range deletes; the format says there are some"));
  }
  const BlockHandle handle = *handles->range_deletes;
  const std::string lost = "; keys from " + KeyText(facts_.first_key) + " to " +
                           KeyText(facts_.last_key) + " cannot be read";
  const auto block = ReadBlock(BlockKind::kRangeDeletes, handle, nullptr);
  if (!block.ok()) {
    return Status(block.status().code(), std::string(block.status().message()) + lost);
  }
  // What was ingested may have entries of the newest range delete's own sequence, which it does not
  // hide; and tables merged from it as well. So only what has no entries is known to hide all.
  auto list = RangeDeleteList::Decode(block->entries(),
                                      facts_.entries == 0 ? facts_.highest : kv::kSequenceMax);
  if (!list.ok()) return Damaged(handle.offset, list.status());
  if ((*list)->versions() != facts_.range_deletes) {
    return Damaged(handle.offset,
                   Corruption("there are " + std::to_string((*list)->versions()) +
                              " range deletes, expected " + std::to_string(facts_.range_deletes)));
  }
  range_deletes_ = *std::move(list);
  cache_.Charge(static_cast<int64_t>(range_deletes_->memory_bytes()));
  return {};
}

TableReader::~TableReader() {
  if (range_deletes_ != nullptr) {
    cache_.Charge(-static_cast<int64_t>(range_deletes_->memory_bytes()));
  }
}

Result<TableFacts> TableReader::ReadFacts(const io::File& file) {
  AIDB_ASSIGN_OR_RETURN(const uint64_t file_bytes, file.Size());
  AIDB_ASSIGN_OR_RETURN(const Footer footer, ReadFooter(file, file_bytes));
  Unpacker unpacker;
  AIDB_ASSIGN_OR_RETURN(TableProperties properties,
                        ReadPropertiesOf(file, footer, file_bytes, unpacker));
  std::vector<std::byte> piece(ReadAhead::kWindowMax);
  for (uint64_t at = 0; at < file_bytes; at += piece.size()) {
    const auto part = std::span(piece).first(std::min<uint64_t>(piece.size(), file_bytes - at));
    AIDB_RETURN_IF_ERROR(io::ReadExact(file, at, part));
    properties.facts.crc = ExtendCrc32c(properties.facts.crc, AsView(part));
  }
  return properties.facts;
}

size_t TableReader::memory_bytes() const {
  return sizeof(TableReader) + (root_ ? root_->memory_bytes() : 0) +
         (range_deletes_ != nullptr ? range_deletes_->memory_bytes() : 0) +
         root_entries_.capacity() * (sizeof(IndexEntry) + sizeof(RootHints)) +
         facts_.first_key.capacity() + facts_.last_key.capacity();
}

Result<TableProperties> TableReader::ReadProperties() const {
  return ReadPropertiesOf(*file_, footer_, facts_.size_bytes, cache_.unpacker());
}

Status TableReader::Damaged(uint64_t offset, const Status& why) const {
  return DamagedAt(path(), offset, why);
}

Status TableReader::Lost(Status why, size_t partition, const EntryBlock* index, size_t i) const {
  const EntryBlock& root = root_->entries();
  const std::string from = index != nullptr ? index->KeyAt(i) : root.KeyAt(partition);
  std::string to;
  if (index != nullptr && i + 1 < index->entries()) {
    to = " to " + KeyText(index->KeyAt(i + 1));
  } else if (partition + 1 < root.entries()) {
    to = " to " + KeyText(root.KeyAt(partition + 1));
  } else {
    to = " to the last, " + KeyText(facts_.last_key);
  }
  return Status(why.code(), std::string(why.message()) + "; keys from " + KeyText(from) + to +
                                " cannot be read");
}

Result<Block> TableReader::ReadBlock(BlockKind kind, BlockHandle handle, ReadAhead* ahead) const {
  auto block = ReadTableBlock(*file_, facts_.size_bytes, facts_.salt, kind, handle,
                              cache_.unpacker(), ahead);
  if (!block.ok()) return Damaged(handle.offset, block.status());
  if (facts_.ingested) [[unlikely]] {
    const Status given = GiveSequence(*block, facts_.highest);
    if (!given.ok()) return Damaged(handle.offset, given);
  }
  return block;
}

Result<BlockRef> TableReader::Fetch(BlockKind kind, BlockHandle handle, const BlockHint& hint,
                                    CacheFill fill, ReadAhead* ahead,
                                    ReadCounters* counters) const {
  const BlockKey key{.table = facts_.number, .offset = handle.offset};
  const auto touch = fill == CacheFill::kFill ? CacheTouch::kRemember : CacheTouch::kPassBy;
  if (BlockRef cached = cache_.Lookup(key, kind, touch, hint); cached != nullptr) {
    if (counters != nullptr) ++counters->cache_hits;
    // Two blocks of one offset would be an index that lies.
    if (cached->kind() == kind) [[likely]]
      return cached;
    return Damaged(handle.offset, Corruption("two kinds of block are said to lie here"));
  }
  if (counters != nullptr) {
    ++counters->cache_misses;
    counters->bytes_read += handle.size + kTrailerBytes;
  }
  AIDB_ASSIGN_OR_RETURN(Block block, ReadBlock(kind, handle, ahead));
  if (fill == CacheFill::kFill) return cache_.Insert(key, std::move(block), hint);
  return cache_.MakePrivate(std::move(block));
}

Result<IndexEntry> TableReader::ChildAt(size_t partition, const EntryBlock& index, size_t i) const {
  const auto entry = DecodeIndexEntry(index.At(i).value, BlockKind::kIndex, facts_.size_bytes);
  if (entry) [[likely]]
    return *entry;
  return Lost(Damaged(root_entries_[partition].child.offset,
                      Corruption("index partition has a bad entry " + std::to_string(i))),
              partition, &index, i);
}

Result<std::optional<TableReader::Found>> TableReader::Get(const HashedKey& key, Sequence at,
                                                           ReadCounters* counters) const {
  if (range_deletes_ == nullptr) [[likely]]
    return GetEntry(key, at, counters);
  const Sequence covering = range_deletes_->deletes().Covering(key.bytes, at);
  // Where nothing in the table is newer, no entry needs to be looked for. What was ingested with a
  // range delete has its sequence, and is not hidden by it.
  std::optional<Found> found;
  if (root_ && (covering == kv::kSequenceNone || covering <= facts_.highest)) {
    AIDB_ASSIGN_OR_RETURN(found, GetEntry(key, at, counters));
  }
  if (covering == kv::kSequenceNone || (found && found->sequence >= covering)) return found;
  return std::optional(Found{OpKind::kDelete, covering, kv::PinnedValue(std::string()), 0});
}

Result<std::optional<TableReader::Found>> TableReader::GetEntry(const HashedKey& key, Sequence at,
                                                                ReadCounters* counters) const {
  TableLookup lookup(*this, key, at, counters);
  if (!lookup.Enter()) return std::optional<Found>();
  AIDB_ASSIGN_OR_RETURN(const bool maybe, lookup.AskFilter());
  if (!maybe) return std::optional<Found>();
  AIDB_RETURN_IF_ERROR(lookup.FindChild());
  AIDB_RETURN_IF_ERROR(lookup.FetchBlock());
  return lookup.Search();
}

std::unique_ptr<EntryCursor> TableReader::NewCursor(CacheFill fill) const {
  return std::make_unique<TableCursor>(shared_from_this(), fill);
}

}  // namespace aidb::lsm
