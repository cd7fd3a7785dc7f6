// The installed librocksdb is not built for the thread sanitizer, which therefore sees none of
// the atomics by which RocksDB hands batches and memtables from thread to thread, and reports
// each of them. Reports without a frame in that library still count, but for one kind: RocksDB
// gathers a group of batches in a string that its leaders share, and where it calls append last
// thing the stack shows only libstdc++.

extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:librocksdb.so\n"
         "race:std::__cxx11::basic_string*::_M_append\n";
}
