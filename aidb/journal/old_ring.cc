#include "aidb/journal/old_ring.h"

#include <string>
#include <utility>

#include "aidb/base/hash.h"

namespace aidb::journal {
namespace {

Status RingLost(const std::string& path, const std::string& what) {
  return Corruption(path + ": " + what +
                    "; the newest acknowledged records were in it and nowhere else. Nothing was "
                    "changed: restore the file from a copy");
}

}  // namespace

Result<std::optional<RingRemains>> FindOldRing(const RecoveryInput& input, RecoveryReport& report) {
  if (input.floor.clean_end) return std::optional<RingRemains>();
  const Identity& identity = input.identity;
  const std::string& directory = input.options.directory;
  const std::string path = io::JoinPath(directory, Ring::kName);
  const bool same_boot = identity.boot_hash == Hash64(input.files.BootId());

  auto left = RingRemains::Read(input.files, directory, input.files.BootId());
  if (left.status().code() == StatusCode::kCorruption && !identity.ring_in_use) {
    report.notes.push_back(std::string(left.status().message()) + "; it held nothing that matters");
    return std::optional<RingRemains>();
  }
  AIDB_RETURN_IF_ERROR(left.status());
  std::optional<RingRemains>& remains = *left;
  if (remains && remains->uuid != identity.uuid) {
    if (identity.ring_in_use) return RingLost(path, "belongs to another journal");
    return std::optional<RingRemains>();
  }
  if (remains && remains->generation > identity.generation) {
    return Corruption(
        io::JoinPath(directory, "JOURNAL") + ": generation " + std::to_string(identity.generation) +
        " at offset 32 is older than the ring's " + std::to_string(remains->generation) +
        ": a stale copy of the file has been put back. Nothing was changed: restore the newest");
  }
  if (remains && remains->generation == identity.generation) return left;
  if (!identity.ring_in_use) {
    if (remains) report.notes.emplace_back("the ring is of an earlier open and was not used");
    return std::optional<RingRemains>();
  }
  const std::string what = remains ? "is of generation " + std::to_string(remains->generation) +
                                         " at offset 48, JOURNAL says " +
                                         std::to_string(identity.generation)
                                   : std::string("is missing or empty");
  if (same_boot) return RingLost(path, what);
  report.notes.push_back("the ring " + what +
                         ", as after a power cut: what was acknowledged last may be lost");
  return std::optional<RingRemains>();
}

}  // namespace aidb::journal
