#include <memory>

#include <gtest/gtest.h>

#include "aidb/kv/conformance.h"
#include "aidb/kv/memory_store.h"

namespace aidb::kv {
namespace {

class MemorySubject final : public Subject {
 public:
  Result<OpenedStore> Open(const Options& options) override {
    AIDB_ASSIGN_OR_RETURN(auto store, MemoryStore::Open(options));
    ConditionalWriter* const conditional = store.get();
    return OpenedStore{.store = std::move(store), .conditional = conditional};
  }
  Options options() const override { return {}; }
};

[[maybe_unused]] const bool kRegistered =
    RegisterConformanceSuite("Memory", {.conditional = true}, std::make_unique<MemorySubject>);

}  // namespace
}  // namespace aidb::kv
