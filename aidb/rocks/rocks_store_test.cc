// What is RocksDB's own here: options, errors, damage, the syncing task, locks on the directory.
// The contract is tested in rocks_conformance_test.cc.

#include "aidb/rocks/rocks_store.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include "aidb/io/posix/posix_env.h"
#include "aidb/rocks/interval_sync.h"
#include "aidb/rocks/rocks_options.h"
#include "aidb/rocks/rocks_status.h"
#include "aidb/rocks/sync_latch.h"
#include "aidb/rocks/write_gate.h"
#include "aidb/testing/status_matchers.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::rocks {
namespace {

using Disk = rocksdb::BlockBasedTableOptions;

kv::WriteBatch PutBatch(std::string_view key, std::string_view value) {
  kv::WriteBatch batch;
  batch.Put(key, value);
  return batch;
}

class RocksStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<RocksStore> Open(const kv::Options& options = {}) {
    auto store = RocksStore::Open(posix_.env(), path_, options);
    EXPECT_OK(store);
    return *std::move(store);
  }
  // The only table of the closed store.
  std::filesystem::path OnlyTable() {
    std::vector<std::filesystem::path> tables;
    for (const auto& file : std::filesystem::directory_iterator(path_)) {
      if (file.path().extension() == ".sst") tables.push_back(file.path());
    }
    EXPECT_EQ(tables.size(), 1u);
    return tables.at(0);
  }

  testing::TempDirectory directory_;
  const std::string path_ = directory_.Join("store");
  io::PosixEnv posix_;
};

TEST(RocksOptions, EachOptionHasItsCounterpart) {
  kv::Options options = kv::Options::ForTests();
  options.log_bytes = kv::Options().log_bytes;
  options.filter_bits_per_key = 12;
  options.compression = kv::Compression::kZstd;
  options.background_threads = 3;
  ASSERT_OK_AND_ASSIGN(const rocksdb::Options mapped, MapOptions(options, 8));
  EXPECT_EQ(mapped.write_buffer_size, options.write_buffer_bytes);
  EXPECT_EQ(mapped.max_write_buffer_number, 3);
  EXPECT_EQ(mapped.write_buffer_manager->buffer_size(), 3 * options.write_buffer_bytes);
  EXPECT_EQ(mapped.compression, rocksdb::kZSTD);
  EXPECT_EQ(mapped.level0_file_num_compaction_trigger, options.level0_trigger);
  EXPECT_EQ(mapped.max_bytes_for_level_base, options.level_base_bytes);
  EXPECT_FALSE(mapped.level_compaction_dynamic_level_bytes);
  EXPECT_EQ(mapped.max_bytes_for_level_multiplier, options.level_multiplier);
  EXPECT_EQ(mapped.max_background_jobs, 3);
  const Disk& table = *mapped.table_factory->GetOptions<Disk>();
  EXPECT_EQ(table.block_size, options.block_bytes);
  EXPECT_EQ(table.block_cache->GetCapacity(), options.cache_bytes + 3 * options.write_buffer_bytes);
  EXPECT_TRUE(table.cache_index_and_filter_blocks);
  EXPECT_NE(table.filter_policy, nullptr);
}

TEST(RocksOptions, ZeroMeansDerived) {
  kv::Options options;
  options.filter_bits_per_key = 0;
  constexpr std::pair<int, int> kCases[] = {{1, 1}, {2, 1}, {4, 3}, {64, 4}};
  for (const auto& [parallelism, jobs] : kCases) {
    ASSERT_OK_AND_ASSIGN(const rocksdb::Options mapped, MapOptions(options, parallelism));
    EXPECT_EQ(mapped.max_background_jobs, jobs);
    EXPECT_EQ(mapped.write_buffer_size, options.memory_bytes / 8);
    EXPECT_TRUE(mapped.level_compaction_dynamic_level_bytes);
    const Disk& table = *mapped.table_factory->GetOptions<Disk>();
    EXPECT_EQ(table.block_cache->GetCapacity(), options.memory_bytes);
    EXPECT_EQ(table.filter_policy, nullptr);
  }
}

TEST(RocksOptions, WhatHasNoCounterpartIsRefusedByName) {
  struct Case {
    std::string_view name;
    std::function<void(kv::Options&)> change;
  };
  const Case cases[] = {
      {"log_bytes", [](kv::Options& o) { o.log_bytes /= 2; }},
      {"write_wait_ms", [](kv::Options& o) { o.write_wait_ms = 1; }},
      {"scrub_period_s", [](kv::Options& o) { o.scrub_period_s = 1; }},
      {"write_buffer_bytes", [](kv::Options& o) { o.write_buffer_bytes = (64 << 10) - 1; }},
  };
  for (const Case& one : cases) {
    kv::Options options;
    one.change(options);
    const Status status = MapOptions(options, 1).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find(one.name), std::string_view::npos) << status.ToString();
    EXPECT_NE(status.message().find("rocksdb"), std::string_view::npos) << status.ToString();
  }
}

TEST(RocksStatus, EachOutcomeTellsTheCallerWhatToDo) {
  using R = rocksdb::Status;
  const std::pair<R, StatusCode> cases[] = {
      {R::OK(), StatusCode::kOk},
      {R::Corruption("why"), StatusCode::kCorruption},
      {R::IOError("why"), StatusCode::kIoError},
      {R::NoSpace("why"), StatusCode::kResourceExhausted},
      {R::SpaceLimit("why"), StatusCode::kResourceExhausted},
      {R::InvalidArgument("why"), StatusCode::kInvalidArgument},
      {R::NotSupported("why"), StatusCode::kInvalidArgument},
      {R::Busy("why"), StatusCode::kConflict},
      {R::TryAgain("why"), StatusCode::kConflict},
      {R::Incomplete("why"), StatusCode::kResourceExhausted},
      {R::ShutdownInProgress("why"), StatusCode::kUnavailable},
      {R::TimedOut("why"), StatusCode::kDeadlineExceeded},
      {R::Aborted("why"), StatusCode::kInternal},
  };
  for (const auto& [status, code] : cases) {
    const Status translated = Translate(status);
    EXPECT_EQ(translated.code(), code) << status.ToString();
    if (status.ok()) continue;
    EXPECT_EQ(translated.message(), "rocksdb: " + status.ToString());
    EXPECT_NE(translated.message().find("why"), std::string_view::npos);
  }
}

TEST_F(RocksStoreTest, TheDirectoryIsAnOrdinaryRocksDbDirectory) {
  {
    const auto store = Open();
    ASSERT_OK(store->Write(PutBatch("ours", "1"), {}));
    ASSERT_OK(store->Close());
  }
  rocksdb::DB* raw = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open({}, path_, &raw).ok());
  const std::unique_ptr<rocksdb::DB> theirs(raw);
  std::string value;
  EXPECT_TRUE(theirs->Get({}, "ours", &value).ok());
  EXPECT_EQ(value, "1");
  EXPECT_TRUE(theirs->Put({}, "theirs", "2").ok());
  EXPECT_TRUE(theirs->Close().ok());

  const auto store = Open();
  ASSERT_OK_AND_ASSIGN(const auto read, store->Get("theirs", {}));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->view(), "2");
  EXPECT_EQ(store->Stats().sequence, kv::Sequence{2});
}

TEST_F(RocksStoreTest, DamageIsCorruptionInRocksDbsWordsAndNeverAnAnswer) {
  {
    const auto store = Open();
    for (int i = 0; i < 100; ++i) {
      ASSERT_OK(store->Write(PutBatch("k" + std::to_string(i), std::string(100, 'v')), {}));
    }
    ASSERT_OK(store->Flush());
    ASSERT_OK(store->Close());
  }
  {
    std::fstream table(OnlyTable(), std::ios::in | std::ios::out | std::ios::binary);
    table.seekp(50);
    table.write("damage", 6);
  }
  const auto store = Open();
  const kv::Snapshot snapshot = store->TakeSnapshot();
  ASSERT_OK(store->Write(PutBatch("z", "v"), {}));
  const Status get = store->Get("k0", {}).status();
  EXPECT_EQ(get.code(), StatusCode::kCorruption);
  EXPECT_NE(get.message().find("rocksdb: "), std::string_view::npos);
  EXPECT_NE(get.message().find(".sst"), std::string_view::npos) << get.ToString();
  const std::string_view keys[] = {"k0", "z"};
  const auto both = store->MultiGet(keys, {});
  EXPECT_EQ(both[0].status().code(), StatusCode::kCorruption);
  EXPECT_OK(both[1]);
  const kv::Iterator scan = store->Scan({});
  EXPECT_FALSE(scan.Valid());
  EXPECT_EQ(scan.status().code(), StatusCode::kCorruption);
  // A condition that cannot be checked does not hold.
  EXPECT_EQ(
      store->WriteIf({.since = &snapshot, .keys = {"k0"}}, PutBatch("x", "v"), {}).status().code(),
      StatusCode::kCorruption);
  EXPECT_EQ(store
                ->WriteIf({.since = &snapshot, .ranges = {{.lower = "k", .upper = "l"}}},
                          PutBatch("x", "v"), {})
                .status()
                .code(),
            StatusCode::kCorruption);
}

TEST_F(RocksStoreTest, AHandleThatOutlivesCloseKeepsTheDirectoryLocked) {
  auto store = Open();
  ASSERT_OK(store->Write(PutBatch("k", std::string(100'000, 'v')), {}));
  ASSERT_OK(store->Flush());
  auto snapshot = std::make_unique<kv::Snapshot>(store->TakeSnapshot());
  auto iterator = std::make_unique<kv::Iterator>(store->Scan({}));
  ASSERT_OK(store->Close());
  const auto try_again = [&] { return RocksStore::Open(posix_.env(), path_, {}).status(); };
  EXPECT_FAILS(try_again(), StatusCode::kUnavailable, "already open");
  snapshot.reset();
  EXPECT_FAILS(try_again(), StatusCode::kUnavailable, "already open");
  iterator.reset();
  EXPECT_OK(try_again());
}

TEST_F(RocksStoreTest, UnsyncedWritesBecomeDurableByThemselves) {
  kv::Options options;
  options.sync_interval_ms = 1;
  const auto store = Open(options);
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const kv::Sequence written, store->Write(PutBatch("k", "v"), {}));
    while (store->Stats().durable_sequence < written) std::this_thread::yield();
  }
}

// Counts the tasks that are started.
class CountingExecutor final : public io::Executor {
 public:
  explicit CountingExecutor(io::Executor& base) : base_(base) {}
  std::unique_ptr<io::Task> Start(std::string_view name, std::function<void()> body) override {
    ++started;
    return base_.Start(name, std::move(body));
  }
  int Parallelism() const override { return base_.Parallelism(); }

  int started = 0;

 private:
  io::Executor& base_;
};

TEST_F(RocksStoreTest, AnIntervalOfZeroStartsNoTask) {
  const io::Env real = posix_.env();
  CountingExecutor executor(real.executor);
  const io::Env env{real.files, real.clock, executor, real.random, real.log};
  for (const int interval_ms : {0, 1000}) {
    kv::Options options;
    options.sync_interval_ms = interval_ms;
    ASSERT_OK_AND_ASSIGN(const auto store, RocksStore::Open(env, path_, options));
    EXPECT_EQ(executor.started, interval_ms == 0 ? 0 : 1);
  }
}

class CapturingLogger final : public Logger {
 public:
  void Log(LogLevel /*level*/, std::string_view line) override {
    const MutexLock lock(mu_);
    lines_.emplace_back(line);
  }
  std::vector<std::string> lines() {
    const MutexLock lock(mu_);
    return lines_;
  }

 private:
  Mutex mu_;
  std::vector<std::string> lines_ AIDB_GUARDED_BY(mu_);
};

TEST(IntervalSync, NeverSyncsAgainAfterAFailureAndLogsIt) {
  CapturingLogger log;
  io::PosixEnv posix(log);
  std::atomic<int> calls = 0;
  {
    const IntervalSync sync(posix.env(), std::chrono::microseconds(50), [&]() -> Status {
      return ++calls < 3 ? Status() : IoError("disk on fire");
    });
    while (log.lines().empty()) std::this_thread::yield();
  }
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(log.lines(), std::vector<std::string>{
                             "rocksdb store: periodic sync ended: i/o error: disk on fire"});
}

TEST(SyncLatch, NeverSyncsAgainAfterAFailureAndRepeatsItsCause) {
  SyncLatch latch;
  int calls = 0;
  const auto sync = [&]() -> Status { return ++calls == 2 ? IoError("disk on fire") : Status(); };
  EXPECT_OK(latch.Run(sync));
  EXPECT_OK(latch.Check());
  EXPECT_FAILS(latch.Run(sync), StatusCode::kIoError, "disk on fire");
  EXPECT_FAILS(latch.Run(sync), StatusCode::kUnavailable, "disk on fire");
  EXPECT_EQ(calls, 2);
  latch.Failed(IoError("another"));
  EXPECT_FAILS(latch.Check(), StatusCode::kUnavailable, "disk on fire");
}

TEST_F(RocksStoreTest, StatsTellWhatRocksDbKnows) {
  const auto store = Open();
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_OK(store->Write(PutBatch("k" + std::to_string(2 * i), std::string(100, 'v')), {}));
  }
  EXPECT_GT(store->Stats().memtable_bytes, 100'000u);
  ASSERT_OK(store->Flush());
  for (int i = 0; i < 1'000; ++i) ASSERT_OK(store->Get("k" + std::to_string(i), {}));
  const kv::StoreStats stats = store->Stats();
  EXPECT_EQ(stats.backend, "rocksdb");
  EXPECT_EQ(stats.writes, 1'000u);
  EXPECT_EQ(stats.gets, 1'000u);
  EXPECT_EQ(stats.flushes, 1u);
  EXPECT_GT(stats.table_bytes, 0u);
  EXPECT_GT(stats.cache_bytes, 0u);
  EXPECT_GT(stats.cache_hits, 0u);
  EXPECT_GT(stats.cache_misses, 0u);
  EXPECT_GT(stats.filter_useful, 400u);
  EXPECT_LT(stats.filter_false, 50u);
  ASSERT_FALSE(stats.levels.empty());
  EXPECT_EQ(stats.levels[0].tables, 1u);
  EXPECT_EQ(stats.levels[0].size_bytes, stats.table_bytes);
}

TEST(WriteGate, OneAloneIsAlone) {
  WriteGate gate;
  std::atomic<int> together = 0;
  int alone = 0;  // Guarded by being alone.
  std::atomic<int> company = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 2'000; ++round) {
        const WritePass pass(gate, WritePass::Company::kTogether);
        ++together;
        --together;
      }
    });
    threads.emplace_back([&] {
      for (int round = 0; round < 500; ++round) {
        const WritePass pass(gate, WritePass::Company::kAlone);
        if (together != 0) ++company;
        ++alone;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(company, 0);
  EXPECT_EQ(alone, 2'000);
}

}  // namespace
}  // namespace aidb::rocks
