#include "aidb/journal/chain.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace aidb::journal {
namespace {

Result<FoundFile> Inspect(const RecoveryInput& input, uint64_t number, std::string name) {
  const std::string path = io::JoinPath(input.options.directory, name);
  AIDB_ASSIGN_OR_RETURN(
      auto file,
      input.files.Open(path, input.read_only ? io::OpenMode::kRead : io::OpenMode::kReadWrite));
  AIDB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  FoundFile found;
  found.number = number;
  found.name = std::move(name);
  found.scanner =
      std::make_unique<FileScanner>(std::move(file), size, input.framing, IdentityOf(input, number),
                                    input.options.record_bytes_max);
  AIDB_ASSIGN_OR_RETURN(const Parsed head, found.scanner->ParseAt(0, size));
  if (head.kind == ParseKind::kNewer) {
    return InvalidArgument(path + ": the record at offset 0 is not known here (" + head.reason +
                           "); open it with the release that wrote it");
  }
  if (head.kind == ParseKind::kControl && head.control == ControlKind::kOpen) {
    found.has_open = true;
    found.open = head.open;
    found.open_size = head.size;
  }
  found.scanner->Forget();  // There may be many files; one is read at a time.
  return found;
}

// The indexes of the chain that ends in `head`, oldest first; nullopt when it breaks at a file
// that is missing or without a valid head. A chain starts at the floor; at a file that continues
// nothing, which recovery begins when the floor's file held no record; or at one that continues a
// file below the floor, which a re-drive puts in the place of the floor's.
std::optional<std::vector<size_t>> Follow(const std::vector<FoundFile>& all, size_t head,
                                          uint64_t floor) {
  std::vector<size_t> chain{head};
  while (true) {
    const FoundFile& first = all[chain.back()];
    const uint64_t before = first.open.previous_number;
    if (before < std::max<uint64_t>(floor, 1) || first.number == floor) break;
    const auto found = std::find_if(all.begin(), all.begin() + static_cast<long>(chain.back()),
                                    [&](const FoundFile& f) { return f.number == before; });
    if (found == all.begin() + static_cast<long>(chain.back()) || !found->has_open) {
      return std::nullopt;
    }
    chain.push_back(static_cast<size_t>(found - all.begin()));
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

}  // namespace

FileIdentity IdentityOf(const RecoveryInput& input, uint64_t number) {
  return {.journal_uuid = input.identity.uuid, .number = number};
}

Result<Chain> FindChain(const RecoveryInput& input) {
  AIDB_ASSIGN_OR_RETURN(const auto names, input.files.List(input.options.directory));
  Chain result;
  std::vector<FoundFile> all;
  for (const std::string& name : names) {
    if (name.ends_with(kTemporarySuffix) &&
        input.names.NumberOf(name.substr(0, name.size() - kTemporarySuffix.size()))) {
      result.temporary.push_back(name);
    }
    const std::optional<uint64_t> number = input.names.NumberOf(name);
    if (!number || *number < input.floor.number) continue;
    AIDB_ASSIGN_OR_RETURN(FoundFile found, Inspect(input, *number, name));
    all.push_back(std::move(found));
  }
  std::sort(all.begin(), all.end(),
            [](const FoundFile& a, const FoundFile& b) { return a.number < b.number; });

  std::vector<size_t> order;
  for (size_t head = all.size(); head-- > 0 && order.empty();) {
    if (!all[head].has_open) continue;
    if (auto chain = Follow(all, head, input.floor.number)) order = *std::move(chain);
  }
  std::vector<bool> used(all.size(), false);
  for (const size_t i : order) used[i] = true;
  for (const size_t i : order) result.files.push_back(std::move(all[i]));
  for (size_t i = 0; i < all.size(); ++i) {
    if (!used[i]) result.leftover.push_back(std::move(all[i]));
  }
  return result;
}

}  // namespace aidb::journal
