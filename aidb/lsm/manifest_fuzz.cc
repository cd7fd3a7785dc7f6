// Reads a whole store directory whose manifest was damaged. The input is a script that appends
// edits, cuts and flips bytes of the manifest, sets CURRENT's number wrong. Oracles: an intact
// manifest gives back the state that was written; a damaged one gives an error or that state as
// it was after some number of edits, never anything else.
//
// input: steps of {u8 step, u16 argument}

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/lsm/manifest.h"
#include "aidb/lsm/test_files.h"

namespace {

using namespace aidb;
using namespace aidb::lsm;

VersionEdit EditFor(const ManifestState& state, FileNumbers& numbers, uint16_t argument) {
  VersionEdit edit;
  if (argument % 3 == 0 && !state.tables.empty()) {
    const auto& [number, table] = *state.tables.begin();
    edit.removed.push_back({table.level, number});
  }
  AddedTable table;
  table.level = argument % kLevels;
  table.facts.number = numbers.Take();
  table.facts.entries = 1;
  table.facts.first_key = std::string(argument % 300, 'a');
  table.facts.last_key = table.facts.first_key + "z";
  edit.added.push_back(table);
  return edit;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  TestFiles files;
  FileNumbers numbers(1);
  auto manifest = Manifest::Create(files, "d", numbers, Uuid{.bytes = {1, 2, 3}});
  AIDB_CHECK(manifest.ok());
  const std::string path = "d/" + ManifestName((*manifest)->number());
  std::vector<ManifestState> history{(*manifest)->state()};
  bool damaged = false;
  for (size_t i = 0; i + 3 <= size && i < 300; i += 3) {
    const auto argument = LoadLe<uint16_t>(bytes + i + 1);
    std::string content = files.Content(path);
    switch (damaged ? bytes[i] % 4 + 1 : bytes[i] % 5) {
      case 0:
        AIDB_CHECK((*manifest)->Append(EditFor((*manifest)->state(), numbers, argument)).ok());
        history.push_back((*manifest)->state());
        continue;
      case 1:
        if (content.empty()) continue;
        content[argument % content.size()] ^= static_cast<char>(1 << (bytes[i] / 8 % 8));
        break;
      case 2:
        content.resize(content.size() - std::min<size_t>(content.size(), argument % 600));
        break;
      case 3:
        content.append(argument % 600, static_cast<char>(bytes[i] / 8));
        break;
      default:
        if (content.empty()) continue;
        std::fill_n(content.begin() + argument % content.size(),
                    std::min<size_t>(64, content.size() - argument % content.size()), '\0');
    }
    damaged = true;
    files.SetContent(path, content);
  }
  const auto found = ReadManifest(files, "d");
  if (!damaged) {
    AIDB_CHECK(found.ok() && (*found)->state == history.back());
  } else if (found.ok()) {
    AIDB_CHECK(found->has_value());
    AIDB_CHECK(std::ranges::find(history, (*found)->state) != history.end());
  } else {
    // A bit that turns a required field's id or a type into one that no version knows yet
    // cannot pass the checksum, so damage is never mistaken for a newer version.
    AIDB_CHECK(found.status().code() == StatusCode::kCorruption);
  }
  return 0;
}
