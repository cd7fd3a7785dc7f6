// What an append costs, and how many records share a sync.
//
//   journal_journal_bench --benchmark_filter=Append
//
// A framing of the cost of the engine's: one 33-byte header and one crc32c over salt and record.

#include <atomic>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "aidb/base/bytes.h"
#include "aidb/base/crc32c.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/journal/journal.h"
#include "aidb/journal/numbered_files_for_test.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::journal {
namespace {

class BenchFraming final : public Framing {
 public:
  static constexpr uint64_t kHeaderBytes = 33;

  uint64_t FramedSize(const Record& record, RecordId /*first_id*/,
                      uint64_t /*offset*/) const override {
    return kHeaderBytes + record.payload.size();
  }
  uint64_t ControlSize(ControlKind /*kind*/, uint64_t /*offset*/) const override {
    return kHeaderBytes;
  }
  void Encode(const Place& place, const Record& record, std::span<std::byte> out) const override {
    StoreLe<uint32_t>(out.data() + 4, static_cast<uint32_t>(record.payload.size()));
    StoreLe<uint32_t>(out.data() + 8, place.behind);
    StoreLe<uint32_t>(out.data() + 12, record.ids);
    StoreLe<uint64_t>(out.data() + 16, ToNumber(place.first_id));
    std::memcpy(out.data() + kHeaderBytes, record.payload.data(), record.payload.size());
    Seal(place, out);
  }
  void EncodeControl(const Place& place, ControlKind /*kind*/, const OpenFacts& /*open*/,
                     std::span<std::byte> out) const override {
    Seal(place, out);
  }
  Parsed Parse(std::string_view, bool, uint64_t, const FileIdentity&, std::string&) const override {
    return {};
  }
  std::optional<Evidence> FindEvidence(std::string_view, uint64_t, uint64_t,
                                       const FileIdentity&) const override {
    return std::nullopt;
  }
  uint64_t PieceBytesMax() const override { return 32768; }

 private:
  static void Seal(const Place& place, std::span<std::byte> out) {
    char salt[32];
    std::memcpy(salt, place.file.journal_uuid.data(), 16);
    StoreLe(salt + 16, place.file.number);
    StoreLe(salt + 24, place.offset);
    const uint32_t seed = Crc32c(std::string_view(salt, sizeof salt));
    StoreLe(out.data(), MaskCrc(ExtendCrc32c(seed, AsView(out.subspan(4)))));
  }
};

// One journal for all threads of a benchmark.
struct World {
  explicit World(FlushStrategy strategy) {
    JournalOptions options;
    options.directory = directory.path();
    options.strategy = strategy;
    options.file_bytes = uint64_t{1} << 30;
    journal =
        Journal::Open(env.env(), framing, names, options, {}, {}).operator*().journal.release();
  }
  ~World() { delete journal; }

  testing::TempDirectory directory;
  io::PosixEnv env;
  BenchFraming framing;
  NumberedFiles names{1};
  Journal* journal = nullptr;
};

std::unique_ptr<World> world;

void Report(benchmark::State& state, const Journal& journal) {
  const JournalStats stats = journal.stats();
  state.counters["room_waits"] = static_cast<double>(stats.room_waits);
  if (stats.syncs > 0) {
    state.counters["records_per_sync"] =
        static_cast<double>(stats.records) / static_cast<double>(stats.syncs);
    state.counters["sync_us"] =
        static_cast<double>(stats.sync_us) / static_cast<double>(stats.syncs);
  }
}

// Append and Publish of 130 bytes, Async.
void BM_Append(benchmark::State& state) {
  if (state.thread_index() == 0) world = std::make_unique<World>(FlushStrategy::Async());
  const std::string payload(130, 'p');
  for (auto _ : state) {
    const auto appended = world->journal->Append({.payload = payload}, Instant::Never());
    world->journal->Publish(*appended);
  }
  if (state.thread_index() == 0) {
    Report(state, *world->journal);
    world.reset();
  }
}
BENCHMARK(BM_Append)->Iterations(1'000'000);
BENCHMARK(BM_Append)->Iterations(250'000)->Threads(4)->UseRealTime();

// The framing alone, into memory that is in the cache: the part that is not the journal's.
void BM_Frame(benchmark::State& state) {
  const std::string payload(130, 'p');
  const BenchFraming framing;
  std::vector<std::byte> out(framing.FramedSize({.payload = payload}, RecordId{1}, 0));
  Place place;
  for (auto _ : state) {
    ++place.offset;
    framing.Encode(place, {.payload = payload}, out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(BM_Frame);

// Every record waits for the disk.
void BM_AppendDurably(benchmark::State& state) {
  if (state.thread_index() == 0) world = std::make_unique<World>(FlushStrategy::Async());
  const std::string payload(130, 'p');
  for (auto _ : state) {
    const auto appended = world->journal->Append({.payload = payload}, Instant::Never());
    world->journal->Publish(*appended);
    if (!world->journal->WaitDurable(appended->last_id, Instant::Never()).ok()) std::abort();
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) {
    Report(state, *world->journal);
    world.reset();
  }
}
BENCHMARK(BM_AppendDurably)->Iterations(2'000)->UseRealTime();
BENCHMARK(BM_AppendDurably)->Iterations(2'000)->Threads(8)->UseRealTime();
BENCHMARK(BM_AppendDurably)->Iterations(1'000)->Threads(64)->UseRealTime();

}  // namespace
}  // namespace aidb::journal
