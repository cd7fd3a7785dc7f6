#include "aidb/lsm/log_framing.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/bytes.h"
#include "aidb/base/crc32c.h"
#include "aidb/base/random.h"
#include "aidb/kv/write_batch.h"
#include "aidb/lsm/golden_file.h"
#include "aidb/lsm/log_reference_reader.h"

namespace aidb::lsm {
namespace {

using journal::ControlKind;
using journal::Evidence;
using journal::FileIdentity;
using journal::kBehindUnknown;
using journal::OpenFacts;
using journal::Parsed;
using journal::ParseKind;
using journal::Place;
using journal::RecordId;

constexpr FileIdentity kFile{
    .journal_uuid = {0xA1, 0xDB, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, .number = 42};

// A log in memory, grown record by record.
class TestLog {
 public:
  explicit TestLog(FileIdentity file = kFile, uint64_t payload_max = kLogRecordBytesMax,
                   RecordForm form = RecordForm::kFull)
      : framing_(payload_max, form), file_(file), form_(form) {}
  explicit TestLog(RecordForm form) : TestLog(kFile, kLogRecordBytesMax, form) {}

  // Returns the offset at which it was put.
  uint64_t Add(std::string_view operations, uint32_t ids = 1, uint32_t behind = 0) {
    const uint64_t offset = bytes_.size();
    const journal::Record record{operations, ids};
    bytes_.resize(offset + framing_.FramedSize(record, RecordId{next_id_}, offset), 'x');
    framing_.Encode({file_, offset, RecordId{next_id_}, behind}, record, Rest(offset));
    next_id_ += ids;
    return offset;
  }
  uint64_t AddControl(ControlKind kind, const OpenFacts& open = {}, uint32_t behind = 0) {
    const uint64_t offset = bytes_.size();
    bytes_.resize(offset + framing_.ControlSize(kind, offset), 'x');
    framing_.EncodeControl({file_, offset, {}, behind}, kind, open, Rest(offset));
    return offset;
  }
  // Adds a record that ends `left` bytes before its block does.
  void FillBlockBut(uint64_t left) {
    const uint64_t in_block = bytes_.size() % kLogBlockBytes;
    const uint64_t header = form_ == RecordForm::kFull ? kLogBatchHeaderBytes : 2;
    Add(std::string(kLogBlockBytes - in_block - left - kLogHeaderBytes - header, 'f'));
    ASSERT_EQ(bytes_.size() % kLogBlockBytes, (kLogBlockBytes - left) % kLogBlockBytes);
  }
  Parsed ParseAt(uint64_t offset, bool more_follows = false) {
    return framing_.Parse(std::string_view(bytes_).substr(offset), more_follows, offset, file_,
                          scratch_);
  }
  std::optional<Evidence> Find(uint64_t skip) {
    return framing_.FindEvidence(bytes_, skip, 0, file_);
  }
  // After a deliberate change of a fragment's header or payload.
  void FixChecksum(uint64_t at) {
    const uint64_t length = LoadLe<uint16_t>(bytes_.data() + at + 4);
    std::string covered(file_.journal_uuid.begin(), file_.journal_uuid.end());
    AppendLe(covered, file_.number);
    AppendLe(covered, at);
    covered += bytes_.substr(at + 4, 12 + length);
    StoreLe(bytes_.data() + at, MaskCrc(Crc32c(covered)));
  }

  std::string& bytes() { return bytes_; }
  const LogFraming& framing() const { return framing_; }

 private:
  std::span<std::byte> Rest(uint64_t offset) {
    return std::as_writable_bytes(std::span(bytes_)).subspan(offset);
  }

  LogFraming framing_;
  FileIdentity file_;
  RecordForm form_;
  std::string bytes_;
  std::string scratch_;
  uint64_t next_id_ = 1;
};

void ExpectRecord(const Parsed& parsed, std::string_view operations) {
  ASSERT_EQ(parsed.kind, ParseKind::kRecord) << parsed.reason;
  EXPECT_TRUE(parsed.payload == operations);
}

TEST(LogFraming, ReadsBackWhatItWrote) {
  TestLog log;
  log.AddControl(ControlKind::kOpen, {.previous_number = 41,
                                      .previous_end = 1000,
                                      .previous_durable = 900,
                                      .first_id = RecordId{1}});
  const uint64_t record = log.Add("operations", 3, 17);
  const uint64_t mark = log.AddControl(ControlKind::kMark, {}, 5);
  const uint64_t close = log.AddControl(ControlKind::kClose);

  const Parsed open = log.ParseAt(0);
  ASSERT_EQ(open.kind, ParseKind::kControl);
  EXPECT_EQ(open.control, ControlKind::kOpen);
  EXPECT_EQ(open.size, record);
  EXPECT_EQ(open.open.previous_number, 41u);
  EXPECT_EQ(open.open.previous_end, 1000u);
  EXPECT_EQ(open.open.previous_durable, 900u);
  EXPECT_EQ(open.open.first_id, RecordId{1});

  const Parsed parsed = log.ParseAt(record);
  ExpectRecord(parsed, "operations");
  EXPECT_EQ(parsed.ids, 3u);
  EXPECT_EQ(parsed.first_id, RecordId{1});
  EXPECT_EQ(parsed.behind, 17u);
  EXPECT_EQ(parsed.size, mark - record);

  EXPECT_EQ(log.ParseAt(mark).control, ControlKind::kMark);
  EXPECT_EQ(log.ParseAt(mark).behind, 5u);
  EXPECT_EQ(log.ParseAt(close).control, ControlKind::kClose);
  EXPECT_EQ(log.ParseAt(log.bytes().size()).kind, ParseKind::kFill);
}

TEST(LogFraming, RefusesWhatAHigherVersionThanItsOwnMayWrite) {
  TestLog log(RecordForm::kBatch);
  const uint64_t open = log.AddControl(ControlKind::kOpen);
  const uint64_t record = log.Add("operations");
  const LogFraming old(kLogRecordBytesMax, RecordForm::kFull);
  std::string scratch;
  for (const uint64_t at : {open, record}) {
    EXPECT_EQ(log.ParseAt(at).kind, at == open ? ParseKind::kControl : ParseKind::kRecord);
    const std::string_view rest = std::string_view(log.bytes()).substr(at);
    EXPECT_EQ(old.Parse(rest, false, at, kFile, scratch).kind, ParseKind::kNewer) << at;
  }
}

class LogFramingForms : public ::testing::TestWithParam<RecordForm> {};

TEST_P(LogFramingForms, TakesFramedSizeBytesAtEveryPlaceAndLength) {
  // Block ends with 0…40 bytes left, payloads around each boundary between fragment counts.
  for (uint64_t left = 0; left <= 40; ++left) {
    for (const uint64_t payload :
         {uint64_t{0}, uint64_t{1}, uint64_t{20}, kLogFragmentPayloadMax - 18,
          kLogFragmentPayloadMax - 17, kLogFragmentPayloadMax - 16, kLogFragmentPayloadMax - 3,
          kLogFragmentPayloadMax - 2, kLogFragmentPayloadMax - 1, 2 * kLogFragmentPayloadMax - 17,
          2 * kLogFragmentPayloadMax, uint64_t{100'000}}) {
      TestLog log(GetParam());
      log.FillBlockBut(left);
      const std::string operations(payload, 'p');
      const uint64_t at = log.Add(operations);
      const Parsed parsed = log.ParseAt(at);
      ExpectRecord(parsed, operations);
      EXPECT_EQ(at + parsed.size, log.bytes().size()) << left << " " << payload;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Both, LogFramingForms,
                         ::testing::Values(RecordForm::kFull, RecordForm::kBatch));

TEST(LogFraming, FramesASmallWriteInAShortHeader) {
  TestLog log(RecordForm::kBatch);
  log.AddControl(ControlKind::kOpen);
  const uint64_t at = log.Add("operations", 300, 17);
  // Header, two bytes for 300 operations, one for the first sequence, 1.
  EXPECT_EQ(log.bytes().size() - at, kLogHeaderBytes + 2 + 1 + 10);
  EXPECT_EQ(log.bytes()[at + 6], static_cast<char>(FragmentType::kBatch));
  const Parsed parsed = log.ParseAt(at);
  ExpectRecord(parsed, "operations");
  EXPECT_EQ(parsed.ids, 300u);
  EXPECT_EQ(parsed.first_id, RecordId{1});
  EXPECT_EQ(parsed.behind, 17u);
  ExpectRecord(log.ParseAt(log.Add("")), "");
}

TEST(LogFraming, RefusesAShortHeaderThatIsNone) {
  for (const auto& [header, good] :
       {std::pair(std::string("\x01\x01"), true),
        {std::string("\x00\x01", 2), false},
        {std::string("\x01\x80"), false},
        {std::string("\x81\x00", 2), false},
        // 2^32 operations; then the last sequence there is, and the one behind it.
        {std::string("\x80\x80\x80\x80\x10\x01"), false},
        {std::string("\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"), true},
        {std::string("\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"), false},
        {std::string("\x01\x80\x80\x80\x80\x80\x80\x80\x80\x01"), false}}) {
    TestLog log(RecordForm::kBatch);
    // The sequence 1 and a count of 1 take two bytes, which the header replaces.
    const uint64_t at = log.Add(std::string(header.size() - 2, 'x'));
    log.bytes().replace(at + kLogHeaderBytes, header.size(), header);
    log.FixChecksum(at);
    EXPECT_EQ(log.ParseAt(at).kind == ParseKind::kRecord, good) << header.size();
    EXPECT_EQ(reference::ItemAt(log.bytes(), at, kFile, 100).has_value(), good) << header.size();
  }
}

TEST(LogFraming, NeverCrossesABlockAndPadsWithZeros) {
  TestLog log;
  log.FillBlockBut(15);
  const uint64_t at = log.Add("next");
  EXPECT_EQ(log.bytes().substr(at, 15), std::string(15, '\0'));
  EXPECT_EQ(log.bytes()[kLogBlockBytes + 6], static_cast<char>(FragmentType::kFull));
  log.bytes()[at + 14] = 1;
  EXPECT_EQ(log.ParseAt(at).kind, ParseKind::kBad);
}

TEST(LogFraming, StartsARecordInTheLastSixteenBytesOfABlock) {
  TestLog log;
  log.FillBlockBut(16);
  const uint64_t at = log.Add("split");
  EXPECT_EQ(log.bytes()[at + 6], static_cast<char>(FragmentType::kFirst));
  ExpectRecord(log.ParseAt(at), "split");
}

TEST(LogFraming, PadsControlsToo) {
  TestLog log;
  log.FillBlockBut(10);
  const uint64_t mark = log.AddControl(ControlKind::kMark);
  EXPECT_EQ(log.ParseAt(mark).size, 26u);
  EXPECT_EQ(log.ParseAt(mark).control, ControlKind::kMark);
}

TEST(LogFraming, ClaimsNoMoreDurableBytesInLaterFragmentsThanInTheFirst) {
  TestLog log;
  log.Add(std::string(1000, 'a'));
  log.FillBlockBut(12);
  const uint64_t at = log.Add(std::string(70'000, 'b'), 1, 500);
  // Whatever fragment is found, it proves the same byte durable: 500 in front of the record.
  uint64_t found = 0;
  for (auto piece = log.Find(at); piece; piece = log.Find(piece->offset + 1), ++found)
    EXPECT_EQ(piece->offset - piece->behind, at - 500);
  EXPECT_EQ(found, 3u);
  EXPECT_EQ(log.ParseAt(at).behind, 500u);
}

TEST(LogFraming, SaturatesBehind) {
  TestLog log;
  const uint64_t at = log.Add(std::string(70'000, 'b'), 1, kBehindUnknown - 40'000);
  const auto first = log.Find(at);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->behind, kBehindUnknown - 40'000);
  const auto last = log.Find(2 * kLogBlockBytes);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->behind, kBehindUnknown);
  const uint64_t unknown = log.Add("x", 1, kBehindUnknown);
  EXPECT_EQ(log.ParseAt(unknown).behind, kBehindUnknown);
}

TEST_P(LogFramingForms, SeesEveryFlippedBit) {
  TestLog log(GetParam());
  log.AddControl(ControlKind::kOpen);
  for (int i = 0; i < 5; ++i) log.Add("record " + std::to_string(i));
  log.AddControl(ControlKind::kClose);
  const std::string intact = log.bytes();
  const auto all = reference::ReadAll(intact, kFile, kLogRecordBytesMax);
  ASSERT_EQ(all.size(), 7u);
  for (size_t bit = 0; bit < intact.size() * 8; ++bit) {
    log.bytes() = intact;
    log.bytes()[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    size_t hurt = 0;
    for (const auto& item : all) {
      const Parsed parsed = log.ParseAt(item.offset);
      const bool whole = parsed.kind == ParseKind::kRecord || parsed.kind == ParseKind::kControl;
      const bool inside = bit / 8 >= item.offset && bit / 8 < item.offset + item.size;
      EXPECT_EQ(whole, !inside) << "bit " << bit;
      hurt += whole ? 0 : 1;
    }
    EXPECT_EQ(hurt, 1u);
  }
}

TEST_P(LogFramingForms, ReadsEveryCutFileAsUnfinishedOrFill) {
  TestLog log(GetParam());
  const uint64_t first = log.Add("the only record");
  const std::string intact = log.bytes();
  for (size_t size = 1; size < intact.size(); ++size) {
    log.bytes() = intact.substr(0, size);
    EXPECT_EQ(log.ParseAt(first).kind, ParseKind::kUnfinished) << size;
    EXPECT_EQ(log.ParseAt(first, true).kind, ParseKind::kNeedMore) << size;
  }
  log.bytes().clear();
  EXPECT_EQ(log.ParseAt(0).kind, ParseKind::kFill);
  EXPECT_EQ(log.ParseAt(0, true).kind, ParseKind::kNeedMore);
}

TEST(LogFraming, CountsABatchOnlyWhenAllItsFragmentsAreThere) {
  TestLog log;
  const uint64_t at = log.Add(std::string(100'000, 'b'));
  const std::string intact = log.bytes();
  // Cut at the end of each fragment.
  for (const uint64_t cut : {kLogBlockBytes, 2 * kLogBlockBytes, 3 * kLogBlockBytes}) {
    log.bytes() = intact.substr(0, cut);
    EXPECT_EQ(log.ParseAt(at).kind, ParseKind::kUnfinished);
    EXPECT_EQ(log.ParseAt(at, true).kind, ParseKind::kNeedMore);
  }
  // A fragment in the middle is damaged.
  log.bytes() = intact;
  log.bytes()[kLogBlockBytes + 100] ^= 1;
  EXPECT_EQ(log.ParseAt(at).kind, ParseKind::kUnfinished);
  // A middle without its beginning is nothing.
  EXPECT_EQ(log.ParseAt(2 * kLogBlockBytes).kind, ParseKind::kBad);
}

TEST(LogFraming, RefusesASizeThatDoesNotAddUp) {
  TestLog log;
  const uint64_t at = log.Add("operations");
  log.bytes()[at + kLogHeaderBytes] ^= 1;
  log.FixChecksum(at);
  EXPECT_EQ(log.ParseAt(at).kind, ParseKind::kBad);
}

TEST(LogFraming, RefusesARecordAboveItsLimitBeforeGatheringIt) {
  TestLog big;
  const uint64_t at = big.Add(std::string(200'000, 'b'));
  const LogFraming small(100'000);
  std::string scratch;
  const Parsed parsed = small.Parse(std::string_view(big.bytes()).substr(0, kLogBlockBytes), true,
                                    at, kFile, scratch);
  EXPECT_EQ(parsed.kind, ParseKind::kBad);
  TestLog exact(kFile, 200'000);
  ExpectRecord(exact.ParseAt(exact.Add(std::string(200'000, 'b'))), std::string(200'000, 'b'));
}

TEST(LogFraming, RefusesAStaleAForeignAndAMisplacedFragment) {
  TestLog stale({.journal_uuid = kFile.journal_uuid, .number = 41});
  TestLog far({.journal_uuid = kFile.journal_uuid, .number = 42 + (uint64_t{1} << 32)});
  TestLog foreign({.journal_uuid = {7}, .number = 42});
  for (TestLog* other : {&stale, &far, &foreign}) {
    other->Add("not ours");
    TestLog log;
    log.bytes() = other->bytes();
    EXPECT_EQ(log.ParseAt(0).kind, ParseKind::kBad);
    EXPECT_FALSE(log.Find(0));
  }
  TestLog log;
  log.Add("first");
  const std::string first = log.bytes();
  log.bytes() += first;  // The same bytes at another place.
  EXPECT_EQ(log.ParseAt(first.size()).kind, ParseKind::kBad);
}

TEST(LogFraming, SaysNewerAndNotBadOfWhatALaterVersionMayWrite) {
  struct Case {
    const char* what;
    size_t byte;
    uint8_t value;
  };
  for (const Case& c : {Case{"fragment type", 6, 9}, Case{"fragment type 0", 6, 0},
                        Case{"fragment flags", 7, 1}, Case{"batch flags", 16 + 16, 1}}) {
    TestLog log;
    const uint64_t at = log.Add("operations");
    log.bytes()[at + c.byte] = static_cast<char>(c.value);
    log.FixChecksum(at);
    EXPECT_EQ(log.ParseAt(at).kind, ParseKind::kNewer) << c.what;
  }
  for (const size_t byte : {size_t{16}, size_t{16 + 58}}) {  // Format version, key id.
    TestLog log;
    log.AddControl(ControlKind::kOpen);
    log.bytes()[byte] = 3;
    log.FixChecksum(0);
    EXPECT_EQ(log.ParseAt(0).kind, ParseKind::kNewer);
  }
}

TEST(LogFraming, TakesAnOpenOnlyAtTheBeginning) {
  TestLog log;
  log.AddControl(ControlKind::kOpen);
  const uint64_t at = log.Add(std::string(kLogOpenPayloadBytes - kLogBatchHeaderBytes, 'x'));
  log.bytes()[at + 6] = static_cast<char>(FragmentType::kOpen);
  log.FixChecksum(at);
  EXPECT_EQ(log.ParseAt(at).kind, ParseKind::kBad);
}

TEST(LogFraming, RefusesSequencesThatDoNotExist) {
  TestLog log;
  for (const auto& [first, ids, good] : {std::tuple{(uint64_t{1} << 56) - 1, 1u, true},
                                         {(uint64_t{1} << 56) - 1, 2u, false},
                                         {uint64_t{1} << 56, 1u, false},
                                         {uint64_t{5}, 0u, false}}) {
    log.bytes().clear();
    const uint64_t at = log.Add("x");
    StoreLe(log.bytes().data() + at + 20, ids);
    StoreLe(log.bytes().data() + at + 24, first);
    log.FixChecksum(at);
    EXPECT_EQ(log.ParseAt(at).kind == ParseKind::kRecord, good) << first << " " << ids;
  }
}

TEST(LogFraming, TakesOnlyUnbrokenZerosForFill) {
  TestLog log;
  log.Add("a");
  const uint64_t end = log.bytes().size();
  log.bytes().append(10'000, '\0');
  EXPECT_EQ(log.ParseAt(end).kind, ParseKind::kFill);
  log.bytes()[end + 9'999] = 1;
  EXPECT_EQ(log.ParseAt(end).kind, ParseKind::kBad);
}

TEST(LogFraming, FindsTheFirstValidPieceBehindDamage) {
  for (const uint64_t number : {uint64_t{1}, uint64_t{0x4100}, uint64_t{0x61'000000},
                                uint64_t{1} << 32, uint64_t{0x12345678}}) {
    const FileIdentity file{.journal_uuid = kFile.journal_uuid, .number = number};
    TestLog log(file);
    std::vector<uint64_t> offsets;
    Rng rng(number);
    for (int i = 0; i < 40; ++i) {
      std::string operations(rng.Below(5'000), '\0');
      for (char& c : operations) c = static_cast<char>(rng.OneIn(2) ? number : rng.Next());
      offsets.push_back(log.Add(operations));
    }
    for (uint64_t skip = 0; skip < log.bytes().size(); skip += 1 + rng.Below(700)) {
      std::optional<uint64_t> expected;
      for (uint64_t at = skip; at < log.bytes().size() && !expected; ++at)
        if (reference::PieceAt(log.bytes(), at, file)) expected = at;
      const auto found = log.Find(skip);
      ASSERT_EQ(found.has_value(), expected.has_value()) << "seed " << number << " " << skip;
      if (found) {
        ASSERT_EQ(found->offset, *expected);
      }
    }
  }
}

TEST(LogFraming, ReadsTheIdentityFromTheBytesAlone) {
  TestLog log;
  log.AddControl(ControlKind::kOpen);
  const auto identity = LogFraming::ReadIdentity(log.bytes());
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->number, kFile.number);
  EXPECT_EQ(identity->journal_uuid, kFile.journal_uuid);
  log.bytes()[30] ^= 1;
  EXPECT_FALSE(LogFraming::ReadIdentity(log.bytes()));
  EXPECT_FALSE(LogFraming::ReadIdentity("short"));
}

// One file that holds each kind of fragment; docs/formats/log.md describes it.
std::string GoldenLog(RecordForm form) {
  TestLog log(form);
  log.AddControl(ControlKind::kOpen, {.previous_number = 41,
                                      .previous_end = 4096,
                                      .previous_durable = 4000,
                                      .first_id = RecordId{1}});
  log.Add(std::string("\x01\x05hello\x05world\x02\x04gone", 18), 2);
  log.Add(
      "\x01\x03"
      "big" +
          std::string("\xF0\xA2\x04") + std::string(70'000, 'v'),
      1, 75);
  log.AddControl(ControlKind::kMark, {}, 0);
  log.Add(std::string("\x01\x00\x00", 3), 1, kBehindUnknown);
  log.AddControl(ControlKind::kClose, {}, 44);
  return log.bytes();
}

TEST(LogFraming, ALogHoldsWhatStoresWrite) {
  const auto logged = [](kv::OpKind kind, std::string_view value) {
    return CheckLogged({.kind = kind, .key = "k", .value = value});
  };
  for (const kv::OpKind kind : {kv::OpKind::kPut, kv::OpKind::kDelete, kv::OpKind::kPutExpiring,
                                kv::OpKind::kMerge, kv::OpKind::kDeleteRange}) {
    EXPECT_TRUE(logged(kind, "z").ok());
  }
  for (const kv::OpKind kind : {kv::OpKind::kSingleDelete, kv::OpKind::kDeleteRange}) {
    const Status refused = logged(kind, "");  // A range delete without an end.
    EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(refused.message().find("newer version"), std::string_view::npos);
  }
}

TEST_P(LogFramingForms, WritesTheGoldenFileBitForBit) {
  const std::string log = GoldenLog(GetParam());
  const char* name = GetParam() == RecordForm::kFull ? "log_v1.log" : "log_v2.log";
  EXPECT_TRUE(Golden(name, log) == log) << "docs/formats/log.md and the format differ";
  EXPECT_EQ(reference::ReadAll(log, kFile, kLogRecordBytesMax).size(), 6u);
}

TEST(LogFraming, WritesTheGoldenFileWithExpiryBitForBit) {
  constexpr uint64_t kInstant = 1'700'000'000'000;
  kv::WriteBatch batch;
  batch.Put("plain", "stays");
  batch.Put("expiring", "goes", kInstant);
  TestLog log;
  log.AddControl(ControlKind::kOpen, {.first_id = RecordId{1}});
  const uint64_t record = log.Add(batch.operations(), batch.count());
  log.AddControl(ControlKind::kClose, {}, 40);
  ASSERT_TRUE(Golden("log_v1_expiry.log", log.bytes()) == log.bytes())
      << "docs/formats/log.md and the format differ";
  const Parsed parsed = log.ParseAt(record);
  ASSERT_EQ(parsed.kind, ParseKind::kRecord);
  kv::WriteBatch::Reader reader(parsed.payload);
  ASSERT_TRUE(reader.Next().ok());
  const auto operation = reader.Next();
  ASSERT_TRUE(operation.ok() && operation->has_value());
  EXPECT_EQ((*operation)->kind, kv::OpKind::kPutExpiring);
  EXPECT_EQ((*operation)->expires_at_ms, kInstant);
}

TEST(LogFraming, WritesTheGoldenFileWithAnIngestBitForBit) {
  const kv::IngestNote note{.files = {{.path = "in/cities.sst",
                                       .table = 12,
                                       .size_bytes = 4711,
                                       .crc = 0x01020304,
                                       .entries = 300,
                                       .range_deletes = 1,
                                       .first_key = "city:",
                                       .last_key = "city:z"}}};
  TestLog log(RecordForm::kBatch);
  log.AddControl(ControlKind::kOpen, {.first_id = RecordId{1}});
  const uint64_t record = log.Add(note.Encode(), 1);
  log.AddControl(ControlKind::kClose, {}, 40);
  ASSERT_TRUE(Golden("log_v2_ingest.log", log.bytes()) == log.bytes())
      << "docs/formats/log.md and the format differ";
  const Parsed parsed = log.ParseAt(record);
  ASSERT_EQ(parsed.kind, ParseKind::kRecord);
  kv::WriteBatch::Reader reader(parsed.payload);
  const auto operation = reader.Next();
  ASSERT_TRUE(operation.ok() && operation->has_value() && kv::IngestNote::Is(**operation));
  EXPECT_TRUE(CheckLogged(**operation).ok());
  const auto decoded = kv::IngestNote::Decode((*operation)->value);
  EXPECT_TRUE(decoded.ok() && *decoded == note);
  EXPECT_EQ(CheckLogged({.kind = kv::OpKind::kNote, .key = "another", .value = ""}).code(),
            StatusCode::kInvalidArgument);
}

TEST(LogFraming, WritesTheGoldenFileWithARangeDeleteBitForBit) {
  kv::WriteBatch batch;
  batch.Put("plain", "stays");
  batch.DeleteRange("city:", "city;");
  TestLog log(RecordForm::kBatch);
  log.AddControl(ControlKind::kOpen, {.first_id = RecordId{1}});
  const uint64_t record = log.Add(batch.operations(), batch.count());
  log.AddControl(ControlKind::kClose, {}, 40);
  ASSERT_TRUE(Golden("log_v2_range_delete.log", log.bytes()) == log.bytes())
      << "docs/formats/log.md and the format differ";
  const Parsed parsed = log.ParseAt(record);
  ASSERT_EQ(parsed.kind, ParseKind::kRecord);
  kv::WriteBatch::Reader reader(parsed.payload);
  ASSERT_TRUE(reader.Next().ok());
  const auto operation = reader.Next();
  ASSERT_TRUE(operation.ok() && operation->has_value());
  EXPECT_EQ((*operation)->kind, kv::OpKind::kDeleteRange);
  EXPECT_EQ((*operation)->key, "city:");
  EXPECT_EQ((*operation)->value, "city;");
}

TEST(LogFraming, WritesTheGoldenFileWithAMergeBitForBit) {
  kv::WriteBatch batch;
  batch.Put("n", "40");
  batch.Merge("n", kv::MergeOperator::kAddI64, "2");
  TestLog log(RecordForm::kBatch);
  log.AddControl(ControlKind::kOpen, {.first_id = RecordId{1}});
  const uint64_t record = log.Add(batch.operations(), batch.count());
  log.AddControl(ControlKind::kClose, {}, 40);
  ASSERT_TRUE(Golden("log_v2_merge.log", log.bytes()) == log.bytes())
      << "docs/formats/log.md and the format differ";
  const Parsed parsed = log.ParseAt(record);
  ASSERT_EQ(parsed.kind, ParseKind::kRecord);
  kv::WriteBatch::Reader reader(parsed.payload);
  ASSERT_TRUE(reader.Next().ok());
  const auto operation = reader.Next();
  ASSERT_TRUE(operation.ok() && operation->has_value());
  EXPECT_TRUE(CheckLogged(**operation).ok());
  EXPECT_EQ((*operation)->merge_operator, kv::MergeOperator::kAddI64);
  EXPECT_EQ((*operation)->value, "2");
}

}  // namespace
}  // namespace aidb::lsm
