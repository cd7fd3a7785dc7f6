#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "aidb/base/sync.h"
#include "aidb/metrics/counter.h"
#include "aidb/metrics/gauge.h"
#include "aidb/metrics/histogram.h"

namespace aidb::metrics {

// A dimension of a metric, such as {"command", "get"}. The value is UTF-8 text, never a key or
// a value of a user, and comes from a small set: each combination is a series of its own.
struct Label {
  std::string name;
  std::string value;
  auto operator<=>(const Label&) const = default;
};
using Labels = std::vector<Label>;

enum class Kind : unsigned char { kCounter, kGauge, kHistogram };

// What a histogram records. Shown in base units: nanoseconds as seconds.
enum class Unit : unsigned char { kCount, kBytes, kNanoseconds };

// All series of one metric at one moment.
struct FamilySnapshot {
  struct Series {
    Labels labels;                                             // In the order of their names.
    std::variant<uint64_t, int64_t, HistogramSnapshot> value;  // As Kind: counter, gauge, ….
  };
  std::string name;
  std::string help;
  Kind kind = Kind::kCounter;
  Unit unit = Unit::kCount;
  std::vector<Series> series;  // In the order of their labels.
};

// The metrics of one database or server, by name and labels. Handed to whoever counts; there is
// no global one.
//
// Each Add gives the metric of that name and those labels, made at the first call, so that a
// component which is opened twice goes on counting. Keep the reference: Add takes a lock, the
// metric does not. The same name with another kind, unit or help is a programmer error, as is a
// name that Prometheus would refuse. Names follow its conventions: counters end in _total,
// histograms of nanoseconds in _seconds, of bytes in _bytes.
//
// Thread safety: any thread may call any method.
// Lifetime: owns the metrics; whoever counts must be gone before it is.
class Registry {
 public:
  // The limit of series of one name. Further labels all share one series more, whose label values
  // are "other": a metric must not be what fills the memory.
  static constexpr size_t kSeriesPerNameMax = 1'000;

  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter& AddCounter(std::string_view name, std::string_view help, Labels labels = {})
      AIDB_EXCLUDES(mu_);
  Gauge& AddGauge(std::string_view name, std::string_view help, Labels labels = {})
      AIDB_EXCLUDES(mu_);
  Histogram& AddHistogram(std::string_view name, std::string_view help, Unit unit,
                          Labels labels = {}) AIDB_EXCLUDES(mu_);

  // Everything, in the order of the names. The same counts give the same result.
  std::vector<FamilySnapshot> Snapshot() const AIDB_EXCLUDES(mu_);

 private:
  struct Family;
  template <typename Metric>
  Metric& Add(Kind kind, Unit unit, std::string_view name, std::string_view help, Labels labels)
      AIDB_EXCLUDES(mu_);

  mutable Mutex mu_;
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_ AIDB_GUARDED_BY(mu_);
};

}  // namespace aidb::metrics
