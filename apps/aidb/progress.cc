#include "apps/aidb/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

#include "apps/aidb/streams.h"
#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

using std::chrono::milliseconds;

constexpr Duration kBarInterval = milliseconds(100);
constexpr Duration kLineInterval = milliseconds(1000);
constexpr size_t kBarCharacters = 30;

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Progress::Progress(Clock& clock, ProgressMode mode, std::string_view verb, Unit unit)
    : clock_(clock),
      style_(StyleOf(mode)),
      verb_(verb),
      unit_(unit),
      began_(clock.Now()),
      next_(began_ + (style_ == Style::kBar ? kBarInterval : kLineInterval)) {}

Progress::Style Progress::StyleOf(ProgressMode mode) {
  if (mode == ProgressMode::kNever) return Style::kNone;
  if (StandardErrorIsTerminal()) return Style::kBar;
  return mode == ProgressMode::kAlways ? Style::kLines : Style::kNone;
}

void Progress::Update(uint64_t count, uint64_t bytes) {
  if (style_ == Style::kNone) return;
  const Instant now = clock_.Now();
  if (now < next_) return;
  next_ = now + (style_ == Style::kBar ? kBarInterval : kLineInterval);
  Draw(count, bytes);
}

void Progress::Finish(uint64_t count, uint64_t bytes) {
  if (style_ == Style::kNone) return;
  Draw(count, bytes);
  if (style_ == Style::kBar) std::fputs("\n", stderr);
}

std::string Progress::Amount(uint64_t count) const {
  return unit_ == Unit::kBytes ? BytesInWords(count) : WithCommas(count);
}

std::string Progress::Line(uint64_t count, uint64_t bytes) const {
  std::string line(verb_);
  if (total_bytes_) {
    const double done =
        std::min(1.0, static_cast<double>(bytes) / static_cast<double>(*total_bytes_));
    if (style_ == Style::kBar) {
      const auto filled = static_cast<size_t>(done * kBarCharacters);
      std::string bar(filled, '=');
      if (filled < kBarCharacters) bar += '>';
      line += fmt::format(" [{:<{}}]", bar, kBarCharacters);
    }
    line += fmt::format(" {:3.0f} %", done * 100);
  }
  line += fmt::format("  {}{}  {}/s", Amount(count), unit_ == Unit::kRecords ? " records" : "",
                      Amount(Rate(count, elapsed())));
  if (total_bytes_ && bytes > 0 && bytes < *total_bytes_) {
    const double left = Seconds(elapsed()) * static_cast<double>(*total_bytes_ - bytes) /
                        static_cast<double>(bytes);
    const long long whole = std::llround(left);
    line += fmt::format("  {}:{:02} left", whole / 60, whole % 60);
  }
  return line;
}

void Progress::Draw(uint64_t count, uint64_t bytes) const {
  const std::string line = Line(count, bytes);
  if (style_ == Style::kBar) {
    // To the first column, the line, and whatever stood behind it erased (ECMA-48: EL).
    fmt::print(stderr, "\r{}\x1b[K", line);
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

uint64_t Rate(uint64_t count, Duration elapsed) {
  if (elapsed.count() <= 0) return 0;
  return static_cast<uint64_t>(static_cast<double>(count) / Seconds(elapsed));
}

std::string DurationInWords(Duration duration) {
  const double seconds = Seconds(duration);
  if (seconds < 10) return fmt::format("{:.2f} s", seconds);
  const auto whole = static_cast<uint64_t>(seconds);
  return whole < 60 ? fmt::format("{} s", whole) : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace aidb::cli
