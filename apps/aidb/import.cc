// import and import --verify.

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "apps/aidb/commands.h"
#include "apps/aidb/keyspaces.h"
#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

Result<RecordReader> OpenRecords(const ImportOptions& options) {
  std::optional<KeyTemplate> key_template;
  if (options.key_template) {
    AIDB_ASSIGN_OR_RETURN(key_template, KeyTemplate::Parse(*options.key_template));
  }
  AIDB_ASSIGN_OR_RETURN(Input input, Input::Open(options.input));
  const RecordFormat format = options.format.value_or(FormatOfName(options.input));
  AIDB_ASSIGN_OR_RETURN(RecordReader reader,
                        RecordReader::Open(std::move(input), format, std::move(key_template)));
  AIDB_RETURN_IF_ERROR(reader.Skip(options.skip));
  return reader;
}

// Writes records in batches and says which are acknowledged.
//
// Thread safety: none.
class BatchWriter {
 public:
  BatchWriter(DB& db, const Context& context, const ImportOptions& options, Output* acknowledge)
      : db_(db),
        context_(context),
        options_(options),
        acknowledge_(acknowledge),
        keyspaces_(db, StoreMode::kCreateIfMissing) {}

  Status Add(const Record& record) {
    // Of a single record that is too large the store itself will say so.
    const size_t bytes = record.key.size() + record.value.size() + kOverheadBytesMax;
    if (!batch_.empty() && batch_.size_bytes() + bytes > kBatchBytes) {
      AIDB_RETURN_IF_ERROR(Finish());
    }
    AIDB_ASSIGN_OR_RETURN(const Keyspace* const keyspace,
                          keyspaces_.Find(record.keyspace ? record.keyspace : context_.keyspace));
    if (record.expires_at_ms) {
      batch_.Put(record.key, record.value, *record.expires_at_ms, keyspace);
    } else {
      batch_.Put(record.key, record.value, keyspace);
    }
    last_ = record.number;
    return batch_.count() >= options_.batch_records ? Finish() : Status();
  }

  Status Finish() {
    if (batch_.empty()) return {};
    const uint64_t count = batch_.count();
    bytes_ += batch_.size_bytes();
    const Status written = db_.Write(std::exchange(batch_, {}), context_.write_options()).status();
    if (!written.ok()) {
      return Status(written).Annotate(
          fmt::format("records {} to {}; all before them are written; continue with --skip {}",
                      last_ - count + 1, last_, last_ - count));
    }
    acknowledged_ = last_;
    records_ += count;
    if (acknowledge_ == nullptr) return {};
    AIDB_RETURN_IF_ERROR(acknowledge_->Write(std::to_string(last_) + "\n"));
    return acknowledge_->Flush();
  }

  uint64_t records() const { return records_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t acknowledged() const { return acknowledged_; }

 private:
  static constexpr size_t kBatchBytes = size_t{4} << 20;
  static constexpr size_t kOverheadBytesMax =
      30;  // Of an operation: kind, prefix, instant, two lengths.

  DB& db_;
  const Context& context_;
  const ImportOptions& options_;
  Output* const acknowledge_;  // Null: nobody asked.
  NamedKeyspaces keyspaces_;
  WriteBatch batch_;
  uint64_t last_ = 0;          // Number of the last record in batch_ or written.
  uint64_t acknowledged_ = 0;  // Of the last one written.
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
};

// Writes until the input, the limit or an interrupt ends it.
Status WriteRecords(RecordReader& reader, const ImportOptions& options, BatchWriter& writer,
                    Progress& progress) {
  for (uint64_t taken = 0; (!options.limit || taken < *options.limit) && !Interrupted(); ++taken) {
    Result<std::optional<Record>> record = reader.Next();
    if (!record.ok()) {
      AIDB_RETURN_IF_ERROR(writer.Finish());  // What was good before it is not lost.
      return std::move(record).status();
    }
    if (!*record) break;
    AIDB_RETURN_IF_ERROR(writer.Add(**record));
    progress.Update(writer.records(), reader.bytes_read());
  }
  return writer.Finish();
}

// In tables, so that the next opening has nothing to replay.
Status FlushAndClose(DB& db) {
  AIDB_RETURN_IF_ERROR(db.Flush());
  return db.Close();
}

std::string ImportSummary(const Context& context, const BatchWriter& writer, Duration elapsed) {
  const uint64_t rate = Rate(writer.records(), elapsed);
  if (context.json()) {
    return fmt::format(
        R"({{"records":{},"last_record":{},"bytes":{},"seconds":{:.6f},"records_per_second":{}}})"
        "\n",
        writer.records(), writer.acknowledged(), writer.bytes(),
        std::chrono::duration<double>(elapsed).count(), rate);
  }
  return fmt::format("imported {} ({}) in {}: {} per second\n", Count(writer.records(), "record"),
                     BytesInWords(writer.bytes()), DurationInWords(elapsed), Count(rate, "record"));
}

// Records waiting to be compared, looked up together.
//
// Thread safety: none.
class Comparer {
 public:
  Comparer(DB& db, const Context& context)
      : db_(db),
        usual_(context.keyspace),
        keyspaces_(db, StoreMode::kMustExist),
        now_ms_(static_cast<uint64_t>(std::max<int64_t>(context.env.clock.WallMillis(), 0))) {}

  Status Add(Record record) {
    if (!record.keyspace) record.keyspace = usual_;
    const bool other = !records_.empty() && records_.back().keyspace != record.keyspace;
    if (other) AIDB_RETURN_IF_ERROR(Finish());
    records_.push_back(std::move(record));
    return records_.size() >= kTogether ? Finish() : Status();
  }

  Status Finish() {
    if (records_.empty()) return {};
    AIDB_ASSIGN_OR_RETURN(const Keyspace* const keyspace,
                          keyspaces_.Find(records_.front().keyspace));
    std::vector<std::string_view> keys;
    keys.reserve(records_.size());
    for (const Record& record : records_) keys.emplace_back(record.key);
    const auto values = db_.MultiGet(keys, {.keyspace = keyspace});
    for (size_t i = 0; i < records_.size(); ++i) {
      AIDB_RETURN_IF_ERROR(values[i].status());
      Compare(records_[i], *values[i]);
    }
    records_.clear();
    return {};
  }

  uint64_t equal() const { return equal_; }
  uint64_t missing() const { return missing_; }
  uint64_t different() const { return different_; }

 private:
  static constexpr size_t kTogether = 256;
  static constexpr uint64_t kNamedMax = 10;  // Of bad records; the rest is only counted.

  void Compare(const Record& record, const std::optional<PinnedValue>& value) {
    // What has expired must be missing.
    const bool gone = record.expires_at_ms && *record.expires_at_ms <= now_ms_;
    const bool same =
        value && value->view() == record.value && value->expires_at_ms() == record.expires_at_ms;
    if (same || (gone && !value)) {
      ++equal_;
      return;
    }
    ++(value ? different_ : missing_);
    if (missing_ + different_ > kNamedMax) return;
    fmt::print(stderr, "aidb: record {}: key '{}' {}\n", record.number, Escape(record.key),
               value ? "has another value, or expires at another time" : "is missing");
  }

  const DB& db_;
  const std::optional<std::string> usual_;  // Of records that name none.
  NamedKeyspaces keyspaces_;
  const uint64_t now_ms_;
  std::vector<Record> records_;  // Of one keyspace.
  uint64_t equal_ = 0;
  uint64_t missing_ = 0;
  uint64_t different_ = 0;
};

Status CompareRecords(RecordReader& reader, const ImportOptions& options, Comparer& comparer,
                      Progress& progress) {
  uint64_t taken = 0;
  for (; !options.limit || taken < *options.limit; ++taken) {
    AIDB_ASSIGN_OR_RETURN(std::optional<Record> record, reader.Next());
    if (!record) break;
    AIDB_RETURN_IF_ERROR(comparer.Add(*std::move(record)));
    progress.Update(taken, reader.bytes_read());
  }
  AIDB_RETURN_IF_ERROR(comparer.Finish());
  progress.Finish(taken, reader.bytes_read());
  return {};
}

}  // namespace

Result<ExitCode> Import(const Context& context, const ImportOptions& options) {
  AIDB_ASSIGN_OR_RETURN(RecordReader reader, OpenRecords(options));
  std::optional<Output> acknowledge;
  if (options.acknowledge) {
    AIDB_ASSIGN_OR_RETURN(acknowledge, Output::Open(*options.acknowledge));
  }
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToWrite(context, StoreMode::kCreateIfMissing));
  NoteInterrupts();
  Progress progress(context.env.clock, options.progress, "importing", Progress::Unit::kRecords);
  progress.set_total_bytes(reader.size_bytes());
  BatchWriter writer(*db, context, options, acknowledge ? &*acknowledge : nullptr);
  const Status written = WriteRecords(reader, options, writer, progress);
  const Duration elapsed = progress.elapsed();
  progress.Finish(writer.records(), reader.bytes_read());
  AIDB_RETURN_IF_ERROR(written);
  AIDB_RETURN_IF_ERROR(FlushAndClose(*db));
  AIDB_RETURN_IF_ERROR(context.out.Write(ImportSummary(context, writer, elapsed)));
  if (!Interrupted()) return ExitCode::kOk;
  const uint64_t passed = std::max(writer.acknowledged(), options.skip);
  return Unavailable(fmt::format("interrupted; continue with --skip {}", passed));
}

Result<ExitCode> Verify(const Context& context, const ImportOptions& options) {
  AIDB_ASSIGN_OR_RETURN(RecordReader reader, OpenRecords(options));
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToRead(context));
  Progress progress(context.env.clock, options.progress, "verifying", Progress::Unit::kRecords);
  progress.set_total_bytes(reader.size_bytes());
  Comparer comparer(*db, context);
  AIDB_RETURN_IF_ERROR(CompareRecords(reader, options, comparer, progress));
  AIDB_RETURN_IF_ERROR(db->Close());
  const std::string text =
      context.json()
          ? fmt::format("{{\"equal\":{},\"missing\":{},\"different\":{}}}\n", comparer.equal(),
                        comparer.missing(), comparer.different())
          : fmt::format(
                "verified {}: {} equal, {} missing, {} different\n",
                Count(comparer.equal() + comparer.missing() + comparer.different(), "record"),
                WithCommas(comparer.equal()), WithCommas(comparer.missing()),
                WithCommas(comparer.different()));
  AIDB_RETURN_IF_ERROR(context.out.Write(text));
  return comparer.missing() + comparer.different() == 0 ? ExitCode::kOk : ExitCode::kNo;
}

}  // namespace aidb::cli
