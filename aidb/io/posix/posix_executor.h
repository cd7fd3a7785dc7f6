#pragma once

#include "aidb/io/executor.h"

namespace aidb::io {

// One thread per task.
//
// Start stops the program when the system has no thread left: a store without its background
// work would acknowledge what it can never write.
//
// Thread safety: any thread may call any method.
class PosixExecutor final : public Executor {
 public:
  [[nodiscard]] std::unique_ptr<Task> Start(std::string_view name,
                                            std::function<void()> body) override;
  // The cores that this process is allowed to run on.
  int Parallelism() const override;
};

}  // namespace aidb::io
