// The readers of import. The first byte chooses the format and whether there is a template; the
// rest is the input. Checked: passing over records finds as many as reading them; what was read
// comes back, byte for byte, from the text that scan and export would print of it.

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/check.h"

#include "apps/aidb/json_record.h"
#include "apps/aidb/records.h"
#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

Result<RecordReader> Open(std::string& bytes, RecordFormat format, bool with_template) {
  std::optional<KeyTemplate> key_template;
  if (with_template) {
    AIDB_ASSIGN_OR_RETURN(key_template, KeyTemplate::Parse("{a}:{n}"));
  }
  FileHandle file(fmemopen(bytes.data(), bytes.size(), "rb"));
  AIDB_CHECK(file != nullptr);
  return RecordReader::Open(Input::FromFile(std::move(file), "fuzz"), format,
                            std::move(key_template));
}

void CheckRoundTrip(const Record& record) {
  const Result<std::string> key = Unescape(Escape(record.key));
  const Result<std::string> value = Unescape(Escape(record.value));
  AIDB_CHECK(key.ok() && *key == record.key && value.ok() && *value == record.value);

  std::string json = "{";
  AppendJsonField(json, "key", record.key);
  json += ',';
  AppendJsonField(json, "value", record.value);
  if (record.expires_at_ms) json += ",\"expires_at_ms\":" + std::to_string(*record.expires_at_ms);
  if (record.keyspace) {
    json += ',';
    AppendJsonField(json, "keyspace", *record.keyspace);
  }
  json += '}';
  const Result<Record> back = JsonRecord().ReadPair(json);
  AIDB_CHECK(back.ok() && back->key == record.key && back->value == record.value &&
             back->expires_at_ms == record.expires_at_ms && back->keyspace == record.keyspace);
}

void Check(std::string& bytes, RecordFormat format, bool with_template) {
  Result<RecordReader> reader = Open(bytes, format, with_template);
  if (!reader.ok()) {
    AIDB_CHECK(format == RecordFormat::kTsv && with_template);
    return;
  }
  uint64_t count = 0;
  for (;;) {
    Result<std::optional<Record>> record = reader->Next();
    if (!record.ok()) {
      AIDB_CHECK(record.status().code() == StatusCode::kInvalidArgument);
      return;
    }
    if (!*record) break;
    AIDB_CHECK((*record)->number == ++count);
    CheckRoundTrip(**record);
  }
  Result<RecordReader> other = Open(bytes, format, with_template);
  AIDB_CHECK(other.ok() && other->Skip(count).ok());
  Result<std::optional<Record>> behind = other->Next();
  AIDB_CHECK(behind.ok() && !*behind);
}

}  // namespace
}  // namespace aidb::cli

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;  // fmemopen takes no empty buffer.
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  aidb::cli::Check(bytes, static_cast<aidb::cli::RecordFormat>(data[0] & 3), (data[0] & 4) != 0);
  return 0;
}
