// The properties block: names in byte order, numbers as varints.

#include "aidb/base/bytes.h"
#include "aidb/lsm/block_builder.h"
#include "aidb/lsm/codec.h"
#include "aidb/lsm/filter.h"
#include "aidb/lsm/table_format.h"

namespace aidb::lsm {

namespace {

constexpr std::string_view kWriter = "aidb 1";
constexpr int kLevelMax = 6;

std::string Number(uint64_t number) {
  std::string bytes;
  AppendVarint(bytes, number);
  return bytes;
}

}  // namespace

std::string EncodeProperties(const TableProperties& properties) {
  const TableFacts& facts = properties.facts;
  BlockBuilder builder(BlockTags::kAbsent);
  builder.Add("codec", Number(static_cast<uint64_t>(properties.codec)));
  builder.Add("deletes", Number(facts.deletes));
  builder.Add("entries", Number(facts.entries));
  builder.Add("expiry.highest", Number(properties.expiry_highest_ms));
  builder.Add("expiry.lowest", Number(properties.expiry_lowest_ms));
  builder.Add("filter.bits_per_key", Number(static_cast<uint64_t>(properties.filter_bits_per_key)));
  builder.Add("key.first", facts.first_key);
  builder.Add("key.last", facts.last_key);
  builder.Add("keyspace", Number(0));
  builder.Add("level", Number(static_cast<uint64_t>(properties.level)));
  builder.Add("number", Number(facts.number));
  if (facts.operands > 0) builder.Add("operands", Number(facts.operands));
  if (facts.range_deletes > 0) builder.Add("range_deletes", Number(facts.range_deletes));
  builder.Add("raw_bytes", Number(facts.raw_bytes));
  builder.Add("run", Number(properties.run));
  builder.Add("sequence.highest", Number(kv::ToNumber(facts.highest)));
  builder.Add("sequence.lowest", Number(kv::ToNumber(facts.lowest)));
  builder.Add("writer", kWriter);
  return std::string(builder.Finish());
}

namespace {

// Reads properties by name, in any order of asking; remembers the first that was bad.
class PropertyReader {
 public:
  explicit PropertyReader(const EntryBlock& block) : block_(block) {}

  uint64_t Number(std::string_view name, uint64_t most) {
    ByteReader reader(Text(name));
    const std::optional<uint64_t> number = reader.Varint();
    if (!number || !reader.empty() || *number > most) Fail(name, "is no number in its range");
    return number.value_or(0);
  }
  std::string_view Text(std::string_view name) {
    if (const auto at = Find(name)) return block_.At(*at).value;
    Fail(name, "is missing");
    return {};
  }
  // 0 where it is missing.
  uint64_t NumberIfAny(std::string_view name) {
    return Find(name) ? Number(name, ~uint64_t{0}) : 0;
  }
  const Status& status() const { return status_; }

 private:
  std::optional<size_t> Find(std::string_view name) const {
    const size_t at = block_.LowerBound(name, kv::kSequenceMax);
    if (at < block_.entries() && block_.KeyEquals(at, name)) return at;
    return std::nullopt;
  }
  void Fail(std::string_view name, std::string_view what) {
    if (status_.ok()) {
      status_ = Corruption("property " + KeyText(name) + " " + std::string(what));
    }
  }

  const EntryBlock& block_;
  Status status_;
};

Status RefuseUnknownRequired(const EntryBlock& block) {
  Entry entry;
  BlockCursor cursor(entry);
  cursor.Attach(block);
  for (bool more = cursor.SeekToFirst(); more; more = cursor.Next()) {
    if (!entry.key.starts_with(kRequiredMark)) continue;
    return Corruption("property " + KeyText(entry.key) +
                      " must be understood and is not known: written by a newer version");
  }
  return {};
}

}  // namespace

Result<TableProperties> DecodeProperties(const EntryBlock& block) {
  AIDB_RETURN_IF_ERROR(RefuseUnknownRequired(block));
  constexpr uint64_t kAny = ~uint64_t{0};
  constexpr uint64_t kSequenceMost = kv::ToNumber(kv::kSequenceMax);
  PropertyReader reader(block);
  TableProperties properties;
  TableFacts& facts = properties.facts;
  properties.codec = static_cast<kv::Compression>(
      reader.Number("codec", static_cast<uint64_t>(kv::Compression::kZstd)));
  facts.deletes = reader.Number("deletes", kAny);
  facts.entries = reader.Number("entries", kAny);
  properties.filter_bits_per_key =
      static_cast<int>(reader.Number("filter.bits_per_key", kFilterBitsPerKeyMax));
  facts.first_key = reader.Text("key.first");
  facts.last_key = reader.Text("key.last");
  properties.level = static_cast<int>(reader.Number("level", kLevelMax));
  facts.number = reader.Number("number", kAny);
  facts.range_deletes = reader.NumberIfAny("range_deletes");
  facts.operands = reader.NumberIfAny("operands");
  facts.raw_bytes = reader.Number("raw_bytes", kAny);
  properties.run = reader.Number("run", kAny);
  facts.highest = Sequence{reader.Number("sequence.highest", kSequenceMost)};
  facts.lowest = Sequence{reader.Number("sequence.lowest", kSequenceMost)};
  properties.writer = reader.Text("writer");
  properties.expiry_lowest_ms = reader.Number("expiry.lowest", kAny);
  properties.expiry_highest_ms = reader.Number("expiry.highest", kAny);
  // Reserved: a table of another keyspace is not ours to read yet.
  const uint64_t keyspace = reader.Number("keyspace", kAny);
  if (!reader.status().ok()) return reader.status();
  if (keyspace != 0) return Corruption("table uses keyspaces: written by a newer version");
  return properties;
}

}  // namespace aidb::lsm
