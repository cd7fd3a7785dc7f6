#include <csignal>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bench/latency.h"
#include "bench/memory_limit.h"
#include "bench/process.h"
#include "bench/settings.h"
#include "bench/workload.h"

namespace aidb::bench {
namespace {

Settings Parsed(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  auto settings = ParseSettings(pointers);
  EXPECT_TRUE(settings.ok()) << settings.status().ToString();
  return *settings;
}

TEST(Workloads, OfTheDesignAreAllThere) {
  for (const char* name :
       {"fillseq",     "fillrandom",       "overwrite",    "fillsync",     "fill100K",
        "readrandom",  "readmissing",      "readhot",      "seekrandom",   "readseq",
        "readreverse", "readwhilewriting", "deleterandom", "updaterandom", "multireadrandom",
        "ycsb_a",      "ycsb_b",           "ycsb_c",       "ycsb_d",       "ycsb_e",
        "ycsb_f",      "reopen",           "sustained",    "mergerandom"}) {
    EXPECT_TRUE(FindWorkload(name).ok()) << name;
  }
}

TEST(Workloads, OfTheSmokeRunAreAllOfThem) {
  std::set<std::string> run;
  for (const std::string& name : Parsed({"--smoke"}).workloads) {
    const auto found = FindWorkload(name);
    ASSERT_TRUE(found.ok()) << found.status().ToString();
    run.emplace(found->workload->name);
  }
  EXPECT_EQ(run.size(), AllWorkloads().size());
}

TEST(Workloads, AreChangedByWhatStandsBehindTheirName) {
  const auto run = FindWorkload("readrandom@compacted@t8@v1000");
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->start, StartState::kCompacted);
  const Settings settings = SettingsFor(Parsed({"--num=100"}), *run);
  EXPECT_EQ(settings.threads, 8);
  EXPECT_EQ(settings.value_bytes, 1000U);
  EXPECT_EQ(settings.operations, 100U);
}

TEST(Workloads, BoundTheWriterBeside) {
  const auto run = FindWorkload("readwhilewriting@w50000");
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(SettingsFor(Parsed({}), *run).beside_rate, 50'000U);
}

TEST(Workloads, RefuseChangesTheyDoNotKnow) {
  for (const char* name : {"fillseq@compacted", "fillseq@cold", "readrandom@hot", "readrandom@",
                           "readrandom@t0", "readrandom@t257", "readrandom@t1x", "fill100K@v10",
                           "readrandom@v0", "readrandom@w9", "reopen@t2", "none", ""}) {
    EXPECT_FALSE(FindWorkload(name).ok()) << name;
  }
}

TEST(Workloads, OfLargeValuesTakeAThousandthOfTheKeys) {
  const Settings settings = SettingsFor(Parsed({"--num=5000"}), *FindWorkload("fill100K"));
  EXPECT_EQ(settings.keys, 5U);
  EXPECT_EQ(settings.operations, 5U);
  EXPECT_EQ(settings.value_bytes, 100'000U);
}

TEST(Workloads, ThatAreColdHaveFourTimesTheirMemoryOfData) {
  const auto run = FindWorkload("readrandom@cold");
  const Settings large = SettingsFor(Parsed({"--num=10000000"}), *run);
  EXPECT_EQ(ColdMemoryBytes(large), 290'000'000U);
  EXPECT_EQ(large.memory_bytes, 145'000'000U);
  EXPECT_EQ(ColdMemoryBytes(SettingsFor(Parsed({"--num=10"}), *run)), kColdMemoryMin);
}

TEST(Material, SpellsInsertedKeysApartAndBetweenTheLoadedOnes) {
  for (const char* style : {"--keys=binary", "--keys=decimal"}) {
    const Settings settings = Parsed({style});
    Material material(settings, 1);
    std::set<std::string> keys;
    for (uint64_t i = 0; i < 1000; ++i) keys.emplace(material.Key(i));
    for (uint64_t i = 0; i < 5000; ++i) keys.emplace(material.InsertedKey(1000, i));
    EXPECT_EQ(keys.size(), 6000U) << style;
    EXPECT_EQ(*keys.begin(), material.Key(0));
    for (const std::string& key : keys) EXPECT_EQ(key.size(), kKeyBytes);
  }
}

TEST(LatencyRecorder, CountsTheTimeOfOperationsThatWereHeld) {
  LatencyRecorder recorder;
  recorder.Record(kHeldNs - 1);
  EXPECT_EQ(recorder.HeldNs(), 0U);
  recorder.Record(kHeldNs);
  recorder.RecordMany(10 * kHeldNs, 10);
  recorder.RecordMany(10 * kHeldNs, 11);
  LatencyRecorder all;
  all.Merge(recorder);
  EXPECT_EQ(all.HeldNs(), 11 * kHeldNs);
  EXPECT_EQ(all.Max(), kHeldNs);
}

TEST(InChild, BringsTheMeasurementHome) {
  const auto result = InChild([]() -> Result<Measurement> {
    Measurement measurement;
    measurement.operations = 42;
    measurement.series[kSecondsMax - 1] = 7;
    return measurement;
  });
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->operations, 42U);
  EXPECT_EQ(result->series[kSecondsMax - 1], 7U);
}

TEST(InChild, TellsOfErrorsAndDeaths) {
  const auto failed = InChild([]() -> Result<Measurement> { return IoError("no more disk"); });
  EXPECT_NE(failed.status().ToString().find("no more disk"), std::string::npos);
  const auto died = InChild([]() -> Result<Measurement> {
    ::raise(SIGKILL);
    return Measurement{};
  });
  EXPECT_NE(died.status().ToString().find("signal 9"), std::string::npos);
}

TEST(InKilledChild, IsContentOnlyWithAKill) {
  EXPECT_TRUE(InKilledChild([] { return Status(); }).ok());
  const Status failed = InKilledChild([] { return IoError("no more disk"); });
  EXPECT_NE(failed.ToString().find("no more disk"), std::string::npos);
  EXPECT_FALSE(InKilledChild([]() -> Status {
                 ::raise(SIGTERM);
                 return {};
               }).ok());
}

// Where a cgroup may be made a process must die of its limit; elsewhere the reason is told.
TEST(MemoryLimit, EndsAProcessThatTakesMore) {
  constexpr uint64_t kLimit = uint64_t{32} << 20;
  const auto limit = MemoryLimit::Make(kLimit);
  if (!limit.ok()) {
    EXPECT_NE(limit.status().ToString().find("cgroup"), std::string::npos);
    return;
  }
  const auto take = [&limit](size_t bytes) {
    return InChild([&]() -> Result<Measurement> {
      AIDB_RETURN_IF_ERROR((*limit)->Enter());
      const std::vector<char> memory(bytes, 'x');
      Measurement measurement;
      measurement.found = static_cast<uint64_t>(memory[bytes / 2]);
      return measurement;
    });
  };
  const auto small = take(kLimit / 4);
  EXPECT_TRUE(small.ok()) << small.status().ToString();
  EXPECT_FALSE(take(kLimit * 4).ok());
}

}  // namespace
}  // namespace aidb::bench
