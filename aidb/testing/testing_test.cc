#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "aidb/testing/datadriven.h"
#include "aidb/testing/seed.h"
#include "aidb/testing/status_matchers.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::testing {
namespace {

// Sets an environment variable for a scope.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = std::make_unique<std::string>(before);
    ::setenv(name, value, /*replace=*/1);
  }
  ~ScopedVariable() {
    if (before_) {
      ::setenv(name_, before_->c_str(), /*replace=*/1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* const name_;
  std::unique_ptr<std::string> before_;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string Describe(const Step& step) {
  std::string text;
  for (const auto& [name, value] : step.arguments) text += name + "=" + value + "\n";
  return text + step.input;
}

TEST(DataDriven, HandsCommandArgumentsAndInputToTheRunner) {
  RunScripts(AIDB_TESTDATA, [] { return Describe; });
}

TEST(DataDriven, GivesArgumentsAsTextAndAsNumbers) {
  RunScriptText("scan from=b limit=30 reverse\n----\n", [](const Step& step) {
    EXPECT_EQ(step.command, "scan");
    EXPECT_EQ(step.line, 1u);
    EXPECT_TRUE(step.Has("reverse"));
    EXPECT_FALSE(step.Has("to"));
    EXPECT_EQ(step.Argument("from"), "b");
    EXPECT_EQ(step.Argument("to", "z"), "z");
    EXPECT_EQ(step.Number("limit", 7), 30u);
    EXPECT_EQ(step.Number("offset", 7), 7u);
    EXPECT_NONFATAL_FAILURE((void)step.Number("from", 0), "line 1: from=b is not a number");
    return "";
  });
}

TEST(DataDriven, ReportsTheLineOfTheFirstDifference) {
  const ScriptRun run =
      RunScriptText("# comment\n\none\n----\na\nb\nc\n\ntwo\n----\nright\n",
                    [](const Step& step) { return step.command == "one" ? "a\nB\nc" : "right"; });
  ASSERT_EQ(run.differences.size(), 1u);
  EXPECT_EQ(run.differences[0].line, 6u);
  EXPECT_EQ(run.differences[0].message, "expected:\na\nb\nc\nactual:\na\nB\nc\n");
}

TEST(DataDriven, ReportsOutputThatIsTooShortOrTooLong) {
  const auto line = [](std::string_view script, const std::string& output) {
    const ScriptRun run = RunScriptText(script, [&](const Step&) { return output; });
    return run.differences.size() == 1 ? run.differences[0].line : 0;
  };
  EXPECT_EQ(line("do\n----\na\nb\n", "a\n"), 4u);
  EXPECT_EQ(line("do\n----\na\n", "a\nb\n"), 4u);
  EXPECT_EQ(line("do\n----\n", "a\n"), 3u);
  EXPECT_EQ(line("do\n----\na\n", ""), 3u);
  EXPECT_EQ(line("do\n----\na\n", "a"), 0u);  // The newline is added.
}

TEST(DataDriven, RewritesOutputsAndKeepsTheRest) {
  const ScriptRun run =
      RunScriptText("# top\n\n\nsay word=x\nin put\n----\nold\n\n# middle\nsay word=y\n----\n",
                    [](const Step& step) { return step.Argument("word"); });
  EXPECT_EQ(run.rewritten,
            "# top\n\n\nsay word=x\nin put\n----\nx\n\n# middle\nsay word=y\n----\ny\n");
}

TEST(DataDriven, FencesOutputThatContainsEmptyLines) {
  for (const std::string output : {"a\n\nb\n", "\n", "\n\n", "a\n\n"}) {
    const auto run = [&](const Step&) { return output; };
    const ScriptRun first = RunScriptText("do\n----\n\ndo\n----\n", run);
    EXPECT_TRUE(first.rewritten.starts_with("do\n----\n----\n")) << first.rewritten;
    const ScriptRun second = RunScriptText(first.rewritten, run);
    EXPECT_TRUE(second.differences.empty()) << first.rewritten;
    EXPECT_EQ(second.rewritten, first.rewritten);
  }
}

TEST(DataDriven, RemovesAFenceWithoutJoiningSteps) {
  const auto run = [](const Step&) { return "a\n"; };
  const ScriptRun first = RunScriptText("do\n----\n----\nx\n\ny\n----\n----\nnext\n----\n", run);
  EXPECT_EQ(first.differences.size(), 2u);
  EXPECT_EQ(first.rewritten, "do\n----\na\n\nnext\n----\na\n");
}

TEST(DataDriven, RefusesAScriptThatBreaksTheSyntax) {
  int steps = 0;
  const auto run = [&](const Step&) {
    ++steps;
    return "";
  };
  const auto refusal = [&](std::string_view script) {
    const ScriptRun result = RunScriptText(script, run);
    EXPECT_FALSE(result.well_formed);
    return result.differences.size() == 1 ? result.differences[0].message : "";
  };
  EXPECT_EQ(refusal("do\ninput\n"), "no \"----\" after this command");
  EXPECT_EQ(refusal("do\n----\n----\nopen\n"),
            "the output of this command has no closing double fence");
  EXPECT_EQ(refusal("do a=1 a=2\n----\n"), "argument given twice: a=2");
  EXPECT_EQ(steps, 0);
  const ScriptRun fence = RunScriptText("do\n----\n", [](const Step&) { return "a\n----\n"; });
  EXPECT_FALSE(fence.well_formed);
  EXPECT_EQ(fence.differences[0].line, 1u);
}

TEST(DataDriven, FailsTheTestAtTheLineOfTheScript) {
  TempDirectory directory;
  static std::string path;  // The macro below forbids locals.
  path = directory.Join("script");
  WriteFile(path, "do\n----\nold\n");
  EXPECT_NONFATAL_FAILURE(RunScript(path, [](const Step&) { return "new"; }),
                          "expected:\nold\nactual:\nnew\n");
  EXPECT_FATAL_FAILURE(RunScript(path + "x", [](const Step&) { return "new"; }), path);
  EXPECT_EQ(ReadFile(path), "do\n----\nold\n");
}

TEST(DataDriven, WritesTheAnswersBackWhenAsked) {
  TempDirectory directory;
  const std::string path = directory.Join("script");
  WriteFile(path, "do\n----\nold\n");
  const ScopedVariable rewrite("AIDB_REWRITE", "1");
  RunScript(path, [](const Step&) { return "new"; });
  EXPECT_EQ(ReadFile(path), "do\n----\nnew\n");
}

TEST(DataDriven, ADirectoryWithoutScriptsIsAFailure) {
  static const TempDirectory directory;
  EXPECT_FATAL_FAILURE(RunScripts(directory.path(), [] { return Describe; }), "no scripts in");
}

TEST(TempDirectory, IsFreshAndGoesWithItsContents) {
  std::string path;
  {
    const TempDirectory one;
    const TempDirectory other;
    EXPECT_NE(one.path(), other.path());
    EXPECT_TRUE(std::filesystem::is_empty(one.path()));
    EXPECT_TRUE(std::filesystem::path(one.path()).is_absolute());
    EXPECT_EQ(one.Join("a"), one.path() + "/a");
    std::filesystem::create_directories(one.Join("a/b"));
    WriteFile(one.Join("a/b/c"), "text");
    path = one.path();
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Seed, ComesFromTheEnvironmentOrTheTest) {
  ::testing::internal::CaptureStderr();
  {
    const ScopedVariable decimal("AIDB_SEED", "18446744073709551615");
    EXPECT_EQ(SeedFromEnvironmentOr(5), ~uint64_t{0});
    const ScopedVariable hexadecimal("AIDB_SEED", "0xBEEF");
    EXPECT_EQ(SeedFromEnvironmentOr(5), 0xBEEFu);
  }
  EXPECT_TRUE(::testing::internal::GetCapturedStderr().contains(
      "replay: AIDB_SEED=48879 testing_test --gtest_filter=Seed.ComesFromTheEnvironmentOrTheTest"));
}

TEST(Seed, OneThatIsNoNumberStopsTheProgram) {
  for (const char* wrong : {"", "x", "12x", "-1", "18446744073709551616", "0x"}) {
    const ScopedVariable seed("AIDB_SEED", wrong);
    EXPECT_DEATH(SeedFromEnvironmentOr(5), "AIDB_SEED is a number") << wrong;
  }
}

Result<int> Answer(Status status) {
  if (!status.ok()) return status;
  return 42;
}

TEST(StatusMatchers, PassWhatIsAsExpected) {
  EXPECT_OK(Status());
  ASSERT_OK(Answer(Status())) << "text may follow";
  ASSERT_OK_AND_ASSIGN(const int answer, Answer(Status()));
  EXPECT_EQ(answer, 42);
  ASSERT_OK_AND_ASSIGN(const auto owned, Result<std::unique_ptr<int>>(std::make_unique<int>(1)));
  EXPECT_EQ(*owned, 1);
  EXPECT_FAILS(Corruption("block 7: checksum"), StatusCode::kCorruption, "block 7");
  EXPECT_FAILS(Answer(Conflict("key a")), StatusCode::kConflict, "");
}

TEST(StatusMatchers, PrintTheStatusOfWhatIsNot) {
  EXPECT_NONFATAL_FAILURE(EXPECT_OK(Corruption("block 7")), "is corruption: block 7");
  EXPECT_FATAL_FAILURE(ASSERT_OK(Answer(Corruption("block 7"))), "is corruption: block 7");
  EXPECT_FATAL_FAILURE(
      { ASSERT_OK_AND_ASSIGN([[maybe_unused]] int n, Answer(Conflict("key a"))); },
      "is conflict: key a");
  EXPECT_NONFATAL_FAILURE(EXPECT_FAILS(Status(), StatusCode::kConflict, ""),
                          "is ok\n  not conflict");
  EXPECT_NONFATAL_FAILURE(EXPECT_FAILS(Conflict("key a"), StatusCode::kConflict, "key b"),
                          "not conflict with \"key b\"");
  EXPECT_EQ(::testing::PrintToString(StatusCode::kIoError), "i/o error");
  EXPECT_EQ(::testing::PrintToString(IoError("disk")), "i/o error: disk");
}

}  // namespace
}  // namespace aidb::testing
