// MultiGet of the engine: whatever lies where, each key's answer is what Get says.

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/io/transfer.h"
#include "aidb/lsm/engine_for_test.h"

namespace aidb::lsm {
namespace {

class EngineMultiGetTest : public EngineTest {
 protected:
  using Answer = Result<std::optional<kv::PinnedValue>>;

  static std::string TextOf(const Answer& answer) {
    if (!answer.ok()) return answer.status().ToString();
    if (!answer->has_value()) return "absent";
    const auto expires = (*answer)->expires_at_ms();
    return "=" + std::string((*answer)->view()) + (expires ? " @" + std::to_string(*expires) : "");
  }
  // What MultiGet says, after the same was asked by Get.
  std::vector<std::string> AskBothWays(const std::vector<std::string>& keys,
                                       const kv::Snapshot* snapshot) {
    const std::vector<std::string_view> views(keys.begin(), keys.end());
    std::vector<std::string> together;
    for (const Answer& answer : engine_->MultiGet(views, {.snapshot = snapshot})) {
      together.push_back(TextOf(answer));
    }
    std::vector<std::string> alone;
    for (const std::string_view key : views) {
      alone.push_back(TextOf(engine_->Get(key, {.snapshot = snapshot})));
    }
    EXPECT_EQ(together, alone);
    return together;
  }
  // Of `count` keys, some of which are never written, in no order and some of them twice.
  std::vector<std::string> RandomKeys(Rng& rng, size_t count) {
    std::vector<std::string> keys;
    for (size_t i = 0; i < count; ++i) {
      const bool again = !keys.empty() && rng.Below(8) == 0;
      keys.push_back(again ? keys[rng.Below(keys.size())] : RandomKey(rng));
    }
    return keys;
  }
  std::string RandomKey(Rng& rng) {
    const uint64_t n = rng.Below(400);
    if (n < 3) return std::string(n, '\0');
    return n < 40 ? "k" + std::string(n % 7, 'y') : Key(n * 3 % 1000);
  }
  void WriteSome(Rng& rng) {
    const uint64_t far = uint64_t{1} << 50;
    kv::WriteBatch batch;
    for (uint64_t i = 0; i < 60; ++i) {
      const std::string key = RandomKey(rng);
      const std::string value(rng.Below(120), static_cast<char>('a' + rng.Below(26)));
      switch (rng.Below(10)) {
        case 0:
        case 1:
          batch.Delete(key);
          break;
        case 2:
          batch.Put(key, value, rng.Below(2) == 0 ? 1 : far);  // Long gone, or far off.
          break;
        case 3:
          if (rng.Below(6) == 0) batch.DeleteRange(key, key + "5");
          break;
        default:
          batch.Put(key, value);
      }
    }
    ASSERT_OK(engine_->Write(std::move(batch), {}));
  }
};

TEST_F(EngineMultiGetTest, AnswersEachKeyAsGetDoes) {
  options_.level0_trigger = 6;  // Several runs to look into.
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    options_.cache_bytes = seed % 3 == 0 ? 0 : uint64_t{256} << 10;
    ASSERT_OK(Open());
    Rng rng(seed);
    std::vector<kv::Snapshot> snapshots;
    for (int round = 0; round < 40; ++round) {
      WriteSome(rng);
      if (rng.Below(3) == 0) {
        ASSERT_OK(engine_->Flush());
      }
      if (rng.Below(8) == 0) {
        ASSERT_OK(engine_->Compact({}));
      }
      if (rng.Below(4) == 0) snapshots.push_back(engine_->TakeSnapshot());
      AskBothWays(RandomKeys(rng, rng.Below(90)), nullptr);
      if (snapshots.empty()) continue;
      AskBothWays(RandomKeys(rng, 1 + rng.Below(40)), &snapshots[rng.Below(snapshots.size())]);
    }
    snapshots.clear();
    ASSERT_OK(engine_->Close());
    engine_.reset();
    std::filesystem::remove_all(directory_.Join("store"));
  }
}

// Older versions of a key may stand in the blocks behind the one that the index leads to.
TEST_F(EngineMultiGetTest, GoesOnToTheVersionsInTheNextBlocks) {
  ASSERT_OK(Open());
  std::vector<kv::Snapshot> snapshots;
  for (int version = 0; version < 50; ++version) {
    for (const char* key : {"a", "b", "c"}) {
      ASSERT_OK(Put(key, std::string(90, static_cast<char>('0' + version % 10))));
    }
    snapshots.push_back(engine_->TakeSnapshot());
  }
  ASSERT_OK(engine_->Flush());
  for (int version = 0; version < 50; ++version) {
    const std::string value = "=" + std::string(90, static_cast<char>('0' + version % 10));
    EXPECT_EQ(AskBothWays({"c", "a", "b", "bb"}, &snapshots[static_cast<size_t>(version)]),
              (std::vector<std::string>{value, value, value, "absent"}));
  }
}

TEST_F(EngineMultiGetTest, ADamagedBlockFailsItsKeysAlone) {
  ASSERT_OK(Open());
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < 300; ++i) {
    keys.push_back(Key(i * 7 % 300));
    ASSERT_OK(Put(keys.back(), std::string(50, 'v')));
  }
  ASSERT_OK(engine_->Flush());
  ASSERT_OK(engine_->Close());
  engine_.reset();
  const auto names = world_.env().files.List(directory_.Join("store"));
  ASSERT_OK(names);
  for (const std::string& name : *names) {
    if (!name.ends_with(".sst")) continue;
    auto file = world_.env().files.Open(directory_.Join("store/" + name), io::OpenMode::kReadWrite);
    ASSERT_OK(file);
    const std::byte wrong{0x5A};
    ASSERT_OK(io::WriteFully(**file, 2000, std::span(&wrong, 1)));
    ASSERT_OK((*file)->Close());
  }
  ASSERT_OK(Open());
  const std::vector<std::string> texts = AskBothWays(keys, nullptr);
  const auto damaged = std::ranges::count_if(
      texts, [](const std::string& text) { return text.starts_with("corruption"); });
  const auto whole = std::ranges::count(texts, "=" + std::string(50, 'v'));
  EXPECT_GT(damaged, 0);
  EXPECT_GT(whole, 200);
  EXPECT_EQ(damaged + whole, 300);
}

// What lies in one block is read from the disk once, however the keys were given.
TEST_F(EngineMultiGetTest, ReadsEachBlockOnceForAllItsKeys) {
  options_.block_bytes = 4096;
  ASSERT_OK(Open());
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < 200; ++i) {
    keys.push_back(Key(i * 77 % 200));
    ASSERT_OK(Put(keys.back(), std::string(100, 'v')));
  }
  ASSERT_OK(engine_->Flush());
  ASSERT_OK(engine_->Close());
  ASSERT_OK(Open());
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  const uint64_t reads = files_.call_count(io::CallKind::kRead);
  for (const Answer& answer : engine_->MultiGet(views, {})) ASSERT_OK(answer);
  // About 24,000 bytes: some six blocks, an index and a filter partition; and what opening takes.
  EXPECT_LE(files_.call_count(io::CallKind::kRead) - reads, 20u);
}

TEST_F(EngineMultiGetTest, AfterCloseEachKeyIsUnavailable) {
  ASSERT_OK(Open());
  ASSERT_OK(Put("a", "1"));
  ASSERT_OK(engine_->Close());
  const std::string_view keys[] = {"a", "b"};
  const auto answers = engine_->MultiGet(keys, {});
  ASSERT_EQ(answers.size(), 2u);
  for (const Answer& answer : answers) {
    EXPECT_EQ(answer.status().code(), StatusCode::kUnavailable);
  }
}

}  // namespace
}  // namespace aidb::lsm
