// aidb_sim: the seeded world against the engine.

#include <malloc.h>

#include <string>
#include <vector>

#include "tests/sim/command_line.h"

int main(int argc, char** argv) {
  // A crash point makes and frees a world: memory given back to the kernel each time costs more
  // than the recovery.
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  return aidb::sim::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc));
}
