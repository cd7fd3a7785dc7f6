#include "aidb/lsm/version_edit.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/kv/types.h"

namespace aidb::lsm {
namespace {

// The numbers are the format; none is ever used again for something else.
enum class Field : uint64_t {
  kHeader = 1,
  kNextFileNumber = 2,
  kLastSequence = 3,
  kLogFloor = 4,
  kClock = 5,
  kCleanShutdown = 6,
  kClosedLog = 7,
  kPointer = 8,
  kRemoved = 9,
  kAdded = 10,
  kDamaged = 11,
  kAddedWithRangeDeletes = 12,  // In the place of kAdded, for a reader that knows them.
  kAddedWithOperands = 13,      // Likewise, with range deletes or without.
  kAddedIngested = 14,          // Likewise, with range deletes or without.
  kIngestSequence = 15,
};

// Without a round-robin pointer a store is as right as with it; everything else is needed.
constexpr bool Required(Field field) { return field != Field::kPointer; }

constexpr uint64_t kDefaultKeyspace = 0;

// ── Writing ─────────────────────────────────────────────────────────────────────────────────

void AppendField(std::string& to, Field field, std::string_view bytes) {
  AppendVarint(to, static_cast<uint64_t>(field) << 1 | (Required(field) ? 1 : 0));
  AppendLengthPrefixed(to, bytes);
}

void AppendNumber(std::string& to, Field field, uint64_t value) {
  std::string bytes;
  AppendVarint(bytes, value);
  AppendField(to, field, bytes);
}

std::string EncodeHeader(const StoreHeader& header) {
  std::string bytes;
  AppendVarint(bytes, header.format);
  bytes.append(header.uuid.AsView());
  AppendLengthPrefixed(bytes, header.comparator);
  AppendVarint(bytes, header.snapshot_edits);
  return bytes;
}

std::string EncodeLog(const ClosedLog& log) {
  std::string bytes;
  AppendVarint(bytes, log.number);
  AppendVarint(bytes, log.size_bytes);
  AppendVarint(bytes, ToNumber(log.last));
  return bytes;
}

Field FieldOf(const TableFacts& facts) {
  if (facts.ingested) return Field::kAddedIngested;
  if (facts.operands > 0) return Field::kAddedWithOperands;
  return facts.range_deletes > 0 ? Field::kAddedWithRangeDeletes : Field::kAdded;
}

std::string EncodeAdded(const AddedTable& table) {
  const TableFacts& facts = table.facts;
  std::string bytes;
  AppendVarint(bytes, kDefaultKeyspace);
  AppendVarint(bytes, static_cast<uint64_t>(table.level));
  AppendVarint(bytes, table.run);
  AppendVarint(bytes, facts.number);
  AppendLe(bytes, facts.salt);
  AppendVarint(bytes, facts.size_bytes);
  AppendLe(bytes, facts.crc);
  AppendVarint(bytes, ToNumber(facts.lowest));
  AppendVarint(bytes, ToNumber(facts.highest));
  AppendVarint(bytes, facts.entries);
  AppendVarint(bytes, facts.deletes);
  AppendVarint(bytes, facts.raw_bytes);
  AppendLengthPrefixed(bytes, facts.first_key);
  AppendLengthPrefixed(bytes, facts.last_key);
  const Field field = FieldOf(facts);
  if (field != Field::kAdded) AppendVarint(bytes, facts.range_deletes);
  if (field == Field::kAddedWithOperands) AppendVarint(bytes, facts.operands);
  return bytes;
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────

Status Newer(std::string_view what) {
  return InvalidArgument("the manifest was written by a newer version of AiDb: " +
                         std::string(what));
}

// Reads the parts of one field; the first that does not fit makes the whole field bad.
class Parts {
 public:
  explicit Parts(std::string_view bytes) : reader_(bytes) {}

  uint64_t Number(uint64_t max = std::numeric_limits<uint64_t>::max()) {
    const std::optional<uint64_t> value = reader_.Varint();
    if (!value || *value > max) bad_ = true;
    return bad_ ? 0 : *value;
  }
  Sequence SequenceNumber() { return Sequence{Number(ToNumber(kv::kSequenceMax))}; }
  int Level() { return static_cast<int>(Number(kLevels - 1)); }
  template <typename T>
  T Fixed() {
    const std::optional<T> value = reader_.Le<T>();
    if (!value) bad_ = true;
    return value.value_or(T{});
  }
  std::string_view Bytes(uint64_t count) { return Checked(reader_.Bytes(count)); }
  std::string_view Text(uint64_t size_max) {
    const std::string_view text = Checked(reader_.LengthPrefixed());
    if (text.size() > size_max) bad_ = true;
    return text;
  }
  // All read and nothing left over.
  bool Whole() const { return !bad_ && reader_.empty(); }
  bool bad() const { return bad_; }
  void Refuse() { bad_ = true; }

 private:
  std::string_view Checked(std::optional<std::string_view> bytes) {
    if (!bytes) bad_ = true;
    return bytes.value_or(std::string_view());
  }

  ByteReader reader_;
  bool bad_ = false;
};

constexpr uint64_t kComparatorBytesMax = 256;

Status DecodeHeader(Parts& parts, VersionEdit& edit) {
  StoreHeader header;
  header.format = parts.Number();
  if (!parts.bad() && header.format > kStoreFormat)
    return Newer("format " + std::to_string(header.format));
  const std::string_view uuid = parts.Bytes(header.uuid.bytes.size());
  if (!parts.bad()) std::memcpy(header.uuid.bytes.data(), uuid.data(), uuid.size());
  header.comparator = parts.Text(kComparatorBytesMax);
  header.snapshot_edits = parts.Number();
  if (header.format == 0 || header.snapshot_edits == 0 || edit.header) parts.Refuse();
  edit.header = std::move(header);
  return {};
}

ClosedLog DecodeLog(Parts& parts) {
  ClosedLog log;
  log.number = parts.Number();
  log.size_bytes = parts.Number();
  log.last = parts.SequenceNumber();
  return log;
}

Status DecodeAdded(Field field, Parts& parts, VersionEdit& edit) {
  if (parts.Number() != kDefaultKeyspace) return Newer("a table of a keyspace");
  AddedTable table;
  TableFacts& facts = table.facts;
  table.level = parts.Level();
  table.run = parts.Number();
  facts.number = parts.Number();
  facts.salt = parts.Fixed<uint64_t>();
  facts.size_bytes = parts.Number();
  facts.crc = parts.Fixed<uint32_t>();
  facts.lowest = parts.SequenceNumber();
  facts.highest = parts.SequenceNumber();
  facts.entries = parts.Number();
  facts.deletes = parts.Number();
  facts.raw_bytes = parts.Number();
  facts.first_key = parts.Text(kv::kKeyBytesMax);
  facts.last_key = parts.Text(kv::kKeyBytesMax);
  facts.ingested = field == Field::kAddedIngested;
  if (field != Field::kAdded) facts.range_deletes = parts.Number();
  if (field == Field::kAddedWithOperands) facts.operands = parts.Number();
  const bool none = facts.entries == 0 && facts.range_deletes == 0;
  if (facts.first_key > facts.last_key || facts.lowest > facts.highest ||
      facts.deletes > facts.entries || facts.operands > facts.entries - facts.deletes || none ||
      FieldOf(facts) != field || (facts.ingested && facts.lowest != facts.highest)) {
    parts.Refuse();
  }
  edit.added.push_back(std::move(table));
  return {};
}

template <typename T>
void SetOnce(Parts& parts, std::optional<T>& to, T value) {
  if (to) parts.Refuse();
  to = std::move(value);
}

// Ok also for a field whose bytes are bad: `parts` knows.
Status DecodeField(Field field, Parts& parts, VersionEdit& edit) {
  switch (field) {
    case Field::kHeader:
      return DecodeHeader(parts, edit);
    case Field::kNextFileNumber:
      SetOnce(parts, edit.next_file_number, parts.Number());
      return {};
    case Field::kLastSequence:
      SetOnce(parts, edit.last_sequence, parts.SequenceNumber());
      return {};
    case Field::kLogFloor:
      SetOnce(parts, edit.log_floor, parts.Number());
      return {};
    case Field::kClock:
      SetOnce(parts, edit.clock_ms_max,
              static_cast<int64_t>(parts.Number(std::numeric_limits<int64_t>::max())));
      return {};
    case Field::kCleanShutdown:
      SetOnce(parts, edit.clean_shutdown, DecodeLog(parts));
      return {};
    case Field::kClosedLog:
      edit.closed_logs.push_back(DecodeLog(parts));
      return {};
    case Field::kPointer: {
      const int level = parts.Level();
      edit.pointers.push_back({level, std::string(parts.Text(kv::kKeyBytesMax))});
      return {};
    }
    case Field::kRemoved: {
      const int level = parts.Level();
      edit.removed.push_back({level, parts.Number()});
      return {};
    }
    case Field::kAdded:
    case Field::kAddedWithRangeDeletes:
    case Field::kAddedWithOperands:
    case Field::kAddedIngested:
      return DecodeAdded(field, parts, edit);
    case Field::kDamaged:
      edit.damaged.push_back(parts.Number());
      return {};
    case Field::kIngestSequence:
      SetOnce(parts, edit.ingest_sequence, parts.SequenceNumber());
      return {};
  }
  return {};
}

bool IsKnown(uint64_t id) {
  return id >= static_cast<uint64_t>(Field::kHeader) &&
         id <= static_cast<uint64_t>(Field::kIngestSequence);
}

}  // namespace

std::string VersionEdit::Encode() const {
  std::string to;
  if (header) AppendField(to, Field::kHeader, EncodeHeader(*header));
  if (next_file_number) AppendNumber(to, Field::kNextFileNumber, *next_file_number);
  if (last_sequence) AppendNumber(to, Field::kLastSequence, ToNumber(*last_sequence));
  if (log_floor) AppendNumber(to, Field::kLogFloor, *log_floor);
  if (clock_ms_max) {
    AppendNumber(to, Field::kClock, static_cast<uint64_t>(std::max<int64_t>(*clock_ms_max, 0)));
  }
  if (clean_shutdown) AppendField(to, Field::kCleanShutdown, EncodeLog(*clean_shutdown));
  for (const ClosedLog& log : closed_logs) AppendField(to, Field::kClosedLog, EncodeLog(log));
  for (const CompactionPointer& pointer : pointers) {
    std::string bytes;
    AppendVarint(bytes, static_cast<uint64_t>(pointer.level));
    AppendLengthPrefixed(bytes, pointer.key);
    AppendField(to, Field::kPointer, bytes);
  }
  for (const RemovedTable& table : removed) {
    std::string bytes;
    AppendVarint(bytes, static_cast<uint64_t>(table.level));
    AppendVarint(bytes, table.number);
    AppendField(to, Field::kRemoved, bytes);
  }
  for (const AddedTable& table : added) {
    AppendField(to, FieldOf(table.facts), EncodeAdded(table));
  }
  for (const uint64_t number : damaged) AppendNumber(to, Field::kDamaged, number);
  if (ingest_sequence) AppendNumber(to, Field::kIngestSequence, ToNumber(*ingest_sequence));
  return to;
}

Result<VersionEdit> VersionEdit::Decode(std::string_view bytes) {
  ByteReader reader(bytes);
  VersionEdit edit;
  while (!reader.empty()) {
    const size_t at = reader.position();
    const std::optional<uint64_t> tag = reader.Varint();
    const std::optional<std::string_view> content =
        tag ? reader.LengthPrefixed() : std::optional<std::string_view>();
    if (!content)
      return Corruption("an edit's field at byte " + std::to_string(at) + " does not fit");
    const uint64_t id = *tag >> 1;
    const bool required = (*tag & 1) != 0;
    if (!IsKnown(id)) {
      if (required) return Newer("field " + std::to_string(id));
      continue;
    }
    Parts parts(*content);
    AIDB_RETURN_IF_ERROR(DecodeField(Field{id}, parts, edit));
    if (!parts.Whole()) {
      return Corruption("an edit's field " + std::to_string(id) + " at byte " + std::to_string(at) +
                        " is malformed");
    }
  }
  return edit;
}

}  // namespace aidb::lsm
