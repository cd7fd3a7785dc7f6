#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/cpu.h"
#include "aidb/base/crc32c.h"
#include "aidb/base/crc64nvme.h"
#include "aidb/base/crc_paths.h"
#include "aidb/base/random.h"

namespace aidb {
namespace {

std::string RandomBytes(uint64_t seed, size_t size) {
  Rng rng(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(rng.Next());
  return bytes;
}

// The definition: one bit at a time.
template <typename Word>
Word ExtendBitwise(Word state, std::string_view bytes, Word polynomial) {
  for (const char c : bytes) {
    state ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) {
      state = static_cast<Word>((state >> 1) ^ ((state & 1) != 0 ? polynomial : 0));
    }
  }
  return state;
}

TEST(Crc32c, GivesThePublishedValues) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283);
  // RFC 3720, appendix B.4.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AA);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43);
  std::string rising(32, '\0');
  for (int i = 0; i < 32; ++i) rising[static_cast<size_t>(i)] = static_cast<char>(i);
  EXPECT_EQ(Crc32c(rising), 0x46DD794Eu);
  EXPECT_EQ(Crc32c(std::string(rising.rbegin(), rising.rend())), 0x113FDB5Cu);
}

TEST(Crc64Nvme, GivesThePublishedValues) {
  EXPECT_EQ(Crc64Nvme(""), 0u);
  EXPECT_EQ(Crc64Nvme("123456789"), 0xAE8B14860A799888);
  // NVM Express NVM Command Set, figure of test cases: 4 KiB of 00, of FF.
  EXPECT_EQ(Crc64Nvme(std::string(4096, '\0')), 0x6482D367EB22B64E);
  EXPECT_EQ(Crc64Nvme(std::string(4096, '\xFF')), 0xC0DDBA7302ECA3AC);
}

// Lengths up to 4,000 cover every branch: the single chain, each width of fold, one cut of three
// chains; 9,000 takes several cuts. The bytes before and after belong to no message.
template <typename Word>
void ExpectPathsAgree(std::span<const internal::CrcPath<Word>> paths, Word polynomial) {
  const std::string bytes = RandomBytes(/*seed=*/1, 64 + 9'000 + 64);
  ASSERT_EQ(paths[0].name, "plain");
  for (size_t length = 0; length <= 9'000; length += length < 4'000 ? 1 : 613) {
    const size_t alignment = length % 64;
    const std::string_view message = std::string_view(bytes).substr(alignment, length);
    const Word state = LoadLe<Word>(bytes.data() + length % 32);
    const Word expected = ExtendBitwise(state, message, polynomial);
    for (const auto& path : paths) {
      ASSERT_EQ(path.extend(state, message), expected)
          << path.name << ", " << length << " bytes at " << alignment;
    }
  }
}

template <typename Word>
void ExpectAlignmentDoesNotMatter(std::span<const internal::CrcPath<Word>> paths) {
  const std::string message = RandomBytes(/*seed=*/2, 4'000);
  std::string room(message.size() + 64, 'x');
  for (const size_t length : {15, 16, 17, 95, 96, 255, 256, 511, 512, 700, 4'000}) {
    const std::string_view part = std::string_view(message).substr(0, length);
    const Word expected = paths[0].extend(7, part);
    for (size_t alignment = 0; alignment < 64; ++alignment) {
      room.replace(alignment, length, part);
      for (const auto& path : paths) {
        ASSERT_EQ(path.extend(7, std::string_view(room).substr(alignment, length)), expected)
            << path.name << ", " << length << " bytes at " << alignment;
      }
    }
  }
}

TEST(Crc32c, AllPathsAgreeWithTheDefinition) {
  ExpectPathsAgree<uint32_t>(internal::Crc32cPaths(), 0x82F63B78);
  ExpectAlignmentDoesNotMatter<uint32_t>(internal::Crc32cPaths());
}

TEST(Crc64Nvme, AllPathsAgreeWithTheDefinition) {
  ExpectPathsAgree<uint64_t>(internal::Crc64NvmePaths(), 0x9A6C9329AC4BC9B5);
  ExpectAlignmentDoesNotMatter<uint64_t>(internal::Crc64NvmePaths());
}

// A path that reads outside its message is seen by the address sanitizer: the message ends, and
// begins, with its allocation.
TEST(Crc, NoPathReadsOutsideTheMessage) {
  for (size_t length = 0; length <= 700; ++length) {
    const std::vector<char> exact(length, 'a');
    const std::string_view message(exact.data(), length);
    const uint32_t crc32c = internal::Crc32cPaths()[0].extend(0, message);
    for (const auto& path : internal::Crc32cPaths()) {
      EXPECT_EQ(path.extend(0, message), crc32c) << path.name;
    }
    const uint64_t crc64 = internal::Crc64NvmePaths()[0].extend(0, message);
    for (const auto& path : internal::Crc64NvmePaths()) {
      EXPECT_EQ(path.extend(0, message), crc64) << path.name;
    }
  }
}

TEST(Crc, ExtendsOverEveryCut) {
  const std::string bytes = RandomBytes(/*seed=*/3, 1'500);
  const std::string_view view(bytes);
  for (size_t cut = 0; cut <= bytes.size(); cut += 7) {
    ASSERT_EQ(ExtendCrc32c(Crc32c(view.substr(0, cut)), view.substr(cut)), Crc32c(bytes));
    ASSERT_EQ(ExtendCrc64Nvme(Crc64Nvme(view.substr(0, cut)), view.substr(cut)), Crc64Nvme(bytes));
  }
}

TEST(Crc32c, CombinesTheChecksumsOfParts) {
  const std::string bytes = RandomBytes(/*seed=*/4, 1'500);
  const std::string_view view(bytes);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    const std::string_view b = view.substr(cut);
    ASSERT_EQ(CombineCrc32c(Crc32c(view.substr(0, cut)), Crc32c(b), b.size()), Crc32c(bytes));
  }
  // Zero bytes move a checksum without adding to it, so a gigabyte can be had by doubling.
  uint32_t zeros = Crc32c(std::string_view("\0", 1));
  for (int doubling = 0; doubling < 20; ++doubling) {
    zeros = CombineCrc32c(zeros, zeros, uint64_t{1} << doubling);
  }
  EXPECT_EQ(zeros, Crc32c(std::string(size_t{1} << 20, '\0')));
  // Lengths up to the largest: 2^63 + 2^63 and (2^64 - 1) + 1 bytes are the same move.
  EXPECT_EQ(CombineCrc32c(CombineCrc32c(5, 0, uint64_t{1} << 63), 0, uint64_t{1} << 63),
            CombineCrc32c(CombineCrc32c(5, 0, ~uint64_t{0}), 0, 1));
}

TEST(Crc32c, MaskingChangesEveryChecksum) {
  for (const uint32_t crc : {0u, 1u, 0xE3069283u, 0xFFFFFFFFu}) EXPECT_NE(MaskCrc(crc), crc);
  EXPECT_EQ(MaskCrc(0xE3069283), 0xC78AB0E5u);  // Part of the formats.
}

TEST(CpuLevel, IsNeverAboveWhatTheMachineCanDo) {
  EXPECT_LE(CpuLevelInUse(), DetectCpuLevel());
  EXPECT_EQ(ParseCpuLevel("baseline"), CpuLevel::kBaseline);
  EXPECT_EQ(ParseCpuLevel("sse42"), CpuLevel::kSse42);
  EXPECT_EQ(ParseCpuLevel("avx2"), CpuLevel::kAvx2);
  EXPECT_EQ(ParseCpuLevel("avx512"), CpuLevel::kAvx512);
  EXPECT_EQ(ParseCpuLevel("AVX512"), std::nullopt);
  EXPECT_EQ(ParseCpuLevel(""), std::nullopt);
}

// The level is read once per process, so each expectation runs in a process of its own.
TEST(CpuLevel, IsLoweredByTheEnvironment) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const char* const variable = std::getenv("AIDB_CPU");
  const std::string before = variable == nullptr ? "" : variable;
  const auto quit_with_paths = [] {
    const bool same_values =
        Crc32c("123456789") == 0xE3069283 && Crc64Nvme("123456789") == 0xAE8B14860A799888;
    std::_Exit(same_values ? static_cast<int>(internal::Crc32cPaths().size()) : 100);
  };

  ::setenv("AIDB_CPU", "baseline", /*replace=*/1);
  EXPECT_EXIT(quit_with_paths(), testing::ExitedWithCode(1), "");
  ::setenv("AIDB_CPU", "avx2", /*replace=*/1);
  const int paths = DetectCpuLevel() >= CpuLevel::kSse42 ? 2 : 1;
  EXPECT_EXIT(quit_with_paths(), testing::ExitedWithCode(paths), "");
  ::setenv("AIDB_CPU", "fast", /*replace=*/1);
  EXPECT_DEATH(quit_with_paths(), "AIDB_CPU is one of baseline, sse42, avx2, avx512");

  if (variable == nullptr) {
    ::unsetenv("AIDB_CPU");
  } else {
    ::setenv("AIDB_CPU", before.c_str(), /*replace=*/1);
  }
}

}  // namespace
}  // namespace aidb
