#include "apps/aidb/text.h"

#include <string>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/testing/seed.h"
#include "aidb/testing/status_matchers.h"

namespace aidb::cli {
namespace {

using namespace std::string_literals;

std::string RandomBytes(Rng& rng) {
  std::string bytes(rng.Below(12), '\0');
  for (char& c : bytes) c = static_cast<char>(rng.OneIn(2) ? rng.Below(256) : rng.Between(8, 96));
  return bytes;
}

TEST(Escape, KeepsTextAndShowsTheRest) {
  EXPECT_EQ(Escape("Sant Julià de Lòria"), "Sant Julià de Lòria");
  EXPECT_EQ(Escape("a\tb\nc\rd\\e"), "a\\tb\\nc\\rd\\\\e");
  EXPECT_EQ(Escape("\0\x1b\x7f\xff\xc3"s), "\\x00\\x1B\\x7F\\xFF\\xC3");
}

TEST(Unescape, UndoesEscapeForAnyBytes) {
  Rng rng(testing::SeedFromEnvironmentOr(1));
  for (int i = 0; i < 20'000; ++i) {
    const std::string bytes = RandomBytes(rng);
    const std::string text = Escape(bytes);
    EXPECT_EQ(text.find_first_of("\t\n\r"), std::string::npos);
    EXPECT_TRUE(IsUtf8(text));
    ASSERT_OK_AND_ASSIGN(const std::string back, Unescape(text));
    ASSERT_EQ(back, bytes);
  }
}

TEST(Unescape, RefusesAnyOtherUseOfABackslash) {
  EXPECT_EQ(*Unescape("\\0\\\"\\'"), "\0\"'"s);
  for (const char* bad : {"\\", "a\\q", "\\x", "\\x4", "\\xg0", "\\x0g", "\\u0041"}) {
    EXPECT_FAILS(Unescape(bad), StatusCode::kInvalidArgument, "is no escape");
  }
  EXPECT_FAILS(Unescape("ab\\q"), StatusCode::kInvalidArgument, "at byte 2");
}

TEST(Utf8, IsWhatUnicodeSaysItIs) {
  for (const char* good : {"", "a", "\x7f", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(good)) << Escape(good);
  }
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "a\xff"}) {
    EXPECT_FALSE(IsUtf8(bad)) << Escape(bad);
  }
}

TEST(Base64, KnowsTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(EncodeBase64(bytes), text);
    ASSERT_OK_AND_ASSIGN(const std::string back, DecodeBase64(text));
    EXPECT_EQ(back, bytes);
  }
}

TEST(Base64, ComesBackForAnyBytesAndFromNothingElse) {
  Rng rng(testing::SeedFromEnvironmentOr(1));
  for (int i = 0; i < 20'000; ++i) {
    const std::string bytes = RandomBytes(rng);
    ASSERT_OK_AND_ASSIGN(const std::string back, DecodeBase64(EncodeBase64(bytes)));
    ASSERT_EQ(back, bytes);
    // Whatever decodes has exactly one text.
    const std::string text = RandomBytes(rng);
    if (const auto decoded = DecodeBase64(text); decoded.ok()) {
      EXPECT_EQ(EncodeBase64(*decoded), text);
    }
  }
  for (const char* bad : {"Zg", "Zg=", "Zh==", "Zm9=", "=Zg=", "Z===", "Zm 9", "Zm9v\n"}) {
    EXPECT_FAILS(DecodeBase64(bad), StatusCode::kInvalidArgument, "base64");
  }
}

TEST(JsonField, IsAStringOrBase64) {
  std::string json;
  AppendJsonField(json, "key", "a\"b\\c\n\x01é");
  EXPECT_EQ(json, "\"key\":\"a\\\"b\\\\c\\n\\u0001é\"");
  json.clear();
  AppendJsonField(json, "key", "\xff");
  EXPECT_EQ(json, "\"key_base64\":\"/w==\"");
}

TEST(Numbers, AreShownForPeople) {
  EXPECT_EQ(WithCommas(0), "0");
  EXPECT_EQ(WithCommas(999), "999");
  EXPECT_EQ(WithCommas(1000), "1,000");
  EXPECT_EQ(WithCommas(1'234'567), "1,234,567");
  EXPECT_EQ(BytesInWords(999), "999 B");
  EXPECT_EQ(BytesInWords(1000), "1.0 kB");
  EXPECT_EQ(BytesInWords(999'960), "1.0 MB");
  EXPECT_EQ(BytesInWords(17'142'887), "17.1 MB");
  EXPECT_EQ(BytesInWords(~uint64_t{0}), "18.4 EB");
}

}  // namespace
}  // namespace aidb::cli
