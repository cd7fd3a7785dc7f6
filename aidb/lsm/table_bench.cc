// The read path of one table, and how fast tables are built. The figures of record are ratios in
// bench/; these find where the time goes.

#include <benchmark/benchmark.h>

#include "aidb/base/hash.h"
#include "aidb/lsm/block_builder.h"
#include "aidb/lsm/table_for_test.h"
#include "aidb/lsm/tag_match.h"

namespace aidb::lsm {
namespace {

// 16 byte keys in the manner of db_bench, 100 byte values, half compressible.
std::vector<OwnedEntry> Plain(size_t n) {
  Rng rng(1);
  std::vector<OwnedEntry> entries;
  for (size_t i = 0; i < n; ++i) {
    std::string digits = std::to_string(i * 7919);
    const std::string half = RandomBytes(rng, 50, 256);
    entries.push_back({std::string(16 - digits.size(), '0') + digits, Sequence{i + 1}, OpKind::kPut,
                       half + half});
  }
  return entries;
}

constexpr size_t kEntriesPerBlock = 35;  // About 4 KB.

std::vector<Block> Blocks(const std::vector<OwnedEntry>& entries) {
  std::vector<Block> blocks;
  BlockBuilder builder(BlockTags::kPresent);
  for (const OwnedEntry& entry : entries) {
    builder.Add(entry.view(), Hash64(entry.key));
    if (builder.entries() < kEntriesPerBlock) continue;
    blocks.push_back(*Block::Parse(BlockKind::kData, BlockBuffer::CopyOf(builder.Finish())));
  }
  return blocks;
}

// Random keys in the order of asking, so that finding out what to ask for costs no cache miss.
struct Question {
  uint32_t at;  // In the entries.
  char key[16];

  std::string_view view() const { return {key, sizeof key}; }
};

std::vector<Question> Questions(const std::vector<OwnedEntry>& entries) {
  Rng rng(2);
  std::vector<Question> questions(1 << 16);
  for (Question& question : questions) {
    question.at = static_cast<uint32_t>(rng.Below(entries.size()));
    entries[question.at].key.copy(question.key, sizeof question.key);
  }
  return questions;
}

// Argument: blocks. 64 stay in the nearest caches; 20,000 do not.
void BM_BlockGet(benchmark::State& state) {
  const auto entries = Plain(static_cast<size_t>(state.range(0)) * kEntriesPerBlock);
  const auto blocks = Blocks(entries);
  const auto questions = Questions(entries);
  size_t i = 0;
  for (auto _ : state) {
    const Question& asked = questions[i++ & 0xFFFF];
    benchmark::DoNotOptimize(blocks[asked.at / kEntriesPerBlock].entries().Find(
        asked.view(), Hash64(asked.view()), kv::kSequenceMax));
  }
}
BENCHMARK(BM_BlockGet)->Arg(64)->Arg(20000);

void BM_BlockSeek(benchmark::State& state) {
  const auto entries = Plain(static_cast<size_t>(state.range(0)) * kEntriesPerBlock);
  const auto blocks = Blocks(entries);
  const auto questions = Questions(entries);
  size_t i = 0;
  for (auto _ : state) {
    const Question& asked = questions[i++ & 0xFFFF];
    benchmark::DoNotOptimize(
        blocks[asked.at / kEntriesPerBlock].entries().LowerBound(asked.view(), kv::kSequenceMax));
  }
}
BENCHMARK(BM_BlockSeek)->Arg(64)->Arg(20000);

void BM_BlockParse(benchmark::State& state) {
  const auto entries = Plain(kEntriesPerBlock);
  const auto blocks = Blocks(entries);
  for (auto _ : state) {
    BlockBuffer buffer = BlockBuffer::CopyOf(blocks[0].bytes());
    benchmark::DoNotOptimize(EntryBlock::Parse(BlockKind::kData, buffer).ok());
  }
}
BENCHMARK(BM_BlockParse);

void BM_MatchTags(benchmark::State& state) {
  const MatchTagsFunction functions[] = {MatchTagsPlain,
#if defined(__x86_64__)
                                         MatchTagsSse2, MatchTagsAvx2, MatchTagsAvx512
#endif
  };
  const MatchTagsFunction match = functions[state.range(0)];
  uint8_t tags[kTagsPerStep] = {};
  uint8_t tag = 0;
  for (auto _ : state) benchmark::DoNotOptimize(match(tags, tag++));
}
BENCHMARK(BM_MatchTags)->DenseRange(0, 3);

// Argument: codec.
BuiltTable PlainTable(size_t n, int codec) {
  return BuildTable(Plain(n), {.compression = static_cast<kv::Compression>(codec)});
}

constexpr size_t kTableEntries = 200'000;

void BM_TableGetCached(benchmark::State& state) {
  const auto entries = Plain(kTableEntries);
  BlockCache cache(256 << 20);
  const auto table = *OpenTable(BuildTable(entries), cache);
  const auto questions = Questions(entries);
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table->Get(questions[i++ & 0xFFFF].view(), kv::kSequenceMax));
  }
}
BENCHMARK(BM_TableGetCached);

void BM_TableGetAbsent(benchmark::State& state) {
  const auto entries = Plain(kTableEntries);
  BlockCache cache(256 << 20);
  const auto table = *OpenTable(BuildTable(entries), cache);
  const auto questions = Questions(entries);
  size_t i = 0;
  std::string key;
  for (auto _ : state) {
    key = questions[i++ & 0xFFFF].view();
    key.back() = 'x';
    benchmark::DoNotOptimize(table->Get(key, kv::kSequenceMax));
  }
}
BENCHMARK(BM_TableGetAbsent);

// From memory files: checksum, unpacking and parsing, no kernel. Argument: codec.
void BM_TableGetUncached(benchmark::State& state) {
  const auto entries = Plain(kTableEntries);
  BlockCache cache(4 << 20);
  const auto table = *OpenTable(PlainTable(kTableEntries, static_cast<int>(state.range(0))), cache);
  const auto questions = Questions(entries);
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table->Get(questions[i++ & 0xFFFF].view(), kv::kSequenceMax));
  }
}
BENCHMARK(BM_TableGetUncached)->DenseRange(0, 3);

void BM_TableSeekCached(benchmark::State& state) {
  const auto entries = Plain(kTableEntries);
  BlockCache cache(256 << 20);
  const auto table = *OpenTable(BuildTable(entries), cache);
  const auto cursor = table->NewCursor(CacheFill::kFill);
  const auto questions = Questions(entries);
  size_t i = 0;
  for (auto _ : state) {
    cursor->Seek(questions[i++ & 0xFFFF].view(), kv::kSequenceMax);
    benchmark::DoNotOptimize(cursor->valid());
  }
}
BENCHMARK(BM_TableSeekCached);

enum class Way { kForward, kBackward };

void BM_TableScanCached(benchmark::State& state) {
  BlockCache cache(256 << 20);
  const auto table = *OpenTable(BuildTable(Plain(kTableEntries)), cache);
  const auto cursor = table->NewCursor(CacheFill::kFill);
  const bool forward = static_cast<Way>(state.range(0)) == Way::kForward;
  for (auto _ : state) {
    if (!cursor->valid()) forward ? cursor->SeekToFirst() : cursor->SeekToLast();
    benchmark::DoNotOptimize(cursor->entry().value.data());
    forward ? cursor->Next() : cursor->Prev();
  }
}
BENCHMARK(BM_TableScanCached)
    ->Arg(static_cast<int>(Way::kForward))
    ->Arg(static_cast<int>(Way::kBackward));

// A compaction's view: nothing enters the cache. Argument: codec.
void BM_TableScanUncached(benchmark::State& state) {
  BlockCache cache(4 << 20);
  const auto table = *OpenTable(PlainTable(kTableEntries, static_cast<int>(state.range(0))), cache);
  const auto cursor = table->NewCursor(CacheFill::kPassBy);
  for (auto _ : state) {
    if (!cursor->valid()) cursor->SeekToFirst();
    benchmark::DoNotOptimize(cursor->entry().value.data());
    cursor->Next();
  }
}
BENCHMARK(BM_TableScanUncached)->DenseRange(0, 3);

// Argument: codec.
void BM_TableBuild(benchmark::State& state) {
  const auto entries = Plain(kTableEntries);
  uint64_t size = 0;
  for (auto _ : state) {
    MemoryFile file{std::string()};
    TableBuilder builder(file, kTestNumber, kTestSalt,
                         {.compression = static_cast<kv::Compression>(state.range(0))});
    for (const OwnedEntry& entry : entries) AIDB_CHECK(builder.Add(entry.view()).ok());
    size = builder.Finish()->size_bytes;
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kTableEntries * 116));
  state.counters["bytes_per_entry"] =
      static_cast<double>(size) / static_cast<double>(kTableEntries);
}
BENCHMARK(BM_TableBuild)->DenseRange(0, 3)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace aidb::lsm
