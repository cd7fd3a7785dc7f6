# aidb_module(<name> HEADERS ... SOURCES ... DEPS ... TESTS ... TEST_DEPS ... BENCHES ... FUZZERS ...)
#
# Defines one module: the library aidb_<name> (alias aidb::<name>), its header check, its link
# test, its unit-test binary, its micro benchmarks and its fuzz targets.
#
# A module may depend only on modules defined before it, so the order of add_subdirectory() in
# aidb/CMakeLists.txt is the order of the layers.
#
# HEADERS are public: each must compile alone. Private headers are not listed; no other module
# may include them (tools/tidy.py).
function(aidb_module name)
  cmake_parse_arguments(arg "" "" "HEADERS;SOURCES;DEPS;TESTS;TEST_DEPS;BENCHES;FUZZERS" ${ARGN})
  set(deps ${arg_DEPS})
  if(AIDB_TESTS OR AIDB_BENCHES OR AIDB_FUZZ)  # Else aidb::testing is not there, nor needed.
    list(APPEND deps ${arg_TEST_DEPS})
  endif()
  foreach(dep IN LISTS deps)
    if(dep MATCHES "^aidb::" AND NOT TARGET ${dep})
      message(FATAL_ERROR
        "aidb::${name} depends on ${dep}, which is not below it in aidb/CMakeLists.txt.")
    endif()
  endforeach()

  set(target aidb_${name})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(aidb::${name} ALIAS ${target})
  target_sources(${target} PUBLIC FILE_SET HEADERS
    BASE_DIRS "${PROJECT_SOURCE_DIR}" FILES ${arg_HEADERS})
  target_link_libraries(${target} PUBLIC ${arg_DEPS})
  set_target_properties(${target} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON
    EXPORT_NAME ${name})
  target_compile_options(${target} PRIVATE ${AIDB_WARNINGS})

  # Links the whole archive against the declared DEPS only, so a symbol borrowed from an
  # undeclared module fails here and not in some later executable.
  file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/${name}_link_test.cc" CONTENT "int main() {}\n")
  add_executable(${name}_link_test "${CMAKE_CURRENT_BINARY_DIR}/${name}_link_test.cc")
  target_link_libraries(${name}_link_test PRIVATE
    "$<LINK_LIBRARY:WHOLE_ARCHIVE,${target}>")
  add_test(NAME ${name}_link_test COMMAND ${name}_link_test)
  set_tests_properties(${name}_link_test PROPERTIES LABELS "link;${name}")

  if(arg_TESTS AND AIDB_TESTS)
    add_executable(${name}_test ${arg_TESTS})
    target_link_libraries(${name}_test PRIVATE ${target} ${arg_TEST_DEPS} GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE
      AIDB_TESTDATA="${CMAKE_CURRENT_SOURCE_DIR}/testdata")
    # Tests spend their time in the library, and compile in half of it with -O1.
    target_compile_options(${name}_test PRIVATE ${AIDB_WARNINGS} $<$<CONFIG:RelWithDebInfo>:-O1>)
    # One label: discovery takes a list apart.
    gtest_discover_tests(${name}_test PROPERTIES LABELS unit:${name} TIMEOUT 600
      DISCOVERY_TIMEOUT 60)
  endif()

  foreach(bench IN LISTS arg_BENCHES)
    if(AIDB_BENCHES)
      cmake_path(GET bench STEM stem)
      add_executable(${name}_${stem} ${bench})
      target_link_libraries(${name}_${stem} PRIVATE ${target} ${arg_TEST_DEPS} benchmark::benchmark_main)
      target_compile_options(${name}_${stem} PRIVATE ${AIDB_WARNINGS})
    endif()
  endforeach()

  # A fuzz target x_fuzz.cc defines LLVMFuzzerTestOneInput. Under AIDB_FUZZ it links libFuzzer;
  # otherwise a plain main that runs the committed corpus as a unit test.
  foreach(fuzzer IN LISTS arg_FUZZERS)
    if(AIDB_TESTS OR AIDB_FUZZ)
      cmake_path(GET fuzzer STEM stem)
      string(REGEX REPLACE "_fuzz$" "" subject ${stem})
      set(corpus "${PROJECT_SOURCE_DIR}/tests/corpus/${name}_${subject}")
      add_executable(${name}_${stem} ${fuzzer})
      target_link_libraries(${name}_${stem} PRIVATE ${target} ${arg_TEST_DEPS})
      target_compile_options(${name}_${stem} PRIVATE ${AIDB_WARNINGS})
      if(AIDB_FUZZ)
        target_link_options(${name}_${stem} PRIVATE -fsanitize=fuzzer)
      else()
        target_sources(${name}_${stem} PRIVATE "${PROJECT_SOURCE_DIR}/tests/corpus/run_corpus.cc")
        add_test(NAME ${name}_${stem} COMMAND ${name}_${stem} "${corpus}")
        set_tests_properties(${name}_${stem} PROPERTIES LABELS "corpus;${name}")
      endif()
    endif()
  endforeach()
endfunction()
