#!/usr/bin/env python3
"""Plants a fault for every check of the house and shows that the check finds it.

A check that cannot fail is no check. Each test copies a miniature project of two modules, low
and high, around the real cmake/AidbModule.cmake and tools/, breaks one rule and expects the
message; the same project without the fault passes everything.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CXX = os.environ.get('CXX', 'c++')

PROJECT = {
    'CMakeLists.txt': '''
        cmake_minimum_required(VERSION 3.25)
        project(miniature LANGUAGES CXX)
        list(APPEND CMAKE_MODULE_PATH "${PROJECT_SOURCE_DIR}/cmake")
        set(CMAKE_CXX_STANDARD 23)
        set(AIDB_WARNINGS -Wall -Werror)
        set(AIDB_FUZZ ON)  # So that TEST_DEPS count.
        enable_testing()
        include(AidbModule)
        add_subdirectory(aidb)
        ''',
    'aidb/CMakeLists.txt': '''
        add_subdirectory(kv)
        add_subdirectory(lsm)
        ''',
    'aidb/kv/CMakeLists.txt': 'aidb_module(kv HEADERS low.h SOURCES low.cc)',
    'aidb/kv/low.h': '''
        #pragma once
        #include <string>
        namespace aidb::kv {
        std::string Low();
        }
        ''',
    'aidb/kv/low_private.h': '''
        #pragma once
        inline constexpr int kLow = 1;
        ''',
    'aidb/kv/low.cc': '''
        #include "aidb/kv/low.h"
        #include "aidb/kv/low_private.h"
        namespace aidb::kv {
        // A comment may speak of std::mutex, open() and time(); so may "strings".
        std::string Low() { return std::to_string(kLow) + "std::thread fsync("; }
        }
        ''',
    'aidb/lsm/CMakeLists.txt': '''
        aidb_module(lsm
          HEADERS high.h
          SOURCES high.cc
          DEPS aidb::kv
          TESTS high_test.cc)
        ''',
    'aidb/lsm/high.h': '''
        #pragma once
        namespace aidb::lsm {
        int High();
        }
        ''',
    'aidb/lsm/high.cc': '''
        #include "aidb/lsm/high.h"
        #include "aidb/kv/low.h"
        namespace aidb::lsm {
        int High() { return static_cast<int>(kv::Low().size()); }
        }
        ''',
    'aidb/lsm/high_test.cc': 'int main() {}\n',
    'aidb/testing/CMakeLists.txt': 'aidb_module(testing HEADERS model.h SOURCES model.cc)',
    'aidb/testing/model.h': '#pragma once\n',
    'aidb/testing/model.cc': '#include "aidb/testing/model.h"\n',
    'ARCHITECTURE.md': '''
        <!-- map -->
        | path | what |
        |---|---|
        | `aidb/` | . |
        | `aidb/kv/` | . |
        | `aidb/lsm/` | . |
        | `aidb/testing/` | . |
        | `cmake/` | . |
        | `tools/` | . |
        <!-- /map -->
        ''',
}


class Miniature(unittest.TestCase):
    """A fresh copy of the project for each test."""

    def setUp(self):
        self._directory = tempfile.TemporaryDirectory()
        self.addCleanup(self._directory.cleanup)
        self.root = pathlib.Path(self._directory.name)
        for path, text in PROJECT.items():
            self.write(path, text)
        for name in ('cmake', 'tools'):
            shutil.copytree(ROOT / name, self.root / name,
                            ignore=shutil.ignore_patterns('__pycache__'))

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip('\n'), encoding='utf-8')

    def append(self, path, text):
        file = self.root / path
        file.write_text(file.read_text(encoding='utf-8') + text, encoding='utf-8')

    def edit(self, path, old, new):
        text = (self.root / path).read_text(encoding='utf-8')
        self.assertIn(old, text)
        (self.root / path).write_text(text.replace(old, new), encoding='utf-8')

    def run_command(self, *command):
        done = subprocess.run([str(word) for word in command], cwd=self.root, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout

    def configure(self):
        return self.run_command('cmake', '-S', '.', '-B', 'build', '-G', 'Ninja',
                                f'-DCMAKE_CXX_COMPILER={CXX}')

    def build(self, *targets):
        code, output = self.configure()
        self.assertEqual(code, 0, output)
        return self.run_command('cmake', '--build', 'build', '--target', *targets)

    def tool(self, name, *arguments):
        return self.run_command(sys.executable, f'tools/{name}.py', '--root', self.root, *arguments)

    def assert_tidy_says(self, message):
        code, output = self.tool('tidy')
        self.assertEqual(code, 1, output)
        self.assertIn(message, output)
        self.assertIn(', 1 complaints', output)  # This fault and nothing else.


class Configure(Miniature):
    def test_a_dependency_that_points_up_stops_configure(self):
        self.edit('aidb/kv/CMakeLists.txt', 'SOURCES low.cc', 'SOURCES low.cc DEPS aidb::lsm')
        code, output = self.configure()
        self.assertNotEqual(code, 0)
        self.assertIn('aidb::kv depends on aidb::lsm, which is not below', output)

    def test_a_test_dependency_that_points_up_stops_configure(self):
        self.edit('aidb/kv/CMakeLists.txt', 'SOURCES low.cc', 'SOURCES low.cc TEST_DEPS aidb::lsm')
        code, output = self.configure()
        self.assertNotEqual(code, 0)
        self.assertIn('aidb::kv depends on aidb::lsm, which is not below', output)


class Compile(Miniature):
    def test_the_project_without_faults_builds_links_and_has_no_hidden_world(self):
        code, output = self.build('all', 'all_verify_interface_header_sets')
        self.assertEqual(code, 0, output)
        code, output = self.tool('hidden_world', 'build')
        self.assertEqual(code, 0, output)
        self.assertIn('2 objects, 0 complaints', output)

    def test_a_public_header_that_needs_another_first_fails_alone(self):
        self.edit('aidb/kv/low.h', '#include <string>\n', '')
        self.edit('aidb/kv/low.cc', '#include "aidb/kv/low.h"', '#include <string>\n'
                  '#include "aidb/kv/low.h"')
        code, output = self.build('all_verify_interface_header_sets')
        self.assertNotEqual(code, 0)
        self.assertIn('aidb/kv/low.h', output)
        self.assertIn('string', output)

    def test_a_symbol_of_an_undeclared_module_fails_the_link_test(self):
        self.edit('aidb/kv/low.cc', 'namespace aidb::kv {',
                  'namespace aidb::lsm { int High(); }\nnamespace aidb::kv {\n'
                  'int Sneak() { return lsm::High(); }')
        code, output = self.build('kv_link_test')
        self.assertNotEqual(code, 0)
        self.assertIn('aidb::lsm::High()', output)
        self.assertIn('undefined', output)

    def test_hidden_calls_show_in_the_object(self):
        self.edit('aidb/kv/low.cc', 'namespace aidb::kv {',
                  '#include <chrono>\n#include <fcntl.h>\n#include <thread>\nnamespace aidb::kv {\n'
                  'int A() { return open("x", 0); }\n'
                  'auto B() { return std::chrono::system_clock::now(); }\n'
                  'void C() { std::thread([] {}).join(); }')
        code, output = self.build('aidb_kv')
        self.assertEqual(code, 0, output)
        code, output = self.tool('hidden_world', 'build')
        self.assertEqual(code, 1, output)
        for symbol in ('calls open', 'calls std::chrono::_V2::system_clock::now()',
                       'calls std::thread::'):
            self.assertIn(f'aidb/kv/low.cc: its object {symbol}', output)

    def test_hidden_world_without_objects_fails(self):
        code, output = self.tool('hidden_world', 'build')
        self.assertEqual(code, 1)
        self.assertIn('build first', output)


class Tidy(Miniature):
    def test_the_project_without_faults_is_tidy(self):
        code, output = self.tool('tidy')
        self.assertEqual(code, 0, output)
        self.assertIn('3 modules, 8 sources, 0 complaints', output)

    def test_an_include_of_an_undeclared_module(self):
        self.append('aidb/kv/low.cc', '#include "aidb/lsm/high.h"\n')
        self.assert_tidy_says('includes aidb/lsm/high.h, but kv does not declare aidb::lsm')

    def test_an_include_of_a_private_header(self):
        self.append('aidb/lsm/high.cc', '#include "aidb/kv/low_private.h"\n')
        self.assert_tidy_says('includes aidb/kv/low_private.h, which is private to kv')

    def test_an_include_that_does_not_exist(self):
        self.append('aidb/lsm/high.cc', '#include "aidb/kv/lower.h"\n')
        self.assert_tidy_says('aidb/kv/lower.h does not exist')

    def test_shipped_code_that_links_the_test_module(self):
        self.edit('aidb/lsm/CMakeLists.txt', 'DEPS aidb::kv', 'DEPS aidb::kv aidb::testing')
        self.assert_tidy_says('DEPS names aidb::testing, which only tests may link')

    def test_shipped_code_that_includes_the_test_module(self):
        self.edit('aidb/lsm/CMakeLists.txt', 'TESTS high_test.cc',
                  'TESTS high_test.cc TEST_DEPS aidb::testing')
        self.append('aidb/lsm/high_test.cc', '#include "aidb/testing/model.h"\n')
        self.assertEqual(self.tool('tidy')[0], 0)  # A test may.
        self.append('aidb/lsm/high.cc', '#include "aidb/testing/model.h"\n')
        code, output = self.tool('tidy')
        self.assertEqual(code, 1)
        self.assertIn('aidb/testing/model.h, but only tests may use it', output)

    def test_a_library_for_tests_is_for_tests(self):
        self.write('aidb/kv/suite.h', '#pragma once\n')
        self.write('aidb/kv/suite.cc', '#include "aidb/kv/suite.h"\n#include <filesystem>\n')
        self.append('aidb/kv/CMakeLists.txt', '''
            add_library(aidb_kv_suite STATIC suite.cc)
            add_library(aidb::kv_suite ALIAS aidb_kv_suite)
            ''')
        self.append('aidb/lsm/high_test.cc', '#include "aidb/kv/suite.h"\n')
        code, output = self.tool('tidy')
        self.assertEqual(code, 0, output)
        self.append('aidb/lsm/high.cc', '#include "aidb/kv/suite.h"\n')
        self.assert_tidy_says('aidb/kv/suite.h, but only tests may use it')

    def test_a_private_header_that_tests_alone_include_may_do_what_they_may(self):
        self.write('aidb/lsm/golden.h', '#pragma once\n#include <fstream>\n')
        self.append('aidb/lsm/high_test.cc', '#include "aidb/lsm/golden.h"\n')
        self.assertEqual(self.tool('tidy')[0], 0)
        self.append('aidb/lsm/high.cc', '#include "aidb/lsm/golden.h"\n')
        self.assert_tidy_says('aidb/lsm/golden.h:2: "#include <fstream>" is banned here')

    def test_lists_in_variables_and_loops_are_spelled_out(self):
        self.write('aidb/lsm/CMakeLists.txt', '''
            set(table_headers high.h)  # A comment with (brackets.
            set(table_sources high.cc)
            list(APPEND table_tests high_test.cc)
            aidb_module(lsm HEADERS ${table_headers} SOURCES ${table_sources} DEPS aidb::kv
              TESTS ${table_tests})
            foreach(name one two)
              add_executable(${name} ${name}.cc)
            endforeach()
            set(more three)
            foreach(name IN LISTS more)
              add_executable(${name} ${name}.cc)
            endforeach()
            ''')
        for name in ('one', 'two', 'three'):
            self.write(f'aidb/lsm/{name}.cc', '')
        self.assertEqual(self.tool('tidy'), (0, 'tidy: 3 modules, 11 sources, 0 complaints\n'))
        self.append('aidb/testing/model.cc', '#include "aidb/lsm/high.h"\n')
        self.assert_tidy_says('includes aidb/lsm/high.h, but testing does not declare aidb::lsm')

    def test_a_part_with_a_library_of_its_own_is_a_module(self):
        self.write('aidb/kv/sim/CMakeLists.txt',
                   'aidb_module(io_sim HEADERS world.h SOURCES world.cc DEPS aidb::kv)')
        self.write('aidb/kv/sim/world.h', '#pragma once\n')
        self.write('aidb/kv/sim/fiber.h', '#pragma once\n')
        self.write('aidb/kv/sim/world.cc',
                   '#include "aidb/kv/low.h"\n#include "aidb/kv/sim/fiber.h"\n')
        self.edit('aidb/lsm/CMakeLists.txt', 'TESTS high_test.cc',
                  'TESTS high_test.cc TEST_DEPS aidb::io_sim')
        self.append('aidb/lsm/high_test.cc', '#include "aidb/kv/sim/world.h"\n')
        self.assertEqual(self.tool('tidy'), (0, 'tidy: 4 modules, 11 sources, 0 complaints\n'))
        self.append('aidb/lsm/high_test.cc', '#include "aidb/kv/sim/fiber.h"\n')
        self.assert_tidy_says('includes aidb/kv/sim/fiber.h, which is private to io_sim')

    def test_a_source_nobody_builds(self):
        self.write('aidb/lsm/orphan.cc', 'int orphan;\n')
        self.assert_tidy_says('aidb/lsm/orphan.cc: no CMakeLists.txt names it')

    def test_a_source_of_a_subdirectory_is_known_by_either_list(self):
        self.write('aidb/lsm/inner/one.cc', 'int one;\n')
        self.write('aidb/lsm/inner/two.cc', 'int two;\n')
        self.append('aidb/lsm/CMakeLists.txt', 'target_sources(aidb_lsm PRIVATE inner/one.cc)\n')
        self.write('aidb/lsm/inner/CMakeLists.txt', 'target_sources(aidb_lsm PRIVATE two.cc)\n')
        code, output = self.tool('tidy')
        self.assertEqual(code, 0, output)

    def test_a_header_nobody_includes(self):
        self.write('aidb/lsm/orphan.h', '#pragma once\n')
        self.assert_tidy_says('aidb/lsm/orphan.h: no CMakeLists.txt names it and nothing includes')

    def test_a_named_source_that_is_gone(self):
        self.edit('aidb/lsm/CMakeLists.txt', 'SOURCES high.cc', 'SOURCES high.cc gone.cc')
        self.assert_tidy_says('aidb/lsm/gone.cc: a CMakeLists.txt names it, but it does not exist')

    def test_a_module_without_a_list(self):
        self.write('aidb/geo/notes.txt', '')
        self.edit('ARCHITECTURE.md', '| `cmake/`', '| `aidb/geo/` | . |\n| `cmake/`')
        self.assert_tidy_says('aidb/geo: has no CMakeLists.txt')

    def test_each_banned_call(self):
        for code in ('std::mutex mu;', 'std::thread t;', 'auto f = std::async(Low);',
                     'std::condition_variable cv;', 'thread_local int t;',
                     'int f = open("x", 0);', 'int f = ::open("x", 0);', 'auto r = read(0, 0, 0);',
                     'auto w = ::write(1, 0, 0);', 'int s = fsync(3);', 'int r = rename("a", "b");',
                     'int r = std::rename("a", "b");', 'void* m = mmap(0, 0, 0, 0, 0, 0);',
                     'int c = clock_gettime(0, nullptr);', 'int n = nanosleep(nullptr, nullptr);',
                     'int r = rand();', 'auto e = std::getenv("X");',
                     'auto g = getrandom(nullptr, 0, 0);',
                     'std::random_device d;', 'std::filesystem::path p;', 'std::ifstream in;',
                     '#include <regex>', '#include <iostream>', '#include <random>',
                     'auto now = std::chrono::steady_clock::now();', 'int s = socket(1, 1, 1);',
                     'int k = kill(1, 9);', 'int p = std::printf("");',
                     'auto* d = dynamic_cast<int*>(p);', 'int NotSupported;'):
            with self.subTest(code):
                self.write('aidb/lsm/high.cc', code + '\n')
                self.assert_tidy_says('is banned here; use')

    def test_what_only_looks_like_a_banned_call(self):
        self.append('aidb/kv/low.cc', '''
            struct File { int open(int); int write(int); int& clock(); };
            int Use(File& f) {
              const auto read = [](int x) { return x; };
              return f.open(1) + (&f)->write(1'000) + read(2);
            }
            // rand(); thread_local
            ''')
        code, output = self.tool('tidy')
        self.assertEqual(code, 0, output)

    def test_a_file_too_long(self):
        self.append('aidb/kv/low.cc', '// .\n' * 800)
        self.assert_tidy_says('lines, over 800')

    def test_a_function_too_long(self):
        self.append('aidb/kv/low.cc', 'namespace aidb::kv {\nclass Long {\n  int F(int x) {\n'
                    + '    if (x) {\n      ++x;\n    }\n' * 23 + '    return x;\n  }\n};\n}\n')
        self.assert_tidy_says('a function of 72 lines, over 70')

    def test_a_function_of_the_allowed_length(self):
        self.append('aidb/kv/low.cc',
                    'template <class T>\nvoid F(T x)\n{\n' + '  ++x;\n' * 66 + '}\n')
        code, output = self.tool('tidy')
        self.assertEqual(code, 0, output)

    def test_a_third_party_include_in_a_public_header(self):
        self.append('aidb/lsm/high.h', '#include <rocksdb/db.h>\n')
        self.assert_tidy_says('<rocksdb/db.h> in a public header')

    def test_left_overs(self):
        for word in ('TO' 'DO', 'FIX' 'ME', 'TEST(A, DIS' 'ABLED_B)', 'GTEST_' 'SKIP()'):
            with self.subTest(word):
                self.write('aidb/lsm/high_test.cc', f'// {word}\n')
                self.assert_tidy_says('finish it')

    def test_a_map_that_lacks_a_directory(self):
        self.write('bench/README.md', '')
        self.assert_tidy_says('the map lacks bench/')

    def test_a_map_that_draws_what_is_gone(self):
        self.edit('ARCHITECTURE.md', '| `cmake/`', '| `aidb/geo/` | . |\n| `cmake/`')
        self.assert_tidy_says('the map draws aidb/geo/, which does not exist')


class Doc(Miniature):
    def setUp(self):
        super().setUp()
        for module in ('kv', 'lsm', 'testing'):
            self.write(f'aidb/{module}/README.md', '# A module\n')
        self.write('examples/open.cc', 'int main() {\n  // [open]\n  return 0;\n  // [/open]\n}\n')
        self.write('README.md', '''
            # Top
            See [below](#below) and [kv](aidb/kv/README.md#a-module).
            <!-- from examples/open.cc: open -->
            ```cpp
            return 0;
            ```
            ## Below
            ''')

    def assert_doc_says(self, message):
        code, output = self.tool('doc')
        self.assertEqual(code, 1, output)
        self.assertIn(message, output)
        self.assertIn(', 1 complaints', output)

    def test_pages_without_faults_pass(self):
        code, output = self.tool('doc')
        self.assertEqual(code, 0, output)

    def test_a_link_that_leads_nowhere(self):
        self.append('README.md', '[gone](docs/gone.md)\n')
        self.assert_doc_says('the link to docs/gone.md leads nowhere')

    def test_a_fragment_that_is_no_heading(self):
        self.append('README.md', '[gone](#gone)\n')
        self.assert_doc_says('has no heading #gone')

    def test_code_that_differs_from_its_source(self):
        self.edit('README.md', 'return 0;', 'return 1;')
        self.assert_doc_says('differs from examples/open.cc')

    def test_code_whose_source_is_gone(self):
        (self.root / 'examples/open.cc').unlink()
        self.assert_doc_says('examples/open.cc has no lines between')

    def test_code_without_a_marker(self):
        self.append('README.md', '```cpp\nint x;\n```\n')
        self.assert_doc_says('a cpp block needs a marker')

    def test_a_module_without_a_readme(self):
        (self.root / 'aidb/kv/README.md').unlink()
        self.edit('README.md', ' and [kv](aidb/kv/README.md#a-module)', '')
        self.assert_doc_says('aidb/kv: has no README.md')


if __name__ == '__main__':
    unittest.main(verbosity=2)
