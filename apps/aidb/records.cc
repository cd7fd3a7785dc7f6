#include "apps/aidb/records.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "apps/aidb/json_record.h"
#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

constexpr int kEnd = ByteSource::kEnd;

bool IsSpace(int c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

Status TooLong() {
  return InvalidArgument(fmt::format("is longer than {} bytes", kRecordBytesMax));
}

// Adds one byte of a record.
Status Append(std::string& text, int c) {
  if (text.size() == kRecordBytesMax) return TooLong();
  text += static_cast<char>(c);
  return {};
}

Result<uint64_t> ParseInstant(std::string_view text) {
  uint64_t instant = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), instant);
  if (error == std::errc{} && end == text.data() + text.size()) return instant;
  return InvalidArgument(
      fmt::format("{} is '{}', no number of milliseconds since 1970", kExpiryField, Escape(text)));
}

// The next line without its end ("\n" or "\r\n"); false at the end of the input.
Result<bool> ReadLine(ByteSource& source, std::string& line) {
  line.clear();
  source.BeginRecord();
  int c = source.Next();
  if (c == kEnd) {
    AIDB_RETURN_IF_ERROR(source.status());
    return false;
  }
  for (; c != kEnd && c != '\n'; c = source.Next()) AIDB_RETURN_IF_ERROR(Append(line, c));
  AIDB_RETURN_IF_ERROR(source.status());
  if (c == '\n' && line.ends_with('\r')) line.pop_back();
  return true;
}

// Lines that are not empty.
Result<bool> ReadFilledLine(ByteSource& source, std::string& line) {
  do {
    AIDB_ASSIGN_OR_RETURN(const bool found, ReadLine(source, line));
    if (!found) return false;
  } while (std::ranges::all_of(line, IsSpace));
  return true;
}

// Records of JSON text, cut out of the input by a subclass.
class JsonParser : public RecordParser {
 public:
  explicit JsonParser(std::optional<KeyTemplate> key_template)
      : key_template_(std::move(key_template)) {}

  Result<std::optional<Record>> Next(ByteSource& source, uint64_t number) final {
    AIDB_ASSIGN_OR_RETURN(const bool found, Cut(source, text_));
    if (!found) return std::optional<Record>();
    AIDB_ASSIGN_OR_RETURN(Record record, key_template_
                                             ? json_.ReadByTemplate(text_, *key_template_, number)
                                             : json_.ReadPair(text_));
    return std::optional(std::move(record));
  }
  Result<bool> Skip(ByteSource& source) final { return Cut(source, text_); }

 protected:
  // The text of the next object; false at the end.
  virtual Result<bool> Cut(ByteSource& source, std::string& text) = 0;

 private:
  const std::optional<KeyTemplate> key_template_;
  JsonRecord json_;
  std::string text_;
};

class NdjsonParser final : public JsonParser {
 public:
  using JsonParser::JsonParser;

 private:
  Result<bool> Cut(ByteSource& source, std::string& text) override {
    return ReadFilledLine(source, text);
  }
};

// One array. The cutting looks at strings and brackets only; what is between them is checked when
// the record is read.
class JsonArrayParser final : public JsonParser {
 public:
  using JsonParser::JsonParser;

 private:
  Result<bool> Cut(ByteSource& source, std::string& text) override {
    if (ended_) return false;
    const bool first = !std::exchange(begun_, true);
    if (first && NextFilled(source) != '[') return Expected(source, "an array of objects");
    int c = NextFilled(source);
    if (c == ']') {
      ended_ = true;
      if (NextFilled(source) != kEnd) return Expected(source, "nothing behind the array");
      AIDB_RETURN_IF_ERROR(source.status());
      return false;
    }
    if (!first) {
      if (c != ',') return Expected(source, "',' or ']' behind an object");
      c = NextFilled(source);
    }
    if (c != '{') return Expected(source, "an object");
    return CutObject(source, text);
  }

  static int NextFilled(ByteSource& source) {
    int c = source.Next();
    while (IsSpace(c)) c = source.Next();
    return c;
  }

  static Status Expected(ByteSource& source, std::string_view what) {
    source.BeginRecord();
    AIDB_RETURN_IF_ERROR(source.status());
    return InvalidArgument(fmt::format("no JSON array: expected {}", what));
  }

  static Result<bool> CutObject(ByteSource& source, std::string& text) {
    source.BeginRecord();
    text.assign(1, '{');
    int depth = 1;
    bool in_string = false;
    while (depth > 0) {
      const int c = source.Next();
      if (c == kEnd) return Expected(source, "the end of an object");
      AIDB_RETURN_IF_ERROR(Append(text, c));
      if (c == '"') {
        in_string = !in_string;
      } else if (in_string && c == '\\') {
        const int escaped = source.Next();
        if (escaped == kEnd) return Expected(source, "the end of a string");
        AIDB_RETURN_IF_ERROR(Append(text, escaped));
      } else if (!in_string) {
        depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
      }
    }
    return true;
  }

  bool begun_ = false;
  bool ended_ = false;
};

class TsvParser final : public RecordParser {
 public:
  Result<std::optional<Record>> Next(ByteSource& source, uint64_t /*number*/) override {
    AIDB_ASSIGN_OR_RETURN(const bool found, ReadFilledTsvLine(source));
    if (!found) return std::optional<Record>();
    const size_t tab = line_.find('\t');
    if (tab == std::string::npos) return InvalidArgument("has no tab between key and value");
    const std::string_view line = line_;
    const size_t second = line.find('\t', tab + 1);
    Record record;
    AIDB_ASSIGN_OR_RETURN(record.key, Unescape(line.substr(0, tab)));
    AIDB_ASSIGN_OR_RETURN(record.value, Unescape(line.substr(tab + 1, second - tab - 1)));
    if (second != std::string::npos) {
      AIDB_RETURN_IF_ERROR(ReadColumns(line.substr(second + 1), record));
    }
    return std::optional(std::move(record));
  }
  Result<bool> Skip(ByteSource& source) override { return ReadFilledTsvLine(source); }

 private:
  // What stands behind the second tab: columns that say what they are.
  static Status ReadColumns(std::string_view columns, Record& record) {
    while (true) {
      const size_t tab = columns.find('\t');
      const std::string_view column = columns.substr(0, tab);
      const size_t equals = column.find('=');
      const std::string_view name = column.substr(0, equals);
      const bool named = equals != std::string_view::npos;
      if (named && name == kExpiryField && !record.expires_at_ms) {
        AIDB_ASSIGN_OR_RETURN(record.expires_at_ms, ParseInstant(column.substr(equals + 1)));
      } else if (named && name == kKeyspaceField && !record.keyspace) {
        AIDB_ASSIGN_OR_RETURN(record.keyspace, Unescape(column.substr(equals + 1)));
      } else {
        return InvalidArgument(
            fmt::format("has a second tab without {}= or {}=, or one of them twice; write \\t for "
                        "the character",
                        kExpiryField, kKeyspaceField));
      }
      if (tab == std::string_view::npos) return {};
      columns.remove_prefix(tab + 1);
    }
  }

  // A lone tab is a record: an empty key with an empty value.
  Result<bool> ReadFilledTsvLine(ByteSource& source) {
    do {
      AIDB_ASSIGN_OR_RETURN(const bool found, ReadLine(source, line_));
      if (!found) return false;
    } while (line_.empty());
    return true;
  }

  std::string line_;
};

class CsvParser final : public RecordParser {
 public:
  explicit CsvParser(std::optional<KeyTemplate> key_template)
      : key_template_(std::move(key_template)) {}

  Result<std::optional<Record>> Next(ByteSource& source, uint64_t number) override {
    AIDB_ASSIGN_OR_RETURN(const bool found, Skip(source));
    if (!found) return std::optional<Record>();
    if (row_.size() != header_.size()) {
      return InvalidArgument(
          fmt::format("has {} fields; the header has {}", row_.size(), header_.size()));
    }
    if (!key_template_) {
      Record record;
      AIDB_ASSIGN_OR_RETURN(record.key, Field("key"));
      AIDB_ASSIGN_OR_RETURN(record.value, Field("value"));
      if (const auto instant = Field(kExpiryField); instant.ok() && !instant->empty()) {
        AIDB_ASSIGN_OR_RETURN(record.expires_at_ms, ParseInstant(*instant));
      }
      if (const auto keyspace = Field(kKeyspaceField); keyspace.ok() && !keyspace->empty()) {
        record.keyspace = *keyspace;
      }
      return std::optional(std::move(record));
    }
    AIDB_ASSIGN_OR_RETURN(
        std::string key,
        key_template_->Fill(number, [this](std::string_view name) { return Field(name); }));
    AIDB_ASSIGN_OR_RETURN(std::string value, RowAsJson());
    return std::optional(Record{.key = std::move(key), .value = std::move(value)});
  }

  Result<bool> Skip(ByteSource& source) override {
    if (header_.empty()) {
      AIDB_ASSIGN_OR_RETURN(const bool found, ReadRow(source));
      if (!found) return false;
      header_ = std::move(row_);
    }
    return ReadRow(source);
  }

 private:
  Result<std::string> Field(std::string_view name) const {
    const auto found = std::ranges::find(header_, name);
    if (found == header_.end()) {
      return InvalidArgument(fmt::format("field '{}' is missing in the header", Escape(name)));
    }
    return row_[static_cast<size_t>(found - header_.begin())];
  }

  Result<std::string> RowAsJson() const {
    std::string json = "{";
    for (size_t i = 0; i < row_.size(); ++i) {
      if (!IsUtf8(row_[i]) || !IsUtf8(header_[i])) {
        return InvalidArgument(fmt::format("field '{}' is no UTF-8", Escape(header_[i])));
      }
      if (i > 0) json += ',';
      AppendJsonString(json, header_[i]);
      json += ':';
      AppendJsonString(json, row_[i]);
    }
    return json + "}";
  }

  // Into row_; false at the end. Empty lines are no rows.
  Result<bool> ReadRow(ByteSource& source) {
    while (source.Peek() == '\n' || source.Peek() == '\r') source.Next();
    row_.clear();
    source.BeginRecord();
    if (source.Peek() == kEnd) {
      AIDB_RETURN_IF_ERROR(source.status());
      return false;
    }
    for (size_t bytes = 0;;) {
      std::string field;
      AIDB_ASSIGN_OR_RETURN(const int behind, ReadField(source, field));
      bytes += field.size() + 1;
      if (bytes > kRecordBytesMax) return TooLong();
      row_.push_back(std::move(field));
      if (behind != ',') return true;
    }
  }

  // The field, and the byte that ended it: ',', '\n' or kEnd.
  static Result<int> ReadField(ByteSource& source, std::string& field) {
    if (source.Peek() == '"') return ReadQuotedField(source, field);
    int c = source.Next();
    for (; c != ',' && c != '\n' && c != kEnd; c = source.Next()) {
      if (c == '"')
        return InvalidArgument("has a quote inside a field that does not begin with one");
      AIDB_RETURN_IF_ERROR(Append(field, c));
    }
    AIDB_RETURN_IF_ERROR(source.status());
    if (c != ',' && field.ends_with('\r')) field.pop_back();
    return c;
  }

  static Result<int> ReadQuotedField(ByteSource& source, std::string& field) {
    source.Next();  // The quote.
    for (;;) {
      const int c = source.Next();
      if (c == kEnd) {
        AIDB_RETURN_IF_ERROR(source.status());
        return InvalidArgument("ends inside a quoted field");
      }
      if (c == '"') {
        if (source.Peek() != '"') break;
        source.Next();
      }
      AIDB_RETURN_IF_ERROR(Append(field, c));
    }
    int behind = source.Next();
    if (behind == '\r' && source.Peek() == '\n') behind = source.Next();
    AIDB_RETURN_IF_ERROR(source.status());
    if (behind == ',' || behind == '\n' || behind == kEnd) return behind;
    return InvalidArgument("has something between a closing quote and the end of the field");
  }

  const std::optional<KeyTemplate> key_template_;
  std::vector<std::string> header_;
  std::vector<std::string> row_;
};

Result<std::unique_ptr<RecordParser>> MakeParser(RecordFormat format,
                                                 std::optional<KeyTemplate> key_template) {
  std::unique_ptr<RecordParser> parser;
  switch (format) {
    case RecordFormat::kNdjson:
      parser = std::make_unique<NdjsonParser>(std::move(key_template));
      break;
    case RecordFormat::kJson:
      parser = std::make_unique<JsonArrayParser>(std::move(key_template));
      break;
    case RecordFormat::kCsv:
      parser = std::make_unique<CsvParser>(std::move(key_template));
      break;
    case RecordFormat::kTsv:
      if (key_template) {
        return InvalidArgument("--key-template needs records with fields, which tsv has not");
      }
      parser = std::make_unique<TsvParser>();
      break;
  }
  return parser;
}

}  // namespace

bool ByteSource::Refill() {
  if (!status_.ok()) return false;
  before_buffer_ += filled_;
  at_ = filled_ = 0;
  Result<size_t> count = input_.Read(buffer_);
  if (!count.ok()) {
    status_ = std::move(count).status();
    return false;
  }
  filled_ = *count;
  return filled_ > 0;
}

Result<RecordReader> RecordReader::Open(Input input, RecordFormat format,
                                        std::optional<KeyTemplate> key_template) {
  AIDB_ASSIGN_OR_RETURN(std::unique_ptr<RecordParser> parser,
                        MakeParser(format, std::move(key_template)));
  return RecordReader(ByteSource(std::move(input)), std::move(parser));
}

Status RecordReader::Located(Status error) const {
  return std::move(error).Annotate(fmt::format("{}, line {}, record {}", source_.input().name(),
                                               source_.record_line(), records_ + 1));
}

Result<std::optional<Record>> RecordReader::Next() {
  Result<std::optional<Record>> record = parser_->Next(source_, records_ + 1);
  if (!record.ok()) return Located(std::move(record).status());
  if (*record) (*record)->number = ++records_;
  return record;
}

Status RecordReader::Skip(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    Result<bool> found = parser_->Skip(source_);
    if (!found.ok()) return Located(std::move(found).status());
    if (!*found) return {};
    ++records_;
  }
  return {};
}

RecordFormat FormatOfName(std::string_view name) {
  if (name.ends_with(".json")) return RecordFormat::kJson;
  if (name.ends_with(".csv")) return RecordFormat::kCsv;
  if (name.ends_with(".tsv")) return RecordFormat::kTsv;
  return RecordFormat::kNdjson;
}

}  // namespace aidb::cli
