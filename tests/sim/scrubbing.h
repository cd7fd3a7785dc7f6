#pragma once

// Whether an open store finds by itself what has rotted at rest.

#include <optional>
#include <string>

#include "aidb/io/env.h"
#include "aidb/kv/options.h"
#include "aidb/kv/store.h"

namespace aidb::sim {

// Waits until the store has read all its tables again, closes it, and has its files checked: what
// is wrong with a table the statistics have told before. Nullopt, or what they have not.
std::optional<std::string> CheckScrub(const io::Env& env, const kv::Options& options,
                                      kv::Store& store);

}  // namespace aidb::sim
