#pragma once

#include <functional>
#include <memory>
#include <string_view>

namespace aidb::io {

// A running task: a thread, or a fiber in simulation.
class Task {
 public:
  // Joins. Whoever owns the task tells its body to stop first.
  virtual ~Task() = default;
  // Waits until the body has returned. May be called once or more, by one thread at a time.
  virtual void Join() = 0;
};

// Starts background work.
//
// Thread safety: any thread may call Start.
class Executor {
 public:
  virtual ~Executor() = default;
  // `name` is for debuggers and traces; at most 15 characters are shown.
  [[nodiscard]] virtual std::unique_ptr<Task> Start(std::string_view name,
                                                    std::function<void()> body) = 0;
  // How many tasks can make progress at once; at least 1.
  virtual int Parallelism() const = 0;
};

}  // namespace aidb::io
