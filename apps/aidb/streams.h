#pragma once

// Standard input and output, and files of the user: whatever a path names, links and pipes
// included. The store's own files go through io::FileSystem.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "aidb/base/result.h"

namespace aidb::cli {

struct CloseFile {
  void operator()(std::FILE* file) const;  // Leaves the standard streams open.
};
using FileHandle = std::unique_ptr<std::FILE, CloseFile>;

// Where records come from.
//
// Thread safety: none.
class Input {
 public:
  // "-" is standard input.
  static Result<Input> Open(const std::string& path);
  static Input FromFile(FileHandle file, std::string name) {
    return Input(std::move(file), std::move(name));
  }

  // Fills `out` as far as there are bytes; fewer only at the end.
  Result<size_t> Read(std::span<char> out);
  // Of a regular file; pipes have none.
  std::optional<uint64_t> size_bytes() const { return size_bytes_; }
  // For messages.
  const std::string& name() const { return name_; }

 private:
  Input(FileHandle file, std::string name);

  FileHandle file_;
  std::string name_;
  std::optional<uint64_t> size_bytes_;
};

// Where answers go.
//
// Thread safety: none.
class Output {
 public:
  // "-" is standard output; another path is created or emptied.
  static Result<Output> Open(const std::string& path);

  // After a failure every later call fails likewise.
  Status Write(std::string_view bytes);
  Status Flush();
  // Whether a write failed because nobody reads any more (`aidb scan | head`): the answer is
  // then complete as far as anybody wanted it.
  bool reader_gone() const { return reader_gone_; }
  bool is_terminal() const;

 private:
  Output(FileHandle file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}

  Status Failed();

  FileHandle file_;
  std::string name_;
  bool reader_gone_ = false;
};

bool StandardErrorIsTerminal();

// SIGPIPE becomes a failed write.
void IgnoreClosedPipes();
// From now on the first SIGINT or SIGTERM is only noted; a second one ends the process.
void NoteInterrupts();
bool Interrupted();

}  // namespace aidb::cli
