#include "aidb/journal/options.h"

namespace aidb::journal {

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kClean:
      return "clean";
    case Verdict::kTorn:
      return "torn";
    case Verdict::kHole:
      return "hole";
    case Verdict::kUnused:
      return "unused";
    case Verdict::kSuperseded:
      return "superseded";
  }
  return "unknown";
}

}  // namespace aidb::journal
