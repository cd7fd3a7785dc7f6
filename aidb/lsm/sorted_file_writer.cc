#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/lsm/sorted_file.h"
#include "aidb/lsm/sorted_files.h"
#include "aidb/lsm/table_builder.h"
#include "aidb/lsm/version_edit.h"

namespace aidb::lsm {
namespace {

Status OutOfOrder(std::string_view path, std::string_view what, std::string_view before) {
  return InvalidArgument(std::string(path) + ": " + std::string(what) + " comes behind " +
                         std::string(before) + "; a sorted file takes them ascending, each once");
}

class Writer final : public SortedFileWriter {
 public:
  Writer(io::FileSystem& files, std::unique_ptr<io::File> file, uint64_t salt,
         const TableOptions& options)
      : files_(files),
        path_(file->path()),
        file_(std::move(file)),
        builder_(std::in_place, *file_, 0, salt, options) {}
  ~Writer() override { Abandon(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Status Put(std::string_view key, std::string_view value) override {
    return AddEntry({.key = key, .value = value, .kind = OpKind::kPut});
  }
  Status PutUntil(std::string_view key, std::string_view value, uint64_t expires_at_ms) override {
    // Both are long past; but the properties say 0 where nothing expires, and an ingest asks them.
    return AddEntry({.key = key,
                     .value = value,
                     .kind = OpKind::kPutExpiring,
                     .expires_at_ms = std::max<uint64_t>(expires_at_ms, 1)});
  }
  Status Delete(std::string_view key) override {
    return AddEntry({.key = key, .value = {}, .kind = OpKind::kDelete});
  }

  Status DeleteRange(std::string_view begin, std::string_view end) override {
    AIDB_RETURN_IF_ERROR(CheckOpen());
    if (begin >= end) {
      return InvalidArgument(path_ + ": a range delete from " + KeyText(begin) + " to " +
                             KeyText(end) + " holds no key");
    }
    for (const std::string_view key : {begin, end}) AIDB_RETURN_IF_ERROR(CheckKey(key));
    if (last_end_ && begin < *last_end_) {
      return OutOfOrder(path_, "the range from " + KeyText(begin),
                        "one that ends at " + KeyText(*last_end_));
    }
    AIDB_RETURN_IF_ERROR(Keep(builder_->AddRangeDelete({begin, end, kSortedFileSequence})));
    last_end_ = end;
    return {};
  }

  Result<kv::IngestedFile> Finish() override {
    AIDB_RETURN_IF_ERROR(CheckOpen());
    auto facts = FinishFile();
    if (!facts.ok()) {
      status_ = facts.status();
      Abandon();
      return status_;
    }
    builder_.reset();
    return DescriptionOf({.path = path_, .facts = *std::move(facts)});
  }

  uint64_t size_bytes() const override { return builder_ ? builder_->size_bytes() : 0; }

 private:
  Status CheckOpen() const {
    if (!status_.ok()) return status_;
    AIDB_CHECK(builder_.has_value());  // Nothing follows Finish.
    return {};
  }
  Status CheckKey(std::string_view key) const {
    if (key.size() <= kv::kKeyBytesMax) return {};
    return InvalidArgument(path_ + ": a key of " + std::to_string(key.size()) + " bytes; at most " +
                           std::to_string(kv::kKeyBytesMax) + " are allowed");
  }
  Status Keep(Status status) {
    if (!status.ok()) status_ = status;
    return status;
  }

  Status AddEntry(Entry entry) {
    AIDB_RETURN_IF_ERROR(CheckOpen());
    AIDB_RETURN_IF_ERROR(CheckKey(entry.key));
    if (entry.value.size() > kSortedFileValueBytesMax) {
      return InvalidArgument(path_ + ": a value of " + std::to_string(entry.value.size()) +
                             " bytes; at most " + std::to_string(kSortedFileValueBytesMax) +
                             " are allowed");
    }
    if (builder_->entries() > 0 && entry.key <= builder_->last_key()) {
      return OutOfOrder(path_, "key " + KeyText(entry.key), KeyText(builder_->last_key()));
    }
    entry.sequence = kSortedFileSequence;
    return Keep(builder_->Add(entry));
  }

  Result<TableFacts> FinishFile() {
    if (builder_->empty()) return InvalidArgument(path_ + ": nothing was added to it");
    AIDB_ASSIGN_OR_RETURN(TableFacts facts, builder_->Finish());
    AIDB_RETURN_IF_ERROR(file_->SyncAll());
    AIDB_RETURN_IF_ERROR(file_->Close());
    AIDB_RETURN_IF_ERROR(files_.SyncDirectory(io::ParentOf(path_)));
    return facts;
  }

  // The error that led here is the one to report; what stays is no sorted file.
  void Abandon() {
    if (!builder_) return;
    builder_.reset();
    file_.reset();
    static_cast<void>(files_.Remove(path_));
  }

  io::FileSystem& files_;
  const std::string path_;
  std::unique_ptr<io::File> file_;
  std::optional<TableBuilder> builder_;  // None once the file is finished or given up.
  std::optional<std::string> last_end_;  // Of the last range.
  Status status_;                        // Why it stopped; ok while healthy.
};

}  // namespace

Status SortedFileWriter::Add(const kv::WriteBatch::Operation& operation) {
  switch (operation.kind) {
    case OpKind::kPut:
      return Put(operation.key, operation.value);
    case OpKind::kPutExpiring:
      return PutUntil(operation.key, operation.value, operation.expires_at_ms);
    case OpKind::kDelete:
      return Delete(operation.key);
    case OpKind::kDeleteRange:
      return DeleteRange(operation.key, operation.value);
    default:
      return InvalidArgument("a sorted file does not take operations of kind " +
                             std::to_string(static_cast<unsigned>(operation.kind)));
  }
}

Result<std::unique_ptr<SortedFileWriter>> SortedFileWriter::Create(
    const io::Env& env, std::string_view path, const SortedFileOptions& options) {
  kv::Options all;
  all.block_bytes = options.block_bytes;
  all.filter_bits_per_key = options.filter_bits_per_key;
  all.compression = options.compression;
  AIDB_RETURN_IF_ERROR(all.Validate());
  AIDB_ASSIGN_OR_RETURN(auto file, env.files.Open(path, io::OpenMode::kCreateNew));
  return std::unique_ptr<SortedFileWriter>(
      std::make_unique<Writer>(env.files, std::move(file), env.random.Next(),
                               TableOptions{.block_bytes = options.block_bytes,
                                            .filter_bits_per_key = options.filter_bits_per_key,
                                            .compression = options.compression,
                                            .level = kLevels - 1}));
}

}  // namespace aidb::lsm
