#include "aidb/lsm/checkpoint.h"

#include <algorithm>
#include <string>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/uuid.h"
#include "aidb/journal/identity.h"
#include "aidb/lsm/manifest.h"
#include "aidb/lsm/unfinished_directory.h"

namespace aidb::lsm {
namespace {

// The entries of another cursor that are not newer than a sequence.
//
// Lifetime: borrows the other.
class UpTo final : public EntryCursor {
 public:
  UpTo(EntryCursor& entries, Sequence sequence) : entries_(entries), sequence_(sequence) {}

  void SeekToFirst() override {
    entries_.SeekToFirst();
    Forward();
  }
  void SeekToLast() override {
    entries_.SeekToLast();
    Backward();
  }
  void Seek(std::string_view key, Sequence sequence) override {
    entries_.Seek(key, sequence);
    Forward();
  }
  void Next() override {
    entries_.Next();
    Forward();
  }
  void Prev() override {
    entries_.Prev();
    Backward();
  }
  Status status() const override { return entries_.status(); }

 private:
  bool Newer() const { return entries_.valid() && entries_.entry().sequence > sequence_; }
  void Forward() {
    while (Newer()) entries_.Next();
    Show();
  }
  void Backward() {
    while (Newer()) entries_.Prev();
    Show();
  }
  void Show() {
    valid_ = entries_.valid();
    if (valid_) entry_ = entries_.entry();
  }

  EntryCursor& entries_;
  const Sequence sequence_;
};

class Writer {
 public:
  Writer(const CheckpointSource& source, std::string_view target)
      : source_(source), files_(source.env.files), into_(files_, target) {}

  Status Run() {
    Status status = into_.Begin();  // C1.
    if (status.ok()) status = Fill();
    if (status.ok()) return into_.Finish(source_.parents);  // C5, C6.
    into_.Abandon();
    return status;
  }

 private:
  Status Fill() {
    ManifestState state;
    state.uuid = Uuid::Generate(source_.env.random);
    state.last_sequence = source_.sequence;
    state.clock_ms_max = source_.clock_ms_max;
    AIDB_RETURN_IF_ERROR(LinkTables(state));
    AIDB_RETURN_IF_ERROR(WriteNewest(state));
    AIDB_RETURN_IF_ERROR(WriteIdentity());
    return Manifest::Create(files_, into_.path(), source_.numbers, std::move(state)).status();
  }

  Status LinkTables(ManifestState& state) {
    for (int level = 0; level < kLevels; ++level) {
      for (const lsm::Run& run : source_.version.runs(level)) {
        for (const TableRef& table : run.tables()) {
          if (source_.stop.load(std::memory_order_relaxed)) {
            return Unavailable("the checkpoint was stopped");
          }
          const std::string name = TableName(table->number());
          AIDB_RETURN_IF_ERROR(
              files_.Link(io::JoinPath(source_.directory, name), into_.PathOf(name))
                  .Annotate("a checkpoint shares the file system of its store"));
          if (table->facts().ingested) {  // Perhaps the newest, which is not visible yet.
            state.ingest_sequence = std::max(state.ingest_sequence, table->facts().highest);
          }
          state.tables[table->number()] = {.level = level,
                                           .run = run.number(),
                                           .damaged = table->damaged(),
                                           .facts = table->facts()};
        }
      }
    }
    return {};
  }

  Status WriteNewest(ManifestState& state) {
    UpTo entries(source_.newest, source_.sequence);
    KeepRule rule = KeepRule::ForFlush({}, source_.range_deletes);
    TableTarget into{.files = files_,
                     .directory = into_.path(),
                     .numbers = source_.numbers,
                     .random = source_.env.random,
                     .table = source_.table,
                     .table_bytes = source_.table_bytes,
                     .grandparents = {},
                     .stop = &source_.stop,
                     .merger = source_.merger};
    into.table.level = 0;
    into.table.run = source_.numbers.Take();
    AIDB_ASSIGN_OR_RETURN(WrittenTables written, WriteTables(entries, rule, into));
    for (TableFacts& facts : written.tables) {
      const uint64_t number = facts.number;
      state.tables[number] = {.level = 0, .run = into.table.run, .facts = std::move(facts)};
    }
    return {};
  }

  // Of a journal that has no file yet.
  Status WriteIdentity() {
    journal::Identity identity;
    StoreLe<uint64_t>(identity.uuid.data(), source_.env.random.Next());
    StoreLe<uint64_t>(identity.uuid.data() + 8, source_.env.random.Next());
    return journal::WriteIdentity(files_, into_.path(), identity);
  }

  const CheckpointSource& source_;
  io::FileSystem& files_;
  UnfinishedDirectory into_;
};

}  // namespace

Status WriteCheckpoint(const CheckpointSource& source, std::string_view target) {
  return Writer(source, target).Run();
}

}  // namespace aidb::lsm
