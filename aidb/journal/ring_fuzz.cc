// Reads arbitrary bytes as a ring, with the checksum of its header put right, so that what stands
// behind it is reached. Oracle: a ring that is accepted gives any of its bytes.

#include <cstddef>
#include <cstdint>
#include <string>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/base/crc32c.h"
#include "aidb/journal/memory_files_for_test.h"
#include "aidb/journal/ring.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  using aidb::journal::Ring;
  using aidb::journal::RingRemains;
  std::string bytes(reinterpret_cast<const char*>(input), size);
  for (const bool repaired : {false, true}) {
    if (repaired) {
      bytes.resize(Ring::kHeaderBytes + 8192);
      bytes.replace(0, 10, std::string_view("AIDBRING\1\0", 10));
      aidb::StoreLe<uint64_t>(bytes.data() + 40, 8192);
      aidb::StoreLe<uint32_t>(bytes.data() + 56,
                              aidb::Crc32c(std::string_view(bytes).substr(0, 56)));
    }
    aidb::journal::MemoryFiles files;
    files.Put("d/ring", bytes);
    const auto remains = RingRemains::Read(files, "d", files.BootId());
    AIDB_CHECK(!repaired || (remains.ok() && remains->has_value()));
    if (!remains.ok() || !remains->has_value()) continue;
    AIDB_CHECK((*remains)->files.size() <= Ring::kFileSlots);
    const uint64_t position = (*remains)->published.value_or(~uint64_t{0} - 5);
    const auto all = (*remains)->BytesAt(position, (*remains)->ring_bytes);
    AIDB_CHECK(all.ok() && all->size() == (*remains)->ring_bytes);
  }
  return 0;
}
