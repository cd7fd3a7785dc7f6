// The simulated file system keeps the contract that the real one keeps, with short reads and
// writes, and with a kernel that writes regions back at any time.

#include <gtest/gtest.h>

#include "aidb/io/file_system_conformance.h"
#include "aidb/io/sim/world.h"

namespace aidb::io {
namespace {

const bool kRegistered =
    RegisterFileSystemConformance("Simulated", [](const FileSystemTestBody& body) {
      for (uint64_t seed = 0; seed < 20; ++seed) {
        SimOptions options;
        options.files.short_transfer_one_in = 2;
        options.files.region_write_back_one_in = 2;
        SimWorld world(seed, {}, options);
        const RunReport report = world.Run([&] {
          ASSERT_TRUE(world.files().CreateDirectory("directory").ok());
          body(world.files(), "directory");
        });
        ASSERT_TRUE(report.finished()) << report.fibers;
      }
    });

TEST(SimConformance, IsRegistered) { EXPECT_TRUE(kRegistered); }

}  // namespace
}  // namespace aidb::io
