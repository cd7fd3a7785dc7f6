#include "aidb/base/bytes.h"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"

namespace aidb {
namespace {

std::string Varint(uint64_t value) {
  std::string bytes;
  AppendVarint(bytes, value);
  return bytes;
}

// A copy that begins and ends with its allocation, so that the address sanitizer sees a reader
// that runs past its end.
std::vector<char> Exactly(std::string_view bytes) { return {bytes.begin(), bytes.end()}; }
ByteReader ReaderOf(const std::vector<char>& bytes) {
  return ByteReader({bytes.data(), bytes.size()});
}

TEST(Varint, EncodesAsPublished) {
  EXPECT_EQ(Varint(0), std::string(1, '\0'));
  EXPECT_EQ(Varint(1), "\x01");
  EXPECT_EQ(Varint(127), "\x7F");
  EXPECT_EQ(Varint(128), std::string_view("\x80\x01", 2));
  EXPECT_EQ(Varint(300), "\xAC\x02");  // The example of the protocol buffers documentation.
  EXPECT_EQ(Varint(std::numeric_limits<uint64_t>::max()), std::string(9, '\xFF') + "\x01");
}

TEST(Varint, ReadsBackEveryWidth) {
  for (unsigned width = 0; width <= 64; ++width) {
    const uint64_t top = width == 64 ? 0 : uint64_t{1} << width;
    for (const uint64_t value : {top - 1, top, top + 1}) {
      const std::string encoded = Varint(value);
      EXPECT_EQ(encoded.size(), VarintSize(value)) << value;
      EXPECT_LE(encoded.size(), kVarintBytesMax);
      ByteReader reader(encoded);
      EXPECT_EQ(reader.Varint(), value);
      EXPECT_TRUE(reader.empty());
    }
  }
}

TEST(Varint, RefusesAnEncodingCutShort) {
  for (const uint64_t value : {uint64_t{128}, uint64_t{1} << 40, ~uint64_t{0}}) {
    const std::string encoded = Varint(value);
    for (size_t size = 0; size < encoded.size(); ++size) {
      const std::vector<char> cut = Exactly(std::string_view(encoded).substr(0, size));
      ByteReader reader = ReaderOf(cut);
      EXPECT_EQ(reader.Varint(), std::nullopt);
      EXPECT_EQ(reader.position(), 0u);
    }
  }
}

TEST(Varint, RefusesOverlongEncodings) {
  const std::string_view overlong[] = {
      {"\x80\x00", 2}, {"\xFF\x00", 2}, {"\x80\x80\x00", 3}, {"\x81\x80\x80\x80\x00", 5}};
  for (const std::string_view bytes : overlong) {
    ByteReader reader(bytes);
    EXPECT_EQ(reader.Varint(), std::nullopt);
    EXPECT_EQ(reader.left(), bytes.size());
  }
  ByteReader zero({"\x00", 1});
  EXPECT_EQ(zero.Varint(), 0u);
}

TEST(Varint, RefusesMoreThan64Bits) {
  for (const char* last : {"\x02", "\x03", "\x7F", "\x81\x01"}) {
    const std::string bytes = std::string(9, '\xFF') + last;
    ByteReader reader(bytes);
    EXPECT_EQ(reader.Varint(), std::nullopt) << last;
  }
  const std::string endless(20, '\x80');
  EXPECT_EQ(ByteReader(endless).Varint(), std::nullopt);
}

TEST(ByteReader, ReadsWhatWasAppended) {
  std::string bytes;
  AppendLe<uint8_t>(bytes, 0x12);
  AppendLe<uint16_t>(bytes, 0x3456);
  AppendLe<uint32_t>(bytes, 0x789ABCDE);
  AppendLe<uint64_t>(bytes, 0x0123456789ABCDEF);
  AppendVarint(bytes, 1'000'000);
  AppendLengthPrefixed(bytes, "key");
  AppendLengthPrefixed(bytes, "");
  bytes += "rest";
  EXPECT_EQ(bytes.substr(1, 2), "\x56\x34");  // Little endian.

  ByteReader reader(bytes);
  EXPECT_EQ(reader.Le<uint8_t>(), 0x12);
  EXPECT_EQ(reader.Le<uint16_t>(), 0x3456);
  EXPECT_EQ(reader.Le<uint32_t>(), 0x789ABCDEu);
  EXPECT_EQ(reader.Le<uint64_t>(), 0x0123456789ABCDEFu);
  EXPECT_EQ(reader.Varint(), 1'000'000u);
  EXPECT_EQ(reader.LengthPrefixed(), "key");
  EXPECT_EQ(reader.LengthPrefixed(), "");
  EXPECT_EQ(reader.rest(), "rest");
  EXPECT_EQ(reader.position() + reader.left(), bytes.size());
  EXPECT_EQ(reader.Bytes(4), "rest");
  EXPECT_TRUE(reader.empty());
}

TEST(ByteReader, AReadThatDoesNotFitFailsAndMovesNothing) {
  const std::vector<char> three = Exactly(
      "\x03"
      "ab");
  ByteReader reader = ReaderOf(three);
  EXPECT_EQ(reader.Le<uint32_t>(), std::nullopt);
  EXPECT_EQ(reader.Le<uint64_t>(), std::nullopt);
  EXPECT_EQ(reader.Bytes(4), std::nullopt);
  EXPECT_EQ(reader.Bytes(std::numeric_limits<uint64_t>::max()), std::nullopt);
  EXPECT_EQ(reader.LengthPrefixed(), std::nullopt);  // Says 3, has 2.
  EXPECT_EQ(reader.position(), 0u);
  EXPECT_EQ(reader.Bytes(3),
            "\x03"
            "ab");
  EXPECT_EQ(reader.Le<uint8_t>(), std::nullopt);
  EXPECT_EQ(reader.Varint(), std::nullopt);
  EXPECT_EQ(reader.Bytes(0), "");
}

TEST(ByteReader, RefusesALengthNearTheEndOfTheAddressSpace) {
  std::string bytes;
  AppendVarint(bytes, std::numeric_limits<uint64_t>::max());
  bytes += "abc";
  ByteReader reader(bytes);
  EXPECT_EQ(reader.LengthPrefixed(), std::nullopt);
  EXPECT_EQ(reader.position(), 0u);
}

TEST(ByteReader, ReadsRandomBytesWithinTheirBounds) {
  Rng rng(7);
  for (int round = 0; round < 2'000; ++round) {
    std::vector<char> bytes(rng.Below(40));
    for (char& c : bytes) c = static_cast<char>(rng.OneIn(2) ? rng.Next() : rng.Below(5));
    ByteReader reader = ReaderOf(bytes);
    while (!reader.empty()) {
      const size_t before = reader.position();
      const std::optional<std::string_view> read = reader.LengthPrefixed();
      EXPECT_EQ(read.has_value(), reader.position() > before);
      if (!read) break;
      EXPECT_GE(read->data(), bytes.data());
      EXPECT_LE(read->data() + read->size(), bytes.data() + bytes.size());
    }
  }
}

TEST(Bytes, LoadAndStoreNeedNoAlignment) {
  char room[12] = {};
  for (size_t offset = 0; offset <= 4; ++offset) {
    StoreLe<uint64_t>(room + offset, 0x0102030405060708);
    EXPECT_EQ(LoadLe<uint64_t>(room + offset), 0x0102030405060708u);
    EXPECT_EQ(room[offset], 8);
  }
}

TEST(Bytes, ViewAndSpanShowTheSameBytes) {
  const std::string text("a\0b", 3);
  EXPECT_EQ(AsView(AsBytes(text)), text);
  EXPECT_EQ(AsBytes(text).size(), 3u);
  EXPECT_TRUE(AsBytes("").empty());
}

}  // namespace
}  // namespace aidb
