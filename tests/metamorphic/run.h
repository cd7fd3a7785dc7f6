#pragma once

#include <string>
#include <vector>

#include "tests/metamorphic/sets.h"
#include "tests/metamorphic/steps.h"

namespace aidb::metamorphic {

// Performs `steps` on a fresh store below `directory`, and returns what each of them answered; the
// last line is the store's contents at the end. A line begins with the step it belongs to.
std::vector<std::string> Perform(const std::vector<Step>& steps, const OptionSet& set,
                                 const std::string& directory);

}  // namespace aidb::metamorphic
