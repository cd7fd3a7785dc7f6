#include "aidb/rocks/destroy.h"

#include <string>

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include "aidb/rocks/rocks_status.h"

namespace aidb::rocks {

Status DestroyStore(std::string_view path) {
  return TranslateOpen(rocksdb::DestroyDB(std::string(path), rocksdb::Options()));
}

}  // namespace aidb::rocks
