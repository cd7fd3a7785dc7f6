#include "aidb/metrics/prometheus_text.h"

#include <charconv>
#include <concepts>
#include <cstdint>

namespace aidb::metrics {
namespace {

// Which powers of two bound the shown buckets of a unit.
struct Octaves {
  unsigned first;
  unsigned last;
  unsigned step;
};

Octaves OctavesOf(Unit unit) {
  switch (unit) {
    case Unit::kCount:
      return {.first = 0, .last = 16, .step = 1};  // 0 to 65,535.
    case Unit::kBytes:
      return {.first = 4, .last = 36, .step = 2};  // 15 bytes to 64 GiB.
    case Unit::kNanoseconds:
      return {.first = 10, .last = 36, .step = 1};  // 1 µs to 69 s.
  }
  return {};
}

template <typename Number>
void AppendNumber(std::string& text, Number number) {
  char buffer[32];
  text.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
}

// A recorded number in the unit that is shown.
void AppendInUnit(std::string& text, uint64_t number, Unit unit) {
  if (unit == Unit::kNanoseconds) {
    AppendNumber(text, static_cast<double>(number) / 1e9);
  } else {
    AppendNumber(text, number);
  }
}

// Help texts escape backslash and newline, label values the double quote too.
void AppendEscaped(std::string& text, std::string_view raw, bool quoted) {
  for (const char c : raw) {
    if (c == '\\') {
      text.append("\\\\");
    } else if (c == '\n') {
      text.append("\\n");
    } else if (c == '"' && quoted) {
      text.append("\\\"");
    } else {
      text.push_back(c);
    }
  }
}

// name="value",name="value"
std::string LabelText(const Labels& labels) {
  std::string text;
  for (const Label& label : labels) {
    if (!text.empty()) text.push_back(',');
    text.append(label.name).append("=\"");
    AppendEscaped(text, label.value, /*quoted=*/true);
    text.push_back('"');
  }
  return text;
}

// "name{labels} ", ready for the number.
void AppendSeries(std::string& text, std::string_view name, std::string_view suffix,
                  std::string_view labels) {
  text.append(name).append(suffix);
  if (!labels.empty()) text.append("{").append(labels).append("}");
  text.push_back(' ');
}

void AppendBucket(std::string& text, std::string_view name, const std::string& labels,
                  std::string_view bound, uint64_t count) {
  std::string with_bound = labels;
  if (!labels.empty()) with_bound.push_back(',');
  with_bound.append("le=\"").append(bound).append("\"");
  AppendSeries(text, name, "_bucket", with_bound);
  AppendNumber(text, count);
  text.push_back('\n');
}

void AppendHistogram(std::string& text, const FamilySnapshot& family, const std::string& labels,
                     const HistogramSnapshot& histogram) {
  const Octaves octaves = OctavesOf(family.unit);
  for (unsigned octave = octaves.first; octave <= octaves.last; octave += octaves.step) {
    const uint64_t bound = (uint64_t{1} << octave) - 1;
    std::string bound_text;
    AppendInUnit(bound_text, bound, family.unit);
    AppendBucket(text, family.name, labels, bound_text, histogram.CountAtMost(bound));
  }
  AppendBucket(text, family.name, labels, "+Inf", histogram.Count());
  AppendSeries(text, family.name, "_sum", labels);
  AppendInUnit(text, histogram.Sum(), family.unit);
  text.push_back('\n');
  AppendSeries(text, family.name, "_count", labels);
  AppendNumber(text, histogram.Count());
  text.push_back('\n');
}

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return "counter";
    case Kind::kGauge:
      return "gauge";
    case Kind::kHistogram:
      return "histogram";
  }
  return "untyped";
}

}  // namespace

std::string PrometheusText(const std::vector<FamilySnapshot>& families) {
  std::string text;
  for (const FamilySnapshot& family : families) {
    text.append("# HELP ").append(family.name).append(" ");
    AppendEscaped(text, family.help, /*quoted=*/false);
    text.append("\n# TYPE ").append(family.name).append(" ").append(KindName(family.kind));
    text.push_back('\n');
    for (const FamilySnapshot::Series& series : family.series) {
      const std::string labels = LabelText(series.labels);
      if (const auto* histogram = std::get_if<HistogramSnapshot>(&series.value)) {
        AppendHistogram(text, family, labels, *histogram);
        continue;
      }
      AppendSeries(text, family.name, "", labels);
      if (const auto* count = std::get_if<uint64_t>(&series.value)) AppendNumber(text, *count);
      if (const auto* level = std::get_if<int64_t>(&series.value)) AppendNumber(text, *level);
      text.push_back('\n');
    }
  }
  return text;
}

}  // namespace aidb::metrics
