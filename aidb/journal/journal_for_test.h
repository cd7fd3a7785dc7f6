#pragma once

// A journal in a directory of the real file system, opened again and again.

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "aidb/io/faulty/faulty_file_system.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/journal/journal.h"
#include "aidb/journal/numbered_files_for_test.h"
#include "aidb/journal/toy_framing.h"
#include "aidb/testing/status_matchers.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::journal {

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void WriteFile(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<long>(bytes.size()));
}

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    options_.directory = directory_.path();
    options_.ring_bytes = 64 << 10;
    options_.file_bytes = 256 << 10;
    options_.record_bytes_max = 1 << 20;
  }

  virtual const Framing& framing() const { return framing_; }
  virtual JournalFiles& names() { return names_; }

  Status Open() {
    replayed_.clear();
    auto opened = Journal::Open(
        {files_, posix_.env().clock, posix_.env().executor, posix_.env().random, log_}, framing(),
        names(), options_, floor_,
        [&](uint64_t, RecordId first, uint32_t ids, std::string_view payload) -> Status {
          for (uint32_t i = 0; i < ids; ++i) replayed_[ToNumber(first) + i] = payload;
          return {};
        });
    ExpectPlaceAndStep(opened.status());
    AIDB_RETURN_IF_ERROR(opened.status());
    journal_ = std::move(opened->journal);
    report_ = std::move(opened->report);
    active_ = opened->active_number;
    return {};
  }
  // Who reads that an open was refused must know which file to look at, and what to do.
  void ExpectPlaceAndStep(const Status& status) const {
    const std::string text(status.message());
    if (status.code() != StatusCode::kCorruption && status.code() != StatusCode::kInvalidArgument) {
      return;
    }
    EXPECT_NE(text.find(directory_.path() + "/"), std::string::npos) << text;
    const auto says = [&](const char* step) { return text.find(step) != std::string::npos; };
    EXPECT_TRUE(says("estore ") || says("ut back") || says("ut it back") || says("open it with"))
        << text;
    EXPECT_TRUE(says("offset") || says("missing") || says("bytes") || says("the ring")) << text;
  }
  // The process dies: no Close, nothing synced.
  void Kill() { journal_.reset(); }

  RecordId Append(std::string_view payload, uint32_t ids = 1) {
    auto appended = journal_->Append({.payload = payload, .ids = ids}, Instant::Never());
    EXPECT_OK(appended);
    if (!appended.ok()) return RecordId{0};
    EXPECT_TRUE(journal_->Publish(*appended));
    return appended->last_id;
  }
  std::string LogPath(uint64_t number) const { return directory_.Join(names_.NameOf(number)); }

  testing::TempDirectory directory_;
  io::PosixEnv posix_;
  io::FaultyFileSystem files_{posix_.env().files};
  NullLogger log_;
  ToyFraming framing_;
  NumberedFiles names_{1};
  JournalOptions options_;
  RecoveryFloor floor_;
  std::unique_ptr<Journal> journal_;
  RecoveryReport report_;
  uint64_t active_ = 0;
  std::map<uint64_t, std::string> replayed_;
};

}  // namespace aidb::journal
