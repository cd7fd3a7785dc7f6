#include "apps/aidb/streams.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

namespace aidb::cli {
namespace {

Status SystemError(std::string_view what, const std::string& name, int error) {
  const std::string message =
      std::string(what) + " " + name + ": " + std::generic_category().message(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
      return InvalidArgument(message);
    case EACCES:
    case EPERM:
      return PermissionDenied(message);
    case ENOSPC:
    case EDQUOT:
      return ResourceExhausted(message);
    default:
      return IoError(message);
  }
}

volatile std::sig_atomic_t interrupted = 0;

extern "C" void NoteInterrupt(int signal) {
  interrupted = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void CloseFile::operator()(std::FILE* file) const {
  if (file != stdin && file != stdout) std::fclose(file);
}

Result<Input> Input::Open(const std::string& path) {
  if (path == "-") return Input(FileHandle(stdin), "standard input");
  FileHandle file(std::fopen(path.c_str(), "rb"));
  if (!file) return SystemError("open", path, errno);
  return Input(std::move(file), path);
}

Input::Input(FileHandle file, std::string name) : file_(std::move(file)), name_(std::move(name)) {
  if (std::fseek(file_.get(), 0, SEEK_END) != 0) return;
  const long size = std::ftell(file_.get());
  if (std::fseek(file_.get(), 0, SEEK_SET) == 0 && size > 0) {
    size_bytes_ = static_cast<uint64_t>(size);
  }
}

Result<size_t> Input::Read(std::span<char> out) {
  const size_t count = std::fread(out.data(), 1, out.size(), file_.get());
  if (count < out.size() && std::ferror(file_.get()) != 0) {
    return SystemError("read", name_, errno);
  }
  return count;
}

Result<Output> Output::Open(const std::string& path) {
  if (path == "-") return Output(FileHandle(stdout), "standard output");
  FileHandle file(std::fopen(path.c_str(), "wb"));
  if (!file) return SystemError("create", path, errno);
  return Output(std::move(file), path);
}

Status Output::Failed() {
  const int error = errno;
  reader_gone_ = reader_gone_ || error == EPIPE;
  return SystemError("write", name_, error);
}

Status Output::Write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) return Failed();
  return {};
}

Status Output::Flush() {
  if (std::fflush(file_.get()) != 0) return Failed();
  return {};
}

bool Output::is_terminal() const { return ::isatty(::fileno(file_.get())) != 0; }

bool StandardErrorIsTerminal() { return ::isatty(STDERR_FILENO) != 0; }

void IgnoreClosedPipes() { std::signal(SIGPIPE, SIG_IGN); }

void NoteInterrupts() {
  std::signal(SIGINT, NoteInterrupt);
  std::signal(SIGTERM, NoteInterrupt);
}

bool Interrupted() { return interrupted != 0; }

}  // namespace aidb::cli
