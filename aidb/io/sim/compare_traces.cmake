# cmake -DPROGRAM=... -P compare_traces.cmake: the program prints the same twice, and something.
foreach(run first second)
  execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE ${run} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
string(LENGTH "${first}" length)
if(length LESS 100 OR NOT first STREQUAL second)
  message(FATAL_ERROR "Two processes took different ways.\n${first}\n${second}")
endif()
