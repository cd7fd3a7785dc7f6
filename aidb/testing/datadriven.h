#pragma once

// Behaviour as a script that a reviewer reads: commands, and below each what it printed.
//
//   # Comments and empty lines between steps are free.
//   put
//   a=1
//   b=2
//   ----
//   ok
//
//   scan from=b limit=3
//   ----
//   b=2
//
// A step is a command line (a word, then words or key=value arguments), input lines up to
// "----", and the expected output up to the next empty line. Output that itself contains an empty
// line stands between two double fences:
//
//   dump
//   ----
//   ----
//   first
//
//   third
//   ----
//   ----
//
// A line "----" cannot be output.
//
// With AIDB_REWRITE=1 in the environment the answers are written back instead of compared, so
// that a change in behaviour is a diff. (The idea is CockroachDB's datadriven package.)

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace aidb::testing {

struct Step {
  size_t line = 0;                                            // Of the command, from 1.
  std::string command;                                        // "scan"
  std::map<std::string, std::string, std::less<>> arguments;  // {"from": "b", "limit": "3"}
  std::string input;                                          // The lines up to "----".

  // Whether the argument is there, with or without a value.
  bool Has(std::string_view name) const;
  // Its value, or `otherwise` where it is missing.
  std::string Argument(std::string_view name, std::string_view otherwise = "") const;
  // The same as a decimal number; fails the test where it is none.
  uint64_t Number(std::string_view name, uint64_t otherwise) const;
};

// Executes one step and says what it printed; a missing last newline is added.
using StepRunner = std::function<std::string(const Step&)>;

// Runs the script in the file `path`. A step whose output differs fails the running test, at
// file and line of the first difference.
void RunScript(const std::string& path, const StepRunner& run);

// Runs every script of a directory, in the order of their names; no file is a failure. `make`
// gives the runner of each, so that scripts do not share state.
void RunScripts(const std::string& directory, const std::function<StepRunner()>& make);

// What RunScript is made of.
struct ScriptRun {
  struct Difference {
    size_t line;  // From 1.
    std::string message;
  };
  std::vector<Difference> differences;  // Of syntax, or of output.
  bool well_formed = true;              // Else the script was left at the first error.
  std::string rewritten;                // The script with the actual outputs.
};
ScriptRun RunScriptText(std::string_view script, const StepRunner& run);

}  // namespace aidb::testing
