#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "aidb/db/db.h"
#include "aidb/testing/temp_directory.h"

namespace aidb {

inline std::string NameOf(Backend backend) {
  switch (backend) {
    case Backend::kNative:
      return "Native";
    case Backend::kRocksDb:
      return "RocksDb";
    case Backend::kMemory:
      return "Memory";
  }
  return "Unknown";
}

// A fresh place for a DB of the backend that is the parameter.
class BackendTest : public ::testing::TestWithParam<Backend> {
 protected:
  Options options() const { return {.backend = GetParam()}; }
  std::string path() const { return directory_.Join("store"); }
  Result<std::unique_ptr<DB>> Open() const { return DB::Open(path(), options()); }

 private:
  testing::TempDirectory directory_;
};

inline std::string NameOfParameter(const ::testing::TestParamInfo<Backend>& info) {
  return NameOf(info.param);
}

}  // namespace aidb

#if AIDB_HAS_ROCKS
#define AIDB_DURABLE_BACKENDS Backend::kNative, Backend::kRocksDb
#else
#define AIDB_DURABLE_BACKENDS Backend::kNative
#endif
#define AIDB_INSTANTIATE_FOR_ALL_BACKENDS(suite)                                                   \
  INSTANTIATE_TEST_SUITE_P(All, suite, ::testing::Values(AIDB_DURABLE_BACKENDS, Backend::kMemory), \
                           NameOfParameter)
