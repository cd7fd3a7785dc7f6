#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "aidb/base/random.h"

#include "tests/campaign/workload.h"
#include "tests/crash/child.h"
#include "tests/crash/mode.h"

namespace aidb::campaign {

// What the rounds of one mode came to.
struct Tally {
  uint64_t rounds = 0;
  uint64_t acknowledged = 0;    // Operations.
  uint64_t lost = 0;            // Rounds in which anything acknowledged was missing or wrong.
  uint64_t failures = 0;        // Rounds that failed in another way.
  uint64_t torn = 0;            // Tails that recovery cut and kept.
  uint64_t killed_opening = 0;  // Before the child said that the store was open.
  uint64_t killed_closing = 0;  // Between the begin and the end of Close.
  uint64_t closed = 0;          // The kill came too late.
  uint64_t milliseconds = 0;
};

// Kills one store again and again in one directory, with its history, and from time to time
// begins a new one.
//
// Thread safety: none.
class Rounds {
 public:
  // `directory` is made and emptied.
  Rounds(const Mode& mode, uint64_t seed, std::string directory);

  // One life, one kill, one look at what is left. Says what is wrong; empty when nothing is.
  std::string RunOne();
  const Tally& tally() const { return tally_; }

  // Lives of one store before a new one is begun.
  static constexpr uint64_t kRoundsPerStore = 25;

 private:
  struct Life {
    std::array<uint64_t, kWriters> acknowledged{};
    bool opened = false;
    bool closing = false;
    bool closed = false;
    bool failed = false;
  };

  void BeginStore();
  Life LiveAndDie();
  std::string Look(const Life& life);
  std::string CompareWriter(const kv::Store& store, uint64_t writer, uint64_t acknowledged);
  std::string CheckFiles();

  const Mode& mode_;
  const uint64_t seed_;
  const std::string directory_;
  Rng rng_;
  uint64_t stores_ = 0;
  uint64_t round_ = 0;  // Of the store at hand.
  Workload workload_;
  std::array<WriterModel, kWriters> models_;
  Tally tally_;
};

}  // namespace aidb::campaign
