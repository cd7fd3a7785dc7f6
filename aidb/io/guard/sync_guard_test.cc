#include "aidb/io/guard/sync_guard.h"

#include <gtest/gtest.h>

#include "aidb/io/faulty/faulty_file_system.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/testing/status_matchers.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::io {
namespace {

TEST(SyncGuard, SyncsADirectoryNeverAgainOnceItHasFailed) {
  PosixEnv posix;
  FaultyFileSystem faulty(posix.env().files);
  SyncGuard guard(faulty);
  const testing::TempDirectory one;
  const testing::TempDirectory other;
  EXPECT_OK(guard.SyncDirectory(one.path()));
  EXPECT_FALSE(guard.sync_failed());

  faulty.FailMatching(CallKind::kSyncDirectory, one.path(), 1, {});
  EXPECT_FAILS(guard.SyncDirectory(one.path()), StatusCode::kIoError, "injected");
  EXPECT_TRUE(guard.sync_failed());
  const uint64_t before = faulty.call_count(CallKind::kSyncDirectory);
  EXPECT_FAILS(guard.SyncDirectory(one.path()), StatusCode::kIoError, "not tried again");
  EXPECT_EQ(faulty.call_count(CallKind::kSyncDirectory), before);
  EXPECT_OK(guard.SyncDirectory(other.path()));
}

TEST(SyncGuard, TriesAgainWhatWasNotTried) {
  PosixEnv posix;
  FaultyFileSystem faulty(posix.env().files);
  SyncGuard guard(faulty);
  const testing::TempDirectory directory;
  faulty.FailMatching(CallKind::kSyncDirectory, directory.path(), 1,
                      {.code = StatusCode::kResourceExhausted});  // No descriptor left.
  EXPECT_FAILS(guard.SyncDirectory(directory.path()), StatusCode::kResourceExhausted, "injected");
  EXPECT_FALSE(guard.sync_failed());
  EXPECT_OK(guard.SyncDirectory(directory.path()));
}

}  // namespace
}  // namespace aidb::io
