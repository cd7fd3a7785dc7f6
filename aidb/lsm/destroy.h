#pragma once

#include <string_view>

#include "aidb/base/status.h"
#include "aidb/io/env.h"

namespace aidb::lsm {

// Removes the native store in `directory`: the files that are its own by name, what recovery had
// set aside, and then the directory unless it holds anything else. Whatever has another name is
// left alone. A directory that is not there, or holds no store, is ok and untouched.
//
// CURRENT goes first, durably: interrupted anywhere, the directory holds no store any more, and a
// second call removes the rest.
//
// kUnavailable "already open by pid N" while the store is open; then nothing was removed.
Status DestroyStore(const io::Env& env, std::string_view directory);

}  // namespace aidb::lsm
