# Compiler settings and the one function that every module uses.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

option(SEALIFT_OPTIMIZE "Debug build with -O1: tests that move gigabytes stay bearable" OFF)
option(SEALIFT_FUZZ "Build the fuzz targets with libFuzzer (clang); otherwise they replay their corpus" OFF)
option(SEALIFT_BENCH "Build the micro benchmarks" OFF)
set(SEALIFT_SANITIZE "" CACHE STRING "Value for -fsanitize=")

# Line numbers are what a sanitizer report or a core needs; full debug information costs a quarter of the build.
set(CMAKE_CXX_FLAGS_DEBUG "-g1")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # The same source in another clone is the same object (paths become relative); with a precompiled header ccache must be
  # told to look at contents only.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

add_library(sealift_options INTERFACE)
target_compile_options(sealift_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast -Werror)
target_compile_definitions(sealift_options INTERFACE SEALIFT_VERSION="${PROJECT_VERSION}")
if(SEALIFT_OPTIMIZE)
  target_compile_options(sealift_options INTERFACE -O1)
else()
  # At -O2 and under sanitizers GCC 12 sees uninitialized members inside std::variant and std::optional that are not there.
  target_compile_options(sealift_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
if(SEALIFT_SANITIZE)
  # Everything, third-party C sources included, so that no frame is blind.
  add_compile_options(-fsanitize=${SEALIFT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -O1)
  add_link_options(-fsanitize=${SEALIFT_SANITIZE})
endif()
if(SEALIFT_FUZZ)
  # All objects count their edges, the precompiled headers too: clang refuses one that was made with other options.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Parsing the headers of the standard library, fmt, JSON and GoogleTest is two thirds of a build; one precompiled header for
# the modules and one for programs with tests save it. Sources still include what they use: preset tidy builds without.
option(SEALIFT_PRECOMPILE "Share precompiled headers of the libraries" ON)
function(sealift_precompiled name library)
  if(SEALIFT_PRECOMPILE)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled/${name}.cpp CONTENT "")
    add_library(${name} OBJECT ${PROJECT_BINARY_DIR}/precompiled/${name}.cpp)
    target_link_libraries(${name} PRIVATE sealift_options fmt::fmt ${library})
    target_precompile_headers(${name} PRIVATE ${ARGN})
  endif()
endfunction()
function(sealift_use_precompiled target name)
  if(SEALIFT_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${name})
  endif()
endfunction()
# Called once, after the dependencies are known.
function(sealift_precompile)
  set(library_headers <algorithm> <array> <atomic> <chrono> <condition_variable> <cstdint> <expected> <filesystem> <functional>
    <map> <memory> <mutex> <optional> <set> <span> <string> <string_view> <thread> <utility> <variant> <vector>
    <fmt/format.h> <nlohmann/json.hpp>)
  sealift_precompiled(sealift_library_headers nlohmann_json::nlohmann_json ${library_headers})
  sealift_precompiled(sealift_test_headers GTest::gtest ${library_headers} <gtest/gtest.h>)
endfunction()

# sealift_module(NAME HEADERS h… SOURCES s… TESTS t… DEPENDS module… LIBS public… PRIVATE_LIBS hidden…)
# A folder of src/ = a static library sealift_NAME = a namespace; TESTS become one binary NAME_test.
# A DEPENDS that is not defined yet stops configuration: the link graph is acyclic by construction.
# (tools/check_layers.py checks the includes themselves, which CMake cannot see.)
function(sealift_module name)
  cmake_parse_arguments(arg "" "" "HEADERS;SOURCES;TESTS;DEPENDS;LIBS;PRIVATE_LIBS;TEST_LIBS" ${ARGN})
  add_library(sealift_${name} STATIC ${arg_SOURCES} ${arg_HEADERS})
  target_link_libraries(sealift_${name} PRIVATE sealift_options)
  foreach(dependency ${arg_DEPENDS})
    if(NOT TARGET sealift_${dependency})
      message(FATAL_ERROR "module ${name} may not use ${dependency}: modules depend strictly downwards (src/CMakeLists.txt)")
    endif()
    target_link_libraries(sealift_${name} PUBLIC sealift_${dependency})
  endforeach()
  target_link_libraries(sealift_${name} PUBLIC ${arg_LIBS} PRIVATE ${arg_PRIVATE_LIBS})
  sealift_use_precompiled(sealift_${name} sealift_library_headers)
  if(arg_TESTS)
    add_executable(${name}_test ${arg_TESTS})
    target_link_libraries(${name}_test PRIVATE sealift_${name} sealift_options ${arg_TEST_LIBS} GTest::gtest_main)
    sealift_use_precompiled(${name}_test sealift_test_headers)
    add_test(NAME ${name}_test COMMAND ${name}_test)
    set_tests_properties(${name}_test PROPERTIES LABELS unit TIMEOUT 900)
  endif()
endfunction()
