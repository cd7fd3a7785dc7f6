#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace aidb {

// Bytes made fit for one line of a message: printable ASCII is kept, a backslash becomes \\ and
// every other byte \xNN. Of more than `bytes_max` bytes only the first are shown, then
// "…(N bytes)" with the whole count.
std::string EscapeForMessage(std::string_view bytes, size_t bytes_max);

}  // namespace aidb
