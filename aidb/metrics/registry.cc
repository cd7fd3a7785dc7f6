#include "aidb/metrics/registry.h"

#include <algorithm>
#include <utility>

#include "aidb/base/check.h"

namespace aidb::metrics {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Prometheus also allows a colon, but keeps it for rules.
bool IsName(std::string_view name) {
  return !name.empty() && IsLetter(name[0]) &&
         std::ranges::all_of(name, [](char c) { return IsLetter(c) || IsDigit(c); });
}

std::string_view SuffixOf(Kind kind, Unit unit) {
  if (kind == Kind::kCounter) return "_total";
  if (unit == Unit::kNanoseconds) return "_seconds";
  if (unit == Unit::kBytes) return "_bytes";
  return "";
}

void CheckLabels(const Labels& labels) {
  for (size_t i = 0; i < labels.size(); ++i) {
    AIDB_CHECK(IsName(labels[i].name));
    AIDB_CHECK(!labels[i].name.starts_with("__"));               // Prometheus' own.
    AIDB_CHECK(labels[i].name != "le");                          // Histograms' own.
    AIDB_CHECK(i == 0 || labels[i].name != labels[i - 1].name);  // Given twice.
  }
}

}  // namespace

struct Registry::Family {
  using Metric =
      std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>>;
  std::string help;
  Kind kind;
  Unit unit;
  std::map<Labels, Metric> series;
};

Registry::Registry() = default;
Registry::~Registry() = default;

template <typename Metric>
Metric& Registry::Add(Kind kind, Unit unit, std::string_view name, std::string_view help,
                      Labels labels) {
  AIDB_CHECK(IsName(name) && name.ends_with(SuffixOf(kind, unit)));
  AIDB_CHECK(!help.empty());
  std::ranges::sort(labels);
  CheckLabels(labels);

  MutexLock lock(mu_);
  auto found = families_.find(name);
  if (found == families_.end()) {
    auto family = std::make_unique<Family>(Family{std::string(help), kind, unit, {}});
    found = families_.emplace(std::string(name), std::move(family)).first;
  }
  Family& family = *found->second;
  AIDB_CHECK(family.kind == kind && family.unit == unit && family.help == help);
  if (!family.series.contains(labels) && family.series.size() >= kSeriesPerNameMax) {
    for (Label& label : labels) label.value = "other";
  }
  auto [series, is_new] = family.series.try_emplace(std::move(labels));
  if (is_new) series->second = std::make_unique<Metric>();
  return *std::get<std::unique_ptr<Metric>>(series->second);
}

Counter& Registry::AddCounter(std::string_view name, std::string_view help, Labels labels) {
  return Add<Counter>(Kind::kCounter, Unit::kCount, name, help, std::move(labels));
}

Gauge& Registry::AddGauge(std::string_view name, std::string_view help, Labels labels) {
  return Add<Gauge>(Kind::kGauge, Unit::kCount, name, help, std::move(labels));
}

Histogram& Registry::AddHistogram(std::string_view name, std::string_view help, Unit unit,
                                  Labels labels) {
  return Add<Histogram>(Kind::kHistogram, unit, name, help, std::move(labels));
}

std::vector<FamilySnapshot> Registry::Snapshot() const {
  struct Read {
    decltype(FamilySnapshot::Series::value) operator()(const std::unique_ptr<Counter>& m) const {
      return m->Value();
    }
    decltype(FamilySnapshot::Series::value) operator()(const std::unique_ptr<Gauge>& m) const {
      return m->Value();
    }
    decltype(FamilySnapshot::Series::value) operator()(const std::unique_ptr<Histogram>& m) const {
      return m->Snapshot();
    }
  };
  MutexLock lock(mu_);
  std::vector<FamilySnapshot> all;
  for (const auto& [name, family] : families_) {
    FamilySnapshot& snapshot =
        all.emplace_back(FamilySnapshot{name, family->help, family->kind, family->unit, {}});
    for (const auto& [labels, metric] : family->series) {
      snapshot.series.push_back({labels, std::visit(Read(), metric)});
    }
  }
  return all;
}

}  // namespace aidb::metrics
