#pragma once

// Scans and range deletes.
//
//   sources, newest first      range deletes at the scan's sequence
//     active memtable          [b ──── k)
//     sealed memtables
//     runs of level 0                  [h ──── p)
//     level 1 …
//
// What a source holds of a key is older than what any source above it holds, range deletes
// included. So a range delete hides everything of the sources below it that lies in its range, and
// a walk over one of those jumps to its end; of its own source it hides what is older than itself,
// which has to be looked at. Each source that has range deletes, or lies below one that has, is
// therefore walked by a cursor of this file, and the merge above knows nothing of them.

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/kv/options.h"
#include "aidb/lsm/entry.h"
#include "aidb/lsm/range_deletes.h"

namespace aidb::lsm {

// What holds for all keys in [begin, end) of one source.
struct RangeStretch {
  std::string_view begin;                       // Empty: from the first key on.
  std::optional<std::string_view> end;          // None: to the last key.
  const RangeDeleteVersion* version = nullptr;  // The newest to be seen; null if none is.
};

// The range deletes of one source, as one scan sees them. Implementations: of a memtable, of a run
// of tables.
//
// Thread safety: none.
// Lifetime: what it returns lives as long as it does.
class RangeDeleteSource {
 public:
  virtual ~RangeDeleteSource() = default;
  virtual Result<RangeStretch> StretchFor(std::string_view key) = 0;
};

// Those of a memtable, `deletes`, at sequence `at`.
std::unique_ptr<RangeDeleteSource> NewRangeDeleteSource(RangeDeletes deletes, Sequence at);
// The same for a list whose neighbours, behind `before` and in front of `after`, have none.
RangeStretch StretchIn(RangeDeletes deletes, Sequence at, std::string_view key);

// The entries of `entries` in `range` that no range delete of its own source or of one above hides.
// Those that are too new for the scan are left out here and there as well. What lies outside of
// `range` it does not look at, however far a range delete goes.
//
// `sources` are those above, newest first, and then, if it has any, its own: `own` says so.
//
// Thread safety: none.
// Lifetime: owns `entries`.
enum class OwnRanges : bool { kNone, kLast };
std::unique_ptr<EntryCursor> NewUncoveredCursor(
    std::unique_ptr<EntryCursor> entries, std::vector<std::shared_ptr<RangeDeleteSource>> sources,
    OwnRanges own, const kv::ScanRange& range = {});

}  // namespace aidb::lsm
