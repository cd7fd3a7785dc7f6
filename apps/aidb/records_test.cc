#include "apps/aidb/records.h"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/testing/status_matchers.h"
#include "aidb/testing/temp_directory.h"

#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

// "key=value" of each record, or the error that ended them.
class Records {
 public:
  explicit Records(RecordFormat format, std::string key_template = "")
      : format_(format), template_(std::move(key_template)) {}

  std::vector<std::string> Read(const std::string& text, uint64_t skip = 0) const {
    std::vector<std::string> shown;
    Result<RecordReader> reader = Open(text);
    if (!reader.ok()) return {reader.status().ToString()};
    if (const Status skipped = reader->Skip(skip); !skipped.ok()) return {skipped.ToString()};
    for (;;) {
      Result<std::optional<Record>> record = reader->Next();
      if (!record.ok()) {
        shown.push_back(record.status().ToString());
        return shown;
      }
      if (!*record) return shown;
      shown.push_back(std::to_string((*record)->number) + ": " + Escape((*record)->key) + " = " +
                      Escape((*record)->value));
      if ((*record)->expires_at_ms) {
        shown.back() += " until " + std::to_string(*(*record)->expires_at_ms);
      }
      if ((*record)->keyspace) shown.back() += " in " + Escape(*(*record)->keyspace);
    }
  }

 private:
  Result<RecordReader> Open(const std::string& text) const {
    const std::string path = directory_.Join("in");
    std::ofstream(path, std::ios::binary) << text;
    AIDB_ASSIGN_OR_RETURN(Input input, Input::Open(path));
    std::optional<KeyTemplate> key_template;
    if (!template_.empty()) {
      AIDB_ASSIGN_OR_RETURN(key_template, KeyTemplate::Parse(template_));
    }
    return RecordReader::Open(std::move(input), format_, std::move(key_template));
  }

  testing::TempDirectory directory_;
  const RecordFormat format_;
  const std::string template_;
};

using Shown = std::vector<std::string>;

// The one error, without the path before its line.
std::string ErrorOf(const Shown& shown) {
  if (shown.empty()) return "no error";
  const size_t line = shown.back().find("line ");
  return line == std::string::npos ? shown.back() : shown.back().substr(line);
}

TEST(Records, SayWhenTheirValuesExpire) {
  EXPECT_EQ(Records(RecordFormat::kNdjson).Read(R"({"expires_at_ms":7,"key":"a","value":"1"})"),
            Shown{"1: a = 1 until 7"});
  EXPECT_EQ(Records(RecordFormat::kTsv).Read("a\t1\texpires_at_ms=7\nb\t2\n"),
            (Shown{"1: a = 1 until 7", "2: b = 2"}));
  EXPECT_EQ(Records(RecordFormat::kCsv).Read("key,expires_at_ms,value\na,7,1\nb,,2\n"),
            (Shown{"1: a = 1 until 7", "2: b = 2"}));
  for (const char* bad : {R"({"key":"a","value":"1","expires_at_ms":-7})",
                          R"({"key":"a","value":"1","expires_at_ms":"7"})",
                          R"({"key":"a","value":"1","expires_at_ms":7,"expires_at_ms":8})"}) {
    EXPECT_EQ(ErrorOf(Records(RecordFormat::kNdjson).Read(bad)),
              "line 1, record 1: field 'expires_at_ms' is no number of milliseconds since 1970, or "
              "is there twice");
  }
  EXPECT_EQ(ErrorOf(Records(RecordFormat::kTsv).Read("a\t1\texpires_at_ms=7s")),
            "line 1, record 1: expires_at_ms is '7s', no number of milliseconds since 1970");
}

TEST(Records, SayWhichKeyspaceTheirKeyIsOf) {
  EXPECT_EQ(Records(RecordFormat::kNdjson)
                .Read(R"({"keyspace":"users","key":"a","value":"1"})"
                      "\n"
                      R"({"key":"b","value":"2","keyspace_base64":"/w=="})"),
            (Shown{"1: a = 1 in users", "2: b = 2 in \\xFF"}));
  EXPECT_EQ(
      Records(RecordFormat::kTsv).Read("a\t1\tkeyspace=u\\ts\nb\t2\tkeyspace=x\texpires_at_ms=7\n"),
      (Shown{"1: a = 1 in u\\ts", "2: b = 2 until 7 in x"}));
  EXPECT_EQ(Records(RecordFormat::kCsv).Read("key,keyspace,value\na,users,1\nb,,2\n"),
            (Shown{"1: a = 1 in users", "2: b = 2"}));
  EXPECT_EQ(ErrorOf(Records(RecordFormat::kNdjson)
                        .Read(R"({"keyspace":"u","keyspace_base64":"/w==","key":"","value":""})")),
            "line 1, record 1: two fields for the keyspace");
  EXPECT_NE(ErrorOf(Records(RecordFormat::kTsv).Read("a\t1\tkeyspace=u\tkeyspace=v"))
                .find("or one of them twice"),
            std::string::npos);
}

TEST(Ndjson, ReadsPairsAndNumbersThem) {
  const Records records(RecordFormat::kNdjson);
  EXPECT_EQ(records.Read("{\"key\":\"a\",\"value\":\"1\"}\n"
                         "\n"
                         "  { \"value\" : {\"x\": [1, null]} , \"key\":\"b\\u0000\\t\"}\r\n"
                         "{\"key_base64\":\"/w==\",\"value_base64\":\"\"}"),
            (Shown{"1: a = 1", "2: b\\x00\\t = {\"x\":[1,null]}", "3: \\xFF = "}));
  EXPECT_EQ(records.Read(""), Shown{});
  EXPECT_EQ(records.Read("\n\n"), Shown{});
}

TEST(Ndjson, NamesLineAndRecordOfWhatIsWrong) {
  const Records records(RecordFormat::kNdjson);
  const std::string good = "{\"key\":\"a\",\"value\":\"1\"}\n";
  EXPECT_EQ(records.Read(good + "\n{\"key\":1,\"value\":2}").size(), 2u);
  EXPECT_EQ(ErrorOf(records.Read(good + "\n{\"key\":1,\"value\":2}")),
            "line 3, record 2: field 'key' is no string");
  EXPECT_EQ(ErrorOf(records.Read("{\"value\":2}")), "line 1, record 1: field 'key' is missing");
  EXPECT_EQ(ErrorOf(records.Read("{\"key\":\"\"}")), "line 1, record 1: field 'value' is missing");
  EXPECT_EQ(ErrorOf(records.Read("{\"key\":\"\",\"key_base64\":\"\"}")),
            "line 1, record 1: two fields for the key");
  EXPECT_EQ(ErrorOf(records.Read("[1]")), "line 1, record 1: no JSON object");
  EXPECT_NE(ErrorOf(records.Read("{\"name\":\"a\"}")).find("use --key-template"),
            std::string::npos);
  EXPECT_NE(ErrorOf(records.Read("{\"key\":\"a\",\"value\":1")).find("no JSON"), std::string::npos);
  EXPECT_NE(ErrorOf(records.Read("{\"key\":\"\xff\",\"value\":1}")).find("no JSON"),
            std::string::npos);
  EXPECT_NE(ErrorOf(records.Read("{\"key\":\"a\",\"value_base64\":\"x\"}")).find("base64"),
            std::string::npos);
}

TEST(Ndjson, MakesKeysOfFieldsAndKeepsTheObject) {
  const Records records(RecordFormat::kNdjson, "c:{country}:{id}:{ok}#{n}");
  EXPECT_EQ(records.Read("{\"id\": 7, \"country\":\"A\\u0044\", \"ok\":true}\n"),
            Shown{"1: c:AD:7:true#1 = {\"id\": 7, \"country\":\"A\\\\u0044\", \"ok\":true}"});
  EXPECT_EQ(ErrorOf(records.Read("{\"id\":7,\"country\":\"AD\"}")),
            "line 1, record 1: field 'ok' is missing");
  EXPECT_EQ(ErrorOf(records.Read("{\"id\":null,\"country\":\"AD\",\"ok\":1}")),
            "line 1, record 1: field 'id' cannot be a part of a key: it is null");
  // What is not part of the key is checked all the same.
  EXPECT_NE(
      ErrorOf(records.Read("{\"id\":1,\"country\":\"AD\",\"ok\":1,\"x\":4x}")).find("no JSON"),
      std::string::npos);
}

TEST(JsonArray, ReadsObjectsHoweverTheyAreLaidOut) {
  const Records records(RecordFormat::kJson, "{name}#{n}");
  EXPECT_EQ(
      records.Read(" [ {\"name\":\"a}]\\\"{\",\"in\":[{}]} ,\n{\"name\":\"b\"}\n]\n"),
      (Shown{"1: a}]\"{#1 = {\"name\":\"a}]\\\\\"{\",\"in\":[{}]}", "2: b#2 = {\"name\":\"b\"}"}));
  EXPECT_EQ(records.Read("[]"), Shown{});
  EXPECT_EQ(records.Read("[\n{\"name\":\"a\"},{\"name\":\"b\"},\n{\"name\":\"c\"}]", 2),
            Shown{"3: c#3 = {\"name\":\"c\"}"});
  EXPECT_EQ(records.Read("[{\"name\":\"a\"}]", 5), Shown{});
}

TEST(JsonArray, NamesTheLineOfWhatIsWrong) {
  const Records records(RecordFormat::kJson, "{name}");
  const std::string a = "[\n{\"name\":\"a\"}";
  EXPECT_EQ(ErrorOf(records.Read("")),
            "line 1, record 1: no JSON array: expected an array of objects");
  EXPECT_EQ(ErrorOf(records.Read(a)),
            "line 2, record 2: no JSON array: expected ',' or ']' behind an object");
  EXPECT_EQ(ErrorOf(records.Read(a + "\n,\n]")),
            "line 4, record 2: no JSON array: expected an object");
  EXPECT_EQ(ErrorOf(records.Read(a + ",\n7]")),
            "line 3, record 2: no JSON array: expected an object");
  EXPECT_EQ(ErrorOf(records.Read(a + ",\n{\"name\":\n\"b")),
            "line 4, record 2: no JSON array: expected the end of an object");
  EXPECT_EQ(ErrorOf(records.Read(a + ",\n{\"name\":\n\"b\"x}]")).substr(0, 17),
            "line 3, record 2:");
  EXPECT_EQ(ErrorOf(records.Read(a + "]\nx")),
            "line 3, record 2: no JSON array: expected nothing behind the array");
}

TEST(Tsv, ReadsWhatScanPrints) {
  const Records records(RecordFormat::kTsv);
  EXPECT_EQ(records.Read("a\t1\n\nb\\t\\x00\tx\\\\y\n\t\n"),
            (Shown{"1: a = 1", "2: b\\t\\x00 = x\\\\y", "3:  = "}));
  EXPECT_EQ(ErrorOf(records.Read("a\t1\nb\n")),
            "line 2, record 2: has no tab between key and value");
  EXPECT_EQ(
      ErrorOf(records.Read("a\tb\tc")),
      "line 1, record 1: has a second tab without expires_at_ms= or keyspace=, or one of them "
      "twice; write \\t for the character");
  EXPECT_NE(ErrorOf(records.Read("a\t\\q")).find("is no escape"), std::string::npos);
  EXPECT_EQ(Records(RecordFormat::kTsv, "{n}").Read("a\tb"),
            Shown{"invalid argument: --key-template needs records with fields, which tsv has not"});
}

TEST(Csv, ReadsRowsAsRfc4180HasThem) {
  const Records pairs(RecordFormat::kCsv);
  EXPECT_EQ(pairs.Read("value,key\r\n\"a,\"\"b\"\"\r\nc\",k1\r\n\r\n,k2"),
            (Shown{"1: k1 = a,\"b\"\\r\\nc", "2: k2 = "}));
  const Records rows(RecordFormat::kCsv, "{city}#{n}");
  EXPECT_EQ(rows.Read("city,people\nParis,\"2,1\"\n"),
            Shown{"1: Paris#1 = {\"city\":\"Paris\",\"people\":\"2,1\"}"});
  EXPECT_EQ(rows.Read("city,people\na,1\nb,2\n", 1),
            Shown{"2: b#2 = {\"city\":\"b\",\"people\":\"2\"}"});
  EXPECT_EQ(rows.Read(""), Shown{});
  EXPECT_EQ(rows.Read("city,people\n"), Shown{});
}

TEST(Csv, NamesTheLineOfWhatIsWrong) {
  const Records rows(RecordFormat::kCsv, "{city}");
  EXPECT_EQ(ErrorOf(rows.Read("city,people\n\"a\nb\",1\nc\n")),
            "line 4, record 2: has 1 fields; the header has 2");
  EXPECT_EQ(ErrorOf(rows.Read("town\na\n")),
            "line 2, record 1: field 'city' is missing in the header");
  EXPECT_EQ(ErrorOf(rows.Read("city\n\"a")), "line 2, record 1: ends inside a quoted field");
  EXPECT_NE(ErrorOf(rows.Read("city\n\"a\"b\n")).find("something between"), std::string::npos);
  EXPECT_NE(ErrorOf(rows.Read("city\na\"b\n")).find("a quote inside"), std::string::npos);
  EXPECT_EQ(ErrorOf(rows.Read("city,x\na,\xff\n")), "line 2, record 1: field 'x' is no UTF-8");
}

// Records that lie across the ends of the buffer, whatever their length.
TEST(RecordReader, ReadsTheSameAcrossBuffers) {
  std::string array = "[";
  Shown expected;
  for (uint64_t n = 1; array.size() < 1'500'000; ++n) {
    const std::string object = "{\"name\":\"" + std::string(n * 7919 % 5000, 'x') + "\"}";
    array += (n == 1 ? "" : ",\n") + object;
    expected.push_back(std::to_string(n) + ": #" + std::to_string(n) + " = " + object);
  }
  array += "]";
  EXPECT_EQ(Records(RecordFormat::kJson, "#{n}").Read(array), expected);
}

TEST(RecordReader, RefusesARecordThatIsTooLong) {
  const std::string array = "[\n{\"name\":\"" + std::string(kRecordBytesMax, 'x') + "\"}]";
  EXPECT_EQ(ErrorOf(Records(RecordFormat::kJson, "{n}").Read(array)),
            "line 2, record 1: is longer than 67108864 bytes");
  const std::string line = "\n" + std::string(kRecordBytesMax + 1, 'x');
  EXPECT_EQ(ErrorOf(Records(RecordFormat::kTsv).Read(line)),
            "line 2, record 1: is longer than 67108864 bytes");
}

TEST(KeyTemplate, IsReadAndRefused) {
  ASSERT_OK_AND_ASSIGN(const KeyTemplate parsed, KeyTemplate::Parse("{{{a}}}-{n}{b}"));
  const auto field = [](std::string_view name) -> Result<std::string> {
    return "<" + std::string(name) + ">";
  };
  EXPECT_EQ(*parsed.Fill(12, field), "{<a>}-12<b>");
  for (const char* bad : {"{a", "a}", "{a{b}}", "{", "{n}}"}) {
    EXPECT_FAILS(KeyTemplate::Parse(bad), StatusCode::kInvalidArgument, "without its partner");
  }
  EXPECT_FAILS(KeyTemplate::Parse("a{}"), StatusCode::kInvalidArgument, "byte 1: a field without");
  EXPECT_FAILS(KeyTemplate::Parse("{{n}}"), StatusCode::kInvalidArgument, "has no field");
  EXPECT_FAILS(KeyTemplate::Parse(""), StatusCode::kInvalidArgument, "has no field");
}

TEST(FormatOfName, FollowsTheEnding) {
  EXPECT_EQ(FormatOfName("a.json"), RecordFormat::kJson);
  EXPECT_EQ(FormatOfName("a.ndjson"), RecordFormat::kNdjson);
  EXPECT_EQ(FormatOfName("a.jsonl"), RecordFormat::kNdjson);
  EXPECT_EQ(FormatOfName("a.csv"), RecordFormat::kCsv);
  EXPECT_EQ(FormatOfName("a.tsv"), RecordFormat::kTsv);
  EXPECT_EQ(FormatOfName("-"), RecordFormat::kNdjson);
}

}  // namespace
}  // namespace aidb::cli
