// The store of a release: made from a fixed seed, and opened by every later release.
//
//   golden_store make DIRECTORY          writes the store of this release
//   golden_store test DIRECTORY READER   tests what is in DIRECTORY, which stays as it is; READER
//                                        is read_store.py
//
// The bytes depend on when flushes and compactions ran, so a later release need not make the same
// ones: what it makes must be the same twice and hold the same keys; what an earlier one made
// must open.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/crc32c.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/io/sim/world.h"
#include "aidb/lsm/check.h"
#include "aidb/lsm/open.h"

#include "tests/campaign/store_files.h"
#include "tests/campaign/workload.h"

namespace aidb::campaign {
namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

constexpr uint64_t kSeed = 20260101;
constexpr uint64_t kOperations = 160;
constexpr std::string_view kDirectory = "store";

kv::Options GoldenOptions() {
  kv::Options options = kv::Options::ForTests();
  options.memory_bytes = uint64_t{1} << 20;  // The smallest, for a small ring.
  options.batch_bytes_max = uint64_t{64} << 10;
  options.log_bytes = uint64_t{64} << 10;
  options.compression = kv::Compression::kLz4;
  options.sync_interval_ms = 0;
  return options;
}

Contents GoldenContents(Workload& workload) {
  workload = Workload(
      {.seed = kSeed, .keys_per_writer = 90, .value_bytes_max = 60, .batch_operations_max = 4});
  WriterModel model;
  model.AdvanceTo(workload, 0, kOperations);
  return model.contents;
}

[[noreturn]] void Fail(const std::string& what) {
  std::printf("FAILED: %s\n", what.c_str());
  std::exit(1);
}
void Need(const Status& status, const char* what) {
  if (!status.ok()) Fail(std::string(what) + ": " + status.ToString());
}

Files Make() {
  Workload workload{WorkloadOptions{}};
  static_cast<void>(GoldenContents(workload));
  io::SimWorld world(kSeed);
  const auto report = world.Run([&] {
    auto opened = lsm::OpenStore(world.env(), kDirectory, GoldenOptions());
    Need(opened.status(), "open");
    for (uint64_t n = 1; n <= kOperations; ++n) {
      Need(opened->store->Write(workload.Operation(0, n), {}).status(), "write");
      if (n % 50 == 0) Need(opened->store->Flush(), "flush");
    }
    Need(opened->store->Close(), "close");
  });
  if (!report.finished()) Fail("it hangs: " + report.fibers);
  Files files;
  const io::SimDisk disk = world.disk();
  for (const std::string& path : disk.AllFiles()) {
    const std::string name = fs::path(path).filename().string();
    if (name != "LOCK") files[name] = *disk.ReadFile(path);
  }
  return files;
}

Files Load(const fs::path& directory) {
  Files files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.path().filename() == "LOCK") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().filename().string()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return files;
}

void Save(const Files& files, const fs::path& directory) {
  fs::remove_all(directory);
  fs::create_directories(directory);
  fs::permissions(directory, fs::perms::owner_all);
  for (const auto& [name, bytes] : files) {
    std::ofstream(directory / name, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
}

void NeedContents(const io::Env& env, const fs::path& directory, kv::StoreMode mode,
                  const Contents& expected) {
  kv::Options options = GoldenOptions();
  options.mode = mode;
  auto opened = lsm::OpenStore(env, directory.string(), options);
  Need(opened.status(), "open the golden store");
  const auto found = ReadAll(*opened->store, "", kv::ScanOrder::kForward);
  Need(found.status(), "scan the golden store");
  if (const auto differs = Difference(expected, *found); !differs.empty()) Fail(differs);
  Need(opened->store->Close(), "close the golden store");
}

void NeedCheck(const io::Env& env, const fs::path& directory) {
  const auto check = lsm::CheckStore(env, directory.string());
  Need(check.status(), "check");
  if (!check->ok()) Fail("check: " + check->problems[0].what);
}

// A file of a newer version is refused, and nothing is touched.
void NeedRefusal(const io::Env& env, const Files& golden, const fs::path& directory,
                 const std::string& what, const std::function<void(Files&)>& change) {
  Files newer = golden;
  change(newer);
  if (newer == golden) Fail(what + ": nothing was changed");
  Save(newer, directory);
  kv::Options options = GoldenOptions();
  const auto opened = lsm::OpenStore(env, directory.string(), options);
  Status status = opened.status();
  if (opened.ok()) {
    // Tables are opened when they are read.
    status = ReadAll(*opened->store, "", kv::ScanOrder::kForward).status();
  }
  if (status.code() != StatusCode::kInvalidArgument) {
    Fail(what + " is not refused as newer: " + status.ToString());
  }
  if (opened.ok()) return;
  if (Load(directory) != newer) Fail(what + ": refusing changed the files");
}

std::string NameOf(const Files& files, StoreFile kind) {
  for (const auto& [name, bytes] : files) {
    if (StoreFileOf(name) == kind) return name;
  }
  Fail("the golden store lacks a kind of file");
}

// Raises the version in the OPEN of a log or manifest and makes its checksum right again.
void RaiseLogVersion(std::string& bytes) {
  constexpr size_t kHeader = 16;
  bytes[kHeader] = 3;
  const size_t length = LoadLe<uint16_t>(bytes.data() + 4);
  std::string salt = bytes.substr(kHeader + 2, 24);  // uuid, number
  AppendLe<uint64_t>(salt, 0);
  StoreLe<uint32_t>(
      bytes.data(),
      MaskCrc(ExtendCrc32c(Crc32c(salt), std::string_view(bytes).substr(4, kHeader + length - 4))));
}

void RaiseTableVersion(std::string& bytes) {
  char* footer = bytes.data() + bytes.size() - 48;
  footer[32] = 4;  // Formats 1 to 3 are known.
  std::string covered(footer, 36);
  AppendLe<uint64_t>(covered, bytes.size());
  StoreLe<uint32_t>(footer + 36, Crc32c(covered));
}

int Test(const fs::path& golden_directory, const std::string& reader) {
  Workload workload{WorkloadOptions{}};
  const Contents expected = GoldenContents(workload);
  const Files golden = Load(golden_directory);
  const fs::path work = fs::current_path() / "golden_store_work";
  io::PosixEnv world;

  if (Make() != Make()) Fail("the same seed makes two different stores");
  Save(Make(), work);
  NeedContents(world.env(), work, kv::StoreMode::kMustExist, expected);

  Save(golden, work);
  NeedCheck(world.env(), work);
  NeedContents(world.env(), work, kv::StoreMode::kReadOnly, expected);
  if (Load(work) != golden) Fail("reading changed the golden store");
  NeedContents(world.env(), work, kv::StoreMode::kMustExist, expected);
  NeedCheck(world.env(), work);

  NeedRefusal(world.env(), golden, work, "a newer manifest",
              [](Files& files) { RaiseLogVersion(files[NameOf(files, StoreFile::kManifest)]); });
  NeedRefusal(world.env(), golden, work, "a newer log", [](Files& files) {
    for (auto& [name, bytes] : files) {
      if (name.ends_with(".log") && !bytes.empty()) RaiseLogVersion(bytes);
    }
  });
  NeedRefusal(world.env(), golden, work, "a newer table", [](Files& files) {
    for (auto& [name, bytes] : files) {
      if (name.ends_with(".sst")) RaiseTableVersion(bytes);
    }
  });

  // An independent reader of docs/formats sees the same keys.
  Save(golden, work);
  const fs::path list = work / "expected.txt";
  {
    std::ofstream out(list);
    for (const auto& [key, value] : expected) {
      const auto hex = [&out](const std::string& bytes) {
        for (const char c : bytes) {
          constexpr char kDigits[] = "0123456789abcdef";
          out << kDigits[static_cast<uint8_t>(c) >> 4] << kDigits[static_cast<uint8_t>(c) & 15];
        }
      };
      hex(key);
      out << ' ';
      hex(value);
      out << '\n';
    }
  }
  const std::string command =
      "python3 '" + reader + "' '" + work.string() + "' --expect '" + list.string() + "'";
  if (std::system(command.c_str()) != 0) Fail("the reader in Python disagrees");
  fs::remove_all(work);
  std::printf("golden store: %zu files, %zu keys\n", golden.size(), expected.size());
  return 0;
}

int Main(int count, char** words) {
  const std::string verb = count > 2 ? words[1] : "";
  if (verb == "make" && count == 3) {
    Save(Make(), words[2]);
    return 0;
  }
  if (verb == "test" && count == 4) return Test(words[2], words[3]);
  std::fprintf(stderr, "usage: golden_store make DIRECTORY | test DIRECTORY READER\n");
  return 2;
}

}  // namespace
}  // namespace aidb::campaign

int main(int count, char** words) { return aidb::campaign::Main(count, words); }
