#pragma once

#include <cstdint>
#include <string_view>

namespace aidb {

// XXH3-64 with seed 0 (xxHash 0.8). Part of the table format: tags and filters are made of it.
uint64_t Hash64(std::string_view bytes);

}  // namespace aidb
