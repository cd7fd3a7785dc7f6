// Counts allocations by replacing operator new, which the sanitizers replace as well: built
// without them only (CMakeLists.txt).

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/lsm/memory_files_for_test.h"
#include "aidb/lsm/memtable.h"
#include "aidb/lsm/merging_cursor.h"
#include "aidb/lsm/run_range_deletes.h"
#include "aidb/lsm/vector_cursor_for_test.h"
#include "aidb/lsm/visible_cursor.h"

namespace {
std::atomic<size_t> allocations{0};
}  // namespace

// Not inlined, lest g++ see malloc behind new.
[[gnu::noinline]] void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace aidb::lsm {
namespace {

TEST(VisibleCursor, AllocatesNothingOnceItsBuffersHaveGrown) {
  // Every key in a memtable and in two vectors, with deletes and many versions among them.
  Memtable memtable({.capacity_bytes = 1 << 18});
  std::vector<std::vector<OwnedEntry>> hands(2);
  MutexLock lock(memtable.write_mutex());
  for (uint64_t i = 0; i < 500; ++i) {
    const std::string key = "a key beyond the short ones " + std::to_string(1000 + i);
    memtable.Add({key, std::string(i, 'm'), Sequence{10}, OpKind::kPut});
    hands[0].push_back({key, Sequence{20}, i % 3 ? OpKind::kPut : OpKind::kDelete, "newer"});
    for (uint64_t version = 9; version > 0; --version) {
      hands[1].push_back({key, Sequence{version}, OpKind::kPut, "older"});
    }
  }
  for (const Sequence at : {Sequence{5}, Sequence{10}, Sequence{20}}) {
    std::vector<std::unique_ptr<EntryCursor>> children;
    for (const auto& hand : hands) children.push_back(std::make_unique<VectorCursor>(hand));
    children.push_back(memtable.NewCursor());
    VisibleCursor cursor(NewMergingCursor(std::move(children)), at, 0, {}, nullptr, nullptr);
    size_t steps = 0;
    const auto walk = [&] {
      for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) ++steps;
      for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) ++steps;
      cursor.Seek("a key beyond the short ones 1200");
      cursor.Prev();
      cursor.Next();
    };
    walk();
    const size_t before = allocations;
    walk();
    EXPECT_EQ(allocations, before);
    EXPECT_GT(steps, 1000u);
  }
}

TEST(RunRangeDeletes, AScanCopiesNoKeyOfTablesThatItDoesNotMeet) {
  std::vector<TableRef> tables;
  for (uint64_t i = 0; i < 500; ++i) {
    TableFacts facts;
    facts.number = 1 + i;
    facts.first_key = "a key beyond the short ones " + std::to_string(1000 + i);
    facts.last_key = facts.first_key + " and its last";
    tables.push_back(std::make_shared<TableFile>(facts, TableUnused()));
  }
  MemoryFiles files;
  BlockCache blocks(0);
  TableCache cache(files, "d", blocks, 1);
  const size_t before = allocations;
  RunRangeDeletes ranges(tables, cache, Sequence{1});
  const auto gap = ranges.StretchFor("a key beyond the short ones 1200 to which none belongs");
  ASSERT_TRUE(gap.ok());
  EXPECT_EQ(gap->version, nullptr);
  EXPECT_LT(allocations - before, 8u);
}

}  // namespace
}  // namespace aidb::lsm
