#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "aidb/metrics/registry.h"

namespace aidb::metrics {

// The Content-Type of the text below.
inline constexpr std::string_view kPrometheusContentType = "text/plain; version=0.0.4";

// Prometheus' text exposition format 0.0.4.
//
// Histograms are shown as cumulative buckets and not as quantiles: buckets of several nodes add
// up and can be had for any window of time, quantiles since the start can do neither. Of the fine
// buckets only bounds at octaves are shown, 17 to 27 per series, always the same ones, so that
// rates over them are right from the first scrape. A bound is the largest value below a power of
// two, which makes its count exact.
std::string PrometheusText(const std::vector<FamilySnapshot>& families);

}  // namespace aidb::metrics
