#include "aidb/kv/options.h"

#include <functional>
#include <string>

#include <gtest/gtest.h>

namespace aidb::kv {
namespace {

using std::string_literals::operator""s;

TEST(Options, DefaultsAndPresetsAreValid) {
  for (const Options& options :
       {Options(), Options::ForTests(), Options::ForWrites(), Options::ForReads()}) {
    EXPECT_TRUE(options.Validate().ok()) << options.Validate().ToString();
  }
}

TEST(Options, ValidateNamesOptionValueAndRange) {
  Options options;
  options.level_multiplier = 1;
  EXPECT_EQ(options.Validate().ToString(),
            "invalid argument: option level_multiplier is 1; allowed is 2 to 100");
  options = Options();
  options.filter_bits_per_key = -1;
  EXPECT_EQ(options.Validate().ToString(),
            "invalid argument: option filter_bits_per_key is -1; allowed is 0 or 1 to 20");
}

TEST(Options, ValidateGuardsEveryOptionAtBothEnds) {
  struct Case {
    std::string_view name;
    std::function<void(Options&)> spoil;
  };
  constexpr uint64_t kHuge = ~uint64_t{0};
  const Case cases[] = {
      {"memory_bytes", [](Options& o) { o.memory_bytes = (1 << 20) - 1; }},
      {"memory_bytes", [](Options& o) { o.memory_bytes = kHuge; }},
      {"write_buffer_bytes", [](Options& o) { o.write_buffer_bytes = 1023; }},
      {"write_buffer_bytes", [](Options& o) { o.write_buffer_bytes = o.memory_bytes / 4 + 1; }},
      {"cache_bytes", [](Options& o) { o.cache_bytes = o.memory_bytes + 1; }},
      {"block_bytes", [](Options& o) { o.block_bytes = 0; }},
      {"block_bytes", [](Options& o) { o.block_bytes = (1 << 20) + 1; }},
      {"filter_bits_per_key", [](Options& o) { o.filter_bits_per_key = 21; }},
      {"compression", [](Options& o) { o.compression = static_cast<Compression>(4); }},
      {"level0_trigger", [](Options& o) { o.level0_trigger = 0; }},
      {"level0_trigger", [](Options& o) { o.level0_trigger = 101; }},
      {"level_base_bytes", [](Options& o) { o.level_base_bytes = 1; }},
      {"level_base_bytes", [](Options& o) { o.level_base_bytes = kHuge; }},
      {"level_multiplier", [](Options& o) { o.level_multiplier = 101; }},
      {"background_threads", [](Options& o) { o.background_threads = -1; }},
      {"background_threads", [](Options& o) { o.background_threads = 65; }},
      {"sync_interval_ms", [](Options& o) { o.sync_interval_ms = -1; }},
      {"sync_interval_ms", [](Options& o) { o.sync_interval_ms = 3'600'001; }},
      {"log_bytes", [](Options& o) { o.log_bytes = (64 << 10) - 1; }},
      {"log_bytes", [](Options& o) { o.log_bytes = kHuge; }},
      {"batch_bytes_max", [](Options& o) { o.batch_bytes_max = 1023; }},
      {"batch_bytes_max", [](Options& o) { o.batch_bytes_max = o.memory_bytes / 4 + 1; }},
      {"write_wait_ms", [](Options& o) { o.write_wait_ms = -1; }},
      {"write_wait_ms", [](Options& o) { o.write_wait_ms = 3'600'001; }},
      {"scrub_period_s", [](Options& o) { o.scrub_period_s = -1; }},
      {"scrub_period_s", [](Options& o) { o.scrub_period_s = 366 * 24 * 3600; }},
      {"mode", [](Options& o) { o.mode = static_cast<StoreMode>(4); }},
  };
  for (const Case& one : cases) {
    Options options;
    one.spoil(options);
    const Status status = options.Validate();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << one.name;
    EXPECT_TRUE(status.message().starts_with("option " + std::string(one.name) + " is "))
        << one.name << ": " << status.ToString();
  }
}

TEST(Options, RefuseAllButNamesTheOptionAndTheBackend) {
  Options options;
  options.mode = StoreMode::kReadOnly;
  options.backend = Backend::kMemory;
  EXPECT_TRUE(options.RefuseAllBut({}, "paper").ok());
  options.block_bytes = 512;
  EXPECT_EQ(options.RefuseAllBut({}, "paper").ToString(),
            "invalid argument: option block_bytes is 512; the paper backend cannot honour it, "
            "leave it at 4096");
  const std::string_view honoured[] = {"block_bytes"};
  EXPECT_TRUE(options.RefuseAllBut(honoured, "paper").ok());
}

TEST(RangeOf, FoldsThePrefixIntoTheBounds) {
  const ScanRange all = RangeOf({});
  EXPECT_EQ(all.lower, "");
  EXPECT_EQ(all.upper, std::nullopt);

  const ScanRange prefix = RangeOf({.prefix = "city:"});
  EXPECT_EQ(prefix.lower, "city:");
  EXPECT_EQ(prefix.upper, "city;");

  const ScanRange narrower = RangeOf({.lower = "city:b", .upper = "city:d", .prefix = "city:"});
  EXPECT_EQ(narrower.lower, "city:b");
  EXPECT_EQ(narrower.upper, "city:d");

  const ScanRange wider = RangeOf({.lower = "a", .upper = "z", .prefix = "city:"});
  EXPECT_EQ(wider.lower, "city:");
  EXPECT_EQ(wider.upper, "city;");
}

TEST(RangeOf, APrefixOf0xFFHasNoEndOfItsOwn) {
  EXPECT_EQ(RangeOf({.prefix = "a\xFF\xFF"}).upper, "b");
  EXPECT_EQ(RangeOf({.prefix = "\xFF\xFF"}).upper, std::nullopt);
  EXPECT_EQ(RangeOf({.upper = "\xFF\xFF\x01", .prefix = "\xFF\xFF"}).upper, "\xFF\xFF\x01");
  EXPECT_EQ(RangeOf({.prefix = "\x7F"}).upper, "\x80");
}

TEST(RangeOf, DisjointBoundsAreAnEmptyRange) {
  EXPECT_TRUE(RangeOf({.lower = "b", .upper = "b"}).empty());
  EXPECT_TRUE(RangeOf({.lower = "c", .upper = "b"}).empty());
  EXPECT_TRUE(RangeOf({.upper = "b", .prefix = "c"}).empty());
  EXPECT_TRUE(RangeOf({.upper = ""}).empty());
  EXPECT_FALSE(RangeOf({.lower = "b", .upper = "b\0"s}).empty());
}

TEST(ScanRange, ContainsItsLowerBoundAndNotItsUpper) {
  const ScanRange range{.lower = "b", .upper = "d"};
  EXPECT_FALSE(range.Contains("a"));
  EXPECT_TRUE(range.Contains("b"));
  EXPECT_TRUE(range.Contains("c\xFF"));
  EXPECT_FALSE(range.Contains("d"));
}

}  // namespace
}  // namespace aidb::kv
