#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/clock.h"

namespace aidb::cli {

enum class ProgressMode : unsigned char { kAuto, kAlways, kNever };

// Says on standard error how far long work has come: on a terminal a bar that is drawn again ten
// times a second, elsewhere a line per second, which kAuto leaves out.
//
//   importing [=========>          ]  45 %  77,012 records  310,400/s  0:01 left
//
// Thread safety: none.
class Progress {
 public:
  // What is counted beside the bytes that tell how far the work has come.
  enum class Unit : unsigned char { kRecords, kBytes };

  // `verb` lives as long as this.
  Progress(Clock& clock, ProgressMode mode, std::string_view verb, Unit unit);

  // Until it is called with a number there is neither bar nor time left.
  void set_total_bytes(std::optional<uint64_t> total_bytes) { total_bytes_ = total_bytes; }
  void Update(uint64_t count, uint64_t bytes);
  // Draws the last state and leaves the line. Called once, before anything else is printed.
  void Finish(uint64_t count, uint64_t bytes);

  Duration elapsed() const { return clock_.Now() - began_; }

 private:
  enum class Style : unsigned char { kNone, kBar, kLines };

  static Style StyleOf(ProgressMode mode);
  std::string Amount(uint64_t count) const;
  std::string Line(uint64_t count, uint64_t bytes) const;
  void Draw(uint64_t count, uint64_t bytes) const;

  Clock& clock_;
  const Style style_;
  const std::string_view verb_;
  const Unit unit_;
  const Instant began_;
  std::optional<uint64_t> total_bytes_;
  Instant next_;
};

// Per second, 0 while no time has passed.
uint64_t Rate(uint64_t count, Duration elapsed);
// "0.52 s", "12 s", "3:07".
std::string DurationInWords(Duration duration);

}  // namespace aidb::cli
