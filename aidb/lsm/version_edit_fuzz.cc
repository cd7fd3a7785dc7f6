// Decodes arbitrary bytes as a manifest edit. Oracles: what decodes encodes to bytes that decode
// to the same edit, and takes no more memory than a multiple of the input.

#include <cstdint>
#include <string>
#include <string_view>

#include "aidb/base/check.h"
#include "aidb/lsm/manifest_state.h"
#include "aidb/lsm/version_edit.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace aidb;
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const Result<lsm::VersionEdit> edit = lsm::VersionEdit::Decode(input);
  if (!edit.ok()) {
    AIDB_CHECK(edit.status().code() == StatusCode::kCorruption ||
               edit.status().code() == StatusCode::kInvalidArgument);
    return 0;
  }
  AIDB_CHECK(edit->added.size() + edit->removed.size() + edit->damaged.size() +
                 edit->closed_logs.size() + edit->pointers.size() <=
             size / 3);
  const std::string encoded = edit->Encode();
  const Result<lsm::VersionEdit> again = lsm::VersionEdit::Decode(encoded);
  AIDB_CHECK(again.ok() && *again == *edit);
  AIDB_CHECK(again->Encode() == encoded);

  // Whatever fits the empty state can be applied, and its snapshot adds up to it.
  lsm::ManifestState state;
  if (state.Refusal(*edit)) return 0;
  state.Apply(*edit);
  lsm::ManifestState copy;
  for (const lsm::VersionEdit& part : state.Snapshot()) {
    AIDB_CHECK(!copy.Refusal(part));
    copy.Apply(part);
  }
  AIDB_CHECK(copy == state);
  return 0;
}
