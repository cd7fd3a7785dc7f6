#include "aidb/testing/datadriven.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <gtest/gtest.h>

namespace aidb::testing {
namespace {

constexpr std::string_view kFence = "----";

std::vector<std::string> SplitLines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return lines;
}

std::string JoinLines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text.append(line).append("\n");
  return text;
}

// Reads a script line by line and rewrites it as it goes.
class Script {
 public:
  Script(std::string_view text, const StepRunner& run) : lines_(SplitLines(text)), run_(run) {}

  ScriptRun Run() {
    while (at_ < lines_.size() && result_.well_formed) {
      const std::string& line = lines_[at_];
      if (line.empty() || line[0] == '#') {
        Keep();
      } else {
        RunStep();
      }
    }
    return std::move(result_);
  }

 private:
  struct Expected {
    size_t line = 0;  // Of its first line, from 1.
    std::vector<std::string> lines;
  };

  void Keep() { result_.rewritten.append(lines_[at_++]).append("\n"); }
  bool AtFence(size_t at) const { return at < lines_.size() && lines_[at] == kFence; }

  void Refuse(size_t line, std::string message) {
    result_.differences.push_back({line, std::move(message)});
    result_.well_formed = false;
  }

  void RunStep() {
    Step step = ParseCommand();
    Keep();
    while (at_ < lines_.size() && !AtFence(at_)) {
      step.input.append(lines_[at_]).append("\n");
      Keep();
    }
    if (at_ == lines_.size()) Refuse(step.line, "no \"----\" after this command");
    if (!result_.well_formed) return;
    ++at_;
    const Expected expected = ReadExpected(step.line);
    if (!result_.well_formed) return;
    const std::vector<std::string> actual = SplitLines(run_(step));
    if (std::ranges::find(actual, kFence) != actual.end()) {
      Refuse(step.line, "the output has a line \"----\", which a script cannot hold");
      return;
    }
    Compare(expected, actual);
    Write(actual);
  }

  Step ParseCommand() {
    Step step;
    step.line = at_ + 1;
    std::istringstream words(lines_[at_]);
    words >> step.command;
    for (std::string word; words >> word;) {
      const size_t equals = word.find('=');
      std::string value = equals == word.npos ? "" : word.substr(equals + 1);
      if (!step.arguments.emplace(word.substr(0, equals), std::move(value)).second) {
        Refuse(step.line, "argument given twice: " + word);
      }
    }
    return step;
  }

  // From behind the first fence to the end of the output.
  Expected ReadExpected(size_t step_line) {
    const bool fenced = AtFence(at_);
    if (fenced) ++at_;
    Expected expected{.line = at_ + 1, .lines = {}};
    const auto ends = [&] {
      return fenced ? AtFence(at_) && AtFence(at_ + 1) : lines_[at_].empty();
    };
    while (at_ < lines_.size() && !ends()) expected.lines.push_back(lines_[at_++]);
    if (!fenced) return expected;
    if (at_ == lines_.size()) {
      Refuse(step_line, "the output of this command has no closing double fence");
    } else {
      at_ += 2;
    }
    return expected;
  }

  void Compare(const Expected& expected, const std::vector<std::string>& actual) {
    if (expected.lines == actual) return;
    const auto first = std::ranges::mismatch(expected.lines, actual).in1;
    const auto offset = static_cast<size_t>(first - expected.lines.begin());
    result_.differences.push_back(
        {expected.line + offset,
         "expected:\n" + JoinLines(expected.lines) + "actual:\n" + JoinLines(actual)});
  }

  void Write(const std::vector<std::string>& actual) {
    const bool fenced = std::ranges::find(actual, "") != actual.end();
    const std::string fence = std::string(kFence) + "\n";
    result_.rewritten.append(fence);
    if (fenced) {
      result_.rewritten.append(fence).append(JoinLines(actual)).append(fence).append(fence);
      return;
    }
    result_.rewritten.append(JoinLines(actual));
    // What followed a closing fence directly must not become output.
    if (at_ < lines_.size() && !lines_[at_].empty()) result_.rewritten.append("\n");
  }

  const std::vector<std::string> lines_;
  const StepRunner& run_;
  size_t at_ = 0;
  ScriptRun result_;
};

}  // namespace

bool Step::Has(std::string_view name) const { return arguments.contains(name); }

std::string Step::Argument(std::string_view name, std::string_view otherwise) const {
  const auto found = arguments.find(name);
  return found == arguments.end() ? std::string(otherwise) : found->second;
}

uint64_t Step::Number(std::string_view name, uint64_t otherwise) const {
  const auto found = arguments.find(name);
  if (found == arguments.end()) return otherwise;
  const std::string& text = found->second;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    ADD_FAILURE() << "line " << line << ": " << name << "=" << text << " is not a number";
  }
  return number;
}

ScriptRun RunScriptText(std::string_view script, const StepRunner& run) {
  return Script(script, run).Run();
}

void RunScript(const std::string& path, const StepRunner& run) {
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file.is_open()) << path;
  const std::string script((std::istreambuf_iterator<char>(file)), {});
  file.close();

  const bool rewrite = std::getenv("AIDB_REWRITE") != nullptr;
  const ScriptRun result = RunScriptText(script, run);
  if (rewrite && result.well_formed) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << result.rewritten << std::flush;
    return;
  }
  for (const ScriptRun::Difference& difference : result.differences) {
    ADD_FAILURE_AT(path.c_str(), static_cast<int>(difference.line))
        << difference.message << "AIDB_REWRITE=1 writes the actual output into the script.";
  }
}

void RunScripts(const std::string& directory, const std::function<StepRunner()>& make) {
  std::error_code error;
  std::vector<std::string> paths;
  for (const auto& item : std::filesystem::directory_iterator(directory, error)) {
    if (item.is_regular_file()) paths.push_back(item.path().string());
  }
  std::ranges::sort(paths);
  ASSERT_FALSE(paths.empty()) << "no scripts in " << directory;
  for (const std::string& path : paths) RunScript(path, make());
}

}  // namespace aidb::testing
