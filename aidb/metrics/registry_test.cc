#include "aidb/metrics/registry.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include <gtest/gtest.h>

#include "aidb/metrics/prometheus_text.h"

namespace aidb::metrics {
namespace {

TEST(Registry, GivesTheSameMetricForTheSameNameAndLabels) {
  Registry registry;
  Counter& get = registry.AddCounter("commands_total", "Commands.", {{"command", "get"}});
  Counter& put = registry.AddCounter("commands_total", "Commands.", {{"command", "put"}});
  EXPECT_NE(&get, &put);
  EXPECT_EQ(&get, &registry.AddCounter("commands_total", "Commands.", {{"command", "get"}}));

  Gauge& ab = registry.AddGauge("size", "Size.", {{"a", "1"}, {"b", "2"}});
  EXPECT_EQ(&ab, &registry.AddGauge("size", "Size.", {{"b", "2"}, {"a", "1"}}));
}

TEST(Registry, OrdersByNameThenLabels) {
  Registry registry;
  registry.AddGauge("zebra", "Z.");
  registry.AddGauge("ant", "A.", {{"leg", "2"}});
  registry.AddGauge("ant", "A.", {{"leg", "1"}});
  const std::vector<FamilySnapshot> all = registry.Snapshot();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "ant");
  EXPECT_EQ(all[0].series[0].labels, (Labels{{"leg", "1"}}));
  EXPECT_EQ(all[0].series[1].labels, (Labels{{"leg", "2"}}));
  EXPECT_EQ(all[1].name, "zebra");
}

TEST(Registry, LetsLabelsBeyondTheLimitShareOneSeries) {
  Registry registry;
  const auto add = [&](size_t i) -> Counter& {
    return registry.AddCounter("x_total", "X.", {{"i", std::to_string(i)}});
  };
  Counter& first = add(0);
  for (size_t i = 1; i < Registry::kSeriesPerNameMax; ++i) add(i);
  Counter& beyond = add(Registry::kSeriesPerNameMax);
  EXPECT_EQ(&beyond, &add(Registry::kSeriesPerNameMax + 1));
  EXPECT_EQ(&first, &add(0));  // What was there stays itself.

  const std::vector<FamilySnapshot> all = registry.Snapshot();
  ASSERT_EQ(all[0].series.size(), Registry::kSeriesPerNameMax + 1);
  EXPECT_EQ(all[0].series.back().labels, (Labels{{"i", "other"}}));
}

TEST(Registry, RefusesWhatPrometheusWouldRefuse) {
  Registry registry;
  registry.AddCounter("x_total", "X.");
  EXPECT_DEATH(registry.AddCounter("", "X."), "check failed");
  EXPECT_DEATH(registry.AddGauge("1x", "X."), "check failed");
  EXPECT_DEATH(registry.AddGauge("a-b", "X."), "check failed");
  EXPECT_DEATH(registry.AddGauge("x", ""), "check failed");
  EXPECT_DEATH(registry.AddGauge("x", "X.", {{"le", "1"}}), "check failed");
  EXPECT_DEATH(registry.AddGauge("x", "X.", {{"__x", "1"}}), "check failed");
  EXPECT_DEATH(registry.AddGauge("x", "X.", {{"a", "1"}, {"a", "2"}}), "check failed");
}

TEST(Registry, HoldsNamesToTheConventions) {
  Registry registry;
  EXPECT_DEATH(registry.AddCounter("commands", "X."), "check failed");
  EXPECT_DEATH(registry.AddHistogram("wait", "X.", Unit::kNanoseconds), "check failed");
  EXPECT_DEATH(registry.AddHistogram("read", "X.", Unit::kBytes), "check failed");
}

TEST(Registry, RefusesOneNameForTwoThings) {
  Registry registry;
  registry.AddCounter("x_total", "X.");
  registry.AddHistogram("y_bytes", "Y.", Unit::kBytes);
  EXPECT_DEATH(registry.AddCounter("x_total", "Another."), "check failed");
  EXPECT_DEATH(registry.AddGauge("x_total", "X."), "check failed");
  EXPECT_DEATH(registry.AddHistogram("y_bytes", "Y.", Unit::kCount), "check failed");
}

TEST(Registry, ServesManyThreadsAtOnce) {
  Registry registry;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        registry.AddCounter("x_total", "X.", {{"i", std::to_string(i % 10)}}).Increment();
        if (i % 100 == 0) (void)registry.Snapshot();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<FamilySnapshot> all = registry.Snapshot();
  ASSERT_EQ(all[0].series.size(), 10u);
  for (const auto& series : all[0].series) EXPECT_EQ(std::get<uint64_t>(series.value), 200u);
}

// Compares with the file in testdata; AIDB_REWRITE=1 writes it.
void ExpectGolden(const std::string& name, const std::string& actual) {
  const std::string path = AIDB_TESTDATA "/" + name;
  if (std::getenv("AIDB_REWRITE") != nullptr) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << actual << std::flush;
  }
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file.is_open()) << path;
  EXPECT_EQ(actual, std::string((std::istreambuf_iterator<char>(file)), {}));
}

TEST(PrometheusText, MatchesTheGoldenFile) {
  Registry registry;
  registry.AddCounter("aidb_commands_total", "Commands executed.", {{"command", "get"}})
      .Increment(7);
  registry.AddCounter("aidb_commands_total", "Commands executed.", {{"command", "put"}});
  registry.AddGauge("aidb_cache_used", "A \\ and a\nnewline; \"quotes\" stay.").Set(-12);
  registry
      .AddGauge("aidb_collection_objects", "Objects.",
                {{"z", "last"}, {"name", "quote \" slash \\ line\nend é"}})
      .Set(3);
  Histogram& wait = registry.AddHistogram("aidb_wait_seconds", "Time waited.", Unit::kNanoseconds);
  for (const uint64_t ns : {500u, 1'023u, 1'024u, 2'000'000u, 2'500'000'000u}) wait.Record(ns);
  wait.Record(100'000'000'000);
  Histogram& record =
      registry.AddHistogram("aidb_record_bytes", "Sizes.", Unit::kBytes, {{"log", "a"}});
  for (const uint64_t size : {0u, 15u, 16u, 4'096u}) record.Record(size);
  registry.AddHistogram("aidb_batch_operations", "Operations per batch.", Unit::kCount).Record(3);
  ExpectGolden("exposition.txt", PrometheusText(registry.Snapshot()));
}

TEST(PrometheusText, IsEmptyForNoMetrics) { EXPECT_EQ(PrometheusText({}), ""); }

TEST(PrometheusText, HasTheSameBucketsWhateverWasRecorded) {
  const auto lines = [](uint64_t value) {
    Registry registry;
    registry.AddHistogram("x_seconds", "X.", Unit::kNanoseconds).Record(value);
    const std::string text = PrometheusText(registry.Snapshot());
    return std::ranges::count(text, '\n');
  };
  EXPECT_EQ(lines(0), 2 + 28 + 2);  // Help and type, buckets with +Inf, sum and count.
  EXPECT_EQ(lines(~uint64_t{0}), lines(0));
}

}  // namespace
}  // namespace aidb::metrics
