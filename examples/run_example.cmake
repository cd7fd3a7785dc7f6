# cmake -D PROGRAM=… -D EXPECTED=… -D DIRECTORY=… -P run_example.cmake
#
# Runs PROGRAM in an empty DIRECTORY; fails unless it ends well and prints what the file EXPECTED
# holds.
file(REMOVE_RECURSE "${DIRECTORY}")
file(MAKE_DIRECTORY "${DIRECTORY}")
execute_process(COMMAND "${PROGRAM}" WORKING_DIRECTORY "${DIRECTORY}"
  OUTPUT_VARIABLE printed ERROR_VARIABLE said RESULT_VARIABLE code)
file(READ "${EXPECTED}" expected)
if(NOT code EQUAL 0 OR NOT printed STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM}: exit code ${code}\n${said}\nprinted:\n${printed}\nexpected:\n"
    "${expected}")
endif()
