// Prints the trace hash of a few seeds of the toy store. Two processes must print the same: the
// addresses differ between them, the runs may not.

#include <cinttypes>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "aidb/io/sim/toy_store.h"
#include "aidb/io/sim/world.h"

namespace {

void Use(aidb::io::SimWorld& world) {
  aidb::io::Env& env = world.env();
  const auto store = aidb::io::ToyStore::Open(env, aidb::io::ToyBug::kNone);
  if (!store.ok()) return;
  const auto region = env.files.OpenRegion("ring", 8192);
  std::vector<std::unique_ptr<aidb::io::Task>> tasks;
  for (int w = 0; w < 4; ++w) {
    tasks.push_back(env.executor.Start("writer", [&env, &store, w] {
      for (int i = 0; i < 20; ++i) {
        const std::string key = std::to_string(w) + "/" + std::to_string(env.random.Next() % 8);
        if (!(*store)->Put(key, std::to_string(env.clock.WallMillis())).ok()) return;
      }
    }));
  }
}

}  // namespace

int main() {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    aidb::io::SimOptions options;
    options.files.stall_one_in = 50;
    options.files.kill_at_operation = seed % 2 == 0 ? 0 : 100;
    aidb::io::SimWorld world(seed, {}, options);
    world.files().faults().Add({.call = aidb::io::FileCall::kSync, .skip = 40});
    world.Run([&] { Use(world); });
    std::printf("%" PRIu64 " %016" PRIx64 "\n", seed, world.trace_hash());
  }
}
