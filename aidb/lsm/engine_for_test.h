#pragma once

// An engine in a temporary directory, on a file system whose calls can be made to fail.

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "aidb/io/faulty/faulty_file_system.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/lsm/engine.h"
#include "aidb/lsm/file_names.h"
#include "aidb/testing/status_matchers.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::lsm {

inline std::string Key(uint64_t n) {
  std::string digits = std::to_string(n);
  return "key" + std::string(8 - digits.size(), '0') + digits;
}

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    options_ = kv::Options::ForTests();
    options_.sync_interval_ms = 0;
  }

  Status Open() {
    engine_.reset();
    report_ = {};
    const io::Env real = world_.env();
    auto opened = Engine::Open({files_, real.clock, real.executor, real.random, log_},
                               directory_.Join("store"), options_, report_);
    AIDB_RETURN_IF_ERROR(opened.status());
    engine_ = *std::move(opened);
    return {};
  }
  Status Put(std::string_view key, std::string_view value, bool sync = false) {
    kv::WriteBatch batch;
    batch.Put(key, value);
    return engine_->Write(std::move(batch), {.sync = sync}).status();
  }
  std::string Get(std::string_view key) {
    auto value = engine_->Get(key, {});
    if (!value.ok()) return value.status().ToString();
    return value->has_value() ? std::string((*value)->view()) : "absent";
  }
  size_t CountFiles(FileKind kind) {
    const auto names = world_.env().files.List(directory_.Join("store"));
    return static_cast<size_t>(std::count_if(names->begin(), names->end(), [&](const auto& name) {
      const auto file = ParseFileName(name);
      return file && file->kind == kind;
    }));
  }

  testing::TempDirectory directory_;
  io::PosixEnv world_;
  io::FaultyFileSystem files_{world_.env().files};
  NullLogger log_;
  kv::Options options_;
  OpenReport report_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace aidb::lsm
