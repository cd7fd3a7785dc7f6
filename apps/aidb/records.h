#pragma once

// Records out of a stream, one at a time, however long the stream is.
//
//   ndjson  one JSON object per line; empty lines are skipped
//   json    one JSON array of objects
//   csv     RFC 4180 with a header line that names the fields
//   tsv     key, tab, value; both with the escapes of text.h. Of a value that expires a tab and
//           "expires_at_ms=" with the instant follow, of a key of a keyspace a tab and "keyspace="
//           with the name
//
// Without a key template a record says its key and value itself: JSON has the fields "key" and
// "value", or "key_base64" and "value_base64" for bytes that are no UTF-8; CSV has columns of the
// first two names. A JSON value that is no string is stored as its JSON text. A field, or column,
// "expires_at_ms" says when the value expires, in milliseconds since 1970; an empty CSV field,
// never. A field, or column, "keyspace" says which the key is of, or "keyspace_base64"; without, or
// empty in CSV, it says nothing.
//
// With a template the key is made of the record's fields, and the value is the record: the bytes
// of the JSON object as they stand in the input, or a JSON object of a CSV row.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/result.h"

#include "apps/aidb/key_template.h"
#include "apps/aidb/streams.h"

namespace aidb::cli {

enum class RecordFormat : unsigned char { kNdjson, kJson, kCsv, kTsv };

inline constexpr std::string_view kExpiryField = "expires_at_ms";
inline constexpr std::string_view kKeyspaceField = "keyspace";

// A longer record is refused: it could not be written either.
inline constexpr size_t kRecordBytesMax = size_t{64} << 20;

struct Record {
  std::string key;
  std::string value;
  std::optional<uint64_t> expires_at_ms = std::nullopt;  // Milliseconds since 1970.
  std::optional<std::string> keyspace = std::nullopt;
  uint64_t number = 0;  // In the input, from 1.
};

// Bytes of an input, with the line that the next one stands in.
//
// Thread safety: none.
class ByteSource {
 public:
  static constexpr int kEnd = -1;

  explicit ByteSource(Input input) : input_(std::move(input)), buffer_(kBufferBytes, '\0') {}

  // The next byte, or kEnd: then status() says whether the input failed.
  int Next() {
    const int c = Peek();
    if (c == kEnd) return kEnd;
    ++at_;
    line_ += c == '\n' ? 1 : 0;
    return c;
  }
  int Peek() { return at_ < filled_ || Refill() ? static_cast<unsigned char>(buffer_[at_]) : kEnd; }

  const Status& status() const { return status_; }
  // A record, or what should be one, begins here: the line for messages.
  void BeginRecord() { record_line_ = line_; }
  uint64_t record_line() const { return record_line_; }
  uint64_t bytes_read() const { return before_buffer_ + at_; }
  const Input& input() const { return input_; }

 private:
  static constexpr size_t kBufferBytes = size_t{256} << 10;

  bool Refill();

  Input input_;
  std::string buffer_;
  size_t at_ = 0;
  size_t filled_ = 0;
  uint64_t before_buffer_ = 0;  // Bytes of the input before the buffer.
  uint64_t line_ = 1;
  uint64_t record_line_ = 1;
  Status status_;
};

// How one format is cut into records and read; see records.cc.
class RecordParser {
 public:
  virtual ~RecordParser() = default;
  // The next record without its number, which is `number`; nullopt at the end.
  virtual Result<std::optional<Record>> Next(ByteSource& source, uint64_t number) = 0;
  // The same without looking into it; false at the end.
  virtual Result<bool> Skip(ByteSource& source) = 0;
};

// Thread safety: none.
class RecordReader {
 public:
  // kInvalidArgument when the format does not go with a template (tsv).
  static Result<RecordReader> Open(Input input, RecordFormat format,
                                   std::optional<KeyTemplate> key_template);

  // The next record, or nullopt at the end. kInvalidArgument names input, line and record.
  Result<std::optional<Record>> Next();
  // Passes over `count` records or until the end.
  Status Skip(uint64_t count);

  uint64_t bytes_read() const { return source_.bytes_read(); }
  std::optional<uint64_t> size_bytes() const { return source_.input().size_bytes(); }

 private:
  RecordReader(ByteSource source, std::unique_ptr<RecordParser> parser)
      : source_(std::move(source)), parser_(std::move(parser)) {}

  Status Located(Status error) const;

  ByteSource source_;
  std::unique_ptr<RecordParser> parser_;
  uint64_t records_ = 0;  // Passed so far.
};

// By the ending of the name: .json .ndjson .jsonl .csv .tsv; anything else is ndjson.
RecordFormat FormatOfName(std::string_view name);

}  // namespace aidb::cli
