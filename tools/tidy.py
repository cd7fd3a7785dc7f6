#!/usr/bin/env python3
"""Checks what the compiler does not: layers, dead files, the hidden world, sizes, the map.

    tools/tidy.py [--root DIR]

Prints one line per complaint, `path:line: what, and what to do`, and fails when there is one.
A rule that must bend bends here, in a table with its reason, never in the file that breaks it.
"""

import argparse
import dataclasses
import fnmatch
import pathlib
import re
import sys

import source_text

LINES_MAX = 800
FUNCTION_LINES_MAX = 70
SOURCE_DIRECTORIES = ('aidb', 'apps', 'bench', 'examples', 'tests')
NO_PART_OF_THE_MAP = {'build', 'data', 'node_modules', '__pycache__', 'Testing'}

# What stands in a public header besides aidb's own: the light part of the standard library.
LIGHT_HEADERS = set('''algorithm array atomic bit cassert charconv chrono cmath compare concepts
    cstddef cstdint cstdio cstdlib cstring deque exception expected functional initializer_list
    iosfwd iterator limits list map memory new numeric optional queue set source_location span
    stdbool.h stddef.h stdint.h string string_view tuple type_traits unordered_map unordered_set
    utility variant vector version'''.split())
HEAVY_HEADER_OF = {  # Public header -> the headers it alone may include.
    'aidb/base/sync.h': {'mutex', 'condition_variable', 'thread'},
}

# Where a file stands decides what it may call.
CORE = 'core'          # aidb/, shipped.
UNIT = 'unit'          # aidb/**/x_test.cc, x_bench.cc, x_fuzz.cc and what TESTS names.
TESTING = 'testing'    # aidb/testing, linked by tests only.
DRIVERS = ('tests', 'bench')  # Programs that start processes, kill them and read the clock.
ALL_TESTS = (UNIT, TESTING, *DRIVERS)
TEST_ONLY = {'testing', 'io_sim'}  # Modules that nothing shipped may link.


@dataclasses.dataclass(frozen=True)
class Ban:
    """A pattern that no code may contain, but for some kinds of file and some named files."""
    pattern: str
    instead: str
    kinds: tuple = ()
    files: tuple = ()


def calls(*names):
    """A call of a C function: no method, no std:: namesake. Declarations: see is_declaration."""
    return r'(?<![\w.>:~])(?:::\s*)?\b(?:%s)\s*\(' % '|'.join(names)


POSIX = 'aidb/io/posix/*'
FIBER_STACKS = 'aidb/io/sim/fiber_stacks.cc'  # Maps stacks with a guard page; no file.
USER_FILES = 'apps/aidb/streams.cc'  # Links, pipes and terminals, which a FileSystem refuses.
REAL_KILLS = 'aidb/journal/journal_kill_test.cc'  # A child that dies by SIGKILL is a process.
SYNC = ('aidb/base/sync.h', 'aidb/base/sync.cc', 'aidb/base/sync_test.cc')
BANS = (
    Ban(r'\bstd::(?:recursive_|timed_|shared_|recursive_timed_)?mutex\b|\bstd::(?:lock_guard|'
        r'unique_lock|scoped_lock|shared_lock|condition_variable\w*|call_once|once_flag)\b',
        'aidb::Mutex, MutexLock, CondVar: the analysis and the simulation see them',
        files=(*SYNC, POSIX)),
    Ban(r'\bstd::(?:jthread|thread|async|future|promise|packaged_task|latch|barrier|'
        r'\w+_semaphore)\b|' + calls('pthread_\\w+'),
        'io::Executor', kinds=ALL_TESTS, files=(*SYNC, POSIX)),
    Ban(r'\bthread_local\b', 'a member, or an argument: fibers share one thread', files=(POSIX,)),
    Ban(r'\b(?:sleep_for|sleep_until)\b|' + calls('sleep', 'usleep', 'nanosleep',
                                                   'clock_nanosleep'),
        'CondVar::WaitUntil, or a clock that the test turns', files=(POSIX,)),
    Ban(r'\bstd::chrono::(?:system|steady|high_resolution)_clock\b|'
        + calls('clock_gettime', 'gettimeofday', 'time', 'clock', 'localtime', 'gmtime')
        + r'|\bstd::(?:time|clock)\s*\(|\b__rdtsc\b',
        'the Clock handed in', kinds=DRIVERS, files=(*SYNC, POSIX)),
    Ban(r'\bstd::random_device\b|' + calls('getrandom', 'getentropy', 'rand', 'srand', 'random',
                                           'drand48', 'arc4random') + r'|\bstd::s?rand\s*\(',
        'the Random handed in, or a printed seed', files=(POSIX,)),
    Ban(r'\b(?:std::)?(?:secure_)?getenv\s*\(', 'an option', kinds=ALL_TESTS,
        files=('aidb/base/cpu.cc',)),  # AIDB_CPU chooses among equal instructions.
    Ban(r'#include <random>|\bstd::mt19937\w*', 'aidb::Random: the same numbers everywhere'),
    Ban(calls('open', 'openat', 'creat', 'read', 'write', 'p?readv?', 'p?writev?', 'fsync',
              'fdatasync', 'syncfs', 'sync_file_range', 'rename', 'renameat2?', 'unlink',
              'unlinkat', 'mkdir', 'rmdir', 'opendir', 'readdir', 'l?stat', 'fstat', 'statfs',
              'mmap', 'munmap', 'msync', 'madvise', 'ftruncate', 'truncate', 'fallocate',
              'posix_fallocate', 'flock',
              'fcntl', 'ioctl', 'io_uring_\\w+')
        + r'|\bstd::rename\s*\(|#include <(?:fcntl\.h|unistd\.h|sys/\w+\.h|dirent\.h)>',
        'io::FileSystem', kinds=DRIVERS, files=(POSIX, FIBER_STACKS, USER_FILES, REAL_KILLS)),
    Ban(r'\bstd::(?:filesystem|[io]?fstream)\b|#include <(?:filesystem|fstream)>|'
        r'\b(?:std::)?fopen\b',
        'io::FileSystem', kinds=(*ALL_TESTS, 'examples'), files=(POSIX, USER_FILES)),
    Ban(calls('socket', 'accept4?', 'connect', 'listen', 'recv', 'sendmsg', 'recvmsg',
              'epoll_\\w+', 'poll', 'eventfd'),
        'the network adapter of the server', kinds=DRIVERS),
    Ban(calls('fork', 'vfork', 'exec[lv]p?e?', 'posix_spawnp?', 'popen', 'system', 'waitpid',
              'kill', 'raise', 'signal', 'sigaction') + r'|\bstd::(?:system|signal)\b',
        'nothing: the library starts no process and takes no signal', kinds=(*DRIVERS, 'apps'),
        files=(POSIX, REAL_KILLS)),
    Ban(r'#include <regex>|\bstd::regex\w*', 'a hand-written parser: linear, with a limit',
        kinds=ALL_TESTS),
    Ban(r'#include <iostream>|\bstd::(?:cout|cerr|cin)\b', 'std::fprintf, or the Logger'),
    Ban(r'(?<![\w.>:])(?:std::)?(?:printf|fprintf|puts|fputs|putchar|fwrite)\s*\(',
        'the Logger handed in', kinds=(*ALL_TESTS, 'apps', 'examples'),
        # The logger to stderr; the last words of a broken AIDB_CHECK.
        files=('aidb/base/log.cc', 'aidb/base/check.h', 'aidb/base/check.cc')),
    Ban(r'\bdynamic_cast\b|\bNotSupporte[d]\b|\bUn[i]mplemented\b',
        'a separate small interface for what not every implementation can do',
        kinds=('apps', 'bench', 'examples', 'tests'),
        files=('aidb/rocks/rocks_status.cc', 'aidb/rocks/*_test.cc')),  # RocksDB's own code name.
)
# Spelled so that this file does not match itself.
LEFT_OVER = re.compile(r'\b(?:TO[D]O|FIX[M]E|XX[X]|HAC[K])\b|\bDISABLE[D]_|\bGTEST_SKI[P]\b')


INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:"([^"]+)"|<([^>]+)>)', re.M)


def holds_files(path):
    """Whether git would know this directory."""
    return (path.is_dir() and not path.name.startswith('.')
            and any(file.is_file() for file in path.rglob('*')))


class Module:
    """What the CMakeLists.txt files of one module declare."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder  # From the root; files below it belong to the module.
        self.public = set()  # Paths from the root.
        self.test_headers = set()  # Of its libraries for tests: a conformance suite, a model.
        self.deps = set()
        self.test_deps = set()


class Tree:
    """All sources below the root, and what CMake says about them."""

    def __init__(self, root):
        self.root = root
        self.modules = {}
        self.registered = set()
        self.missing = set()  # Named by a CMakeLists.txt, absent.
        self.test_sources = set()
        self.sources = sorted(
            path.relative_to(root).as_posix()
            for top in SOURCE_DIRECTORIES for path in (root / top).rglob('*')
            if path.suffix in ('.h', '.cc') and 'testdata' not in path.parts)
        self.all_sources = set(self.sources)
        for path in sorted(root.glob('aidb/*/')):
            if holds_files(path):
                self.modules[path.name] = Module(path.name, f'aidb/{path.name}')
        lists = [path for top in SOURCE_DIRECTORIES
                 for path in sorted((root / top).rglob('CMakeLists.txt'))]
        for path in [*lists, *sorted((root / 'cmake').glob('*.cmake'))]:
            self._read(path)
        self._find_headers_of_tests()

    def text(self, path):
        return (self.root / path).read_text(encoding='utf-8')

    def _read(self, path):
        """Reads one CMake file: every source it names, and the declarations of its module."""
        folder = path.parent.relative_to(self.root)
        module = self.module_of(path.relative_to(self.root).as_posix())

        def resolve(word):
            word = word.replace('${CMAKE_CURRENT_SOURCE_DIR}/', '')
            if word.startswith(('${PROJECT_SOURCE_DIR}/', '${CMAKE_SOURCE_DIR}/')):
                return word.split('/', 1)[1]
            parts = []
            for part in (folder / word).parts:
                parts.pop() if part == '..' else parts.append(part)
            return '/'.join(parts)

        for command, words in source_text.cmake_commands(path.read_text(encoding='utf-8')):
            named = {resolve(word) for word in words if word.endswith(('.h', '.cc'))}
            self.registered |= named
            if path.name == 'CMakeLists.txt':
                self.missing |= {name for name in named - self.all_sources if '$' not in name}
            if command == 'aidb_module' and module and words[0] != module.name:
                # A part with a library of its own (io_sim in aidb/io/sim) is a module.
                module = self.modules.setdefault(words[0], Module(words[0], folder.as_posix()))
            if module:
                self._declare(module, command, words, resolve)

    def _declare(self, module, command, words, resolve):
        """Takes one command of a module's list: its headers, what it links, what is for tests."""
        if command in ('add_library', 'add_executable'):  # Besides aidb_module(): for tests.
            sources = {resolve(word) for word in words if word.endswith('.cc')}
            module.test_headers |= {source[:-len('cc')] + 'h' for source in sources}
            self.test_sources |= sources | module.test_headers
        if command not in ('aidb_module', 'target_sources', 'target_link_libraries'):
            return
        field = ''
        for word in words:
            if word.isupper() and word.replace('_', '').isalpha():
                field = word
            elif field in ('HEADERS', 'FILES') and word.endswith('.h'):
                module.public.add(resolve(word))
            elif field in ('TESTS', 'BENCHES', 'FUZZERS'):
                self.test_sources.add(resolve(word))
            elif word.startswith('aidb::'):
                test_only = field == 'TEST_DEPS' or (
                    command == 'target_link_libraries' and words[0] != f'aidb_{module.name}')
                (module.test_deps if test_only else module.deps).add(word[len('aidb::'):])

    def _find_headers_of_tests(self):
        """A private header that tests alone include is a part of them."""
        includers = {}
        for path in self.sources:
            for match in INCLUDE.finditer(self.text(path)):
                includers.setdefault(match.group(1), set()).add(path)
        public = set().union(*(module.public for module in self.modules.values()))
        found = True
        while found:
            found = {header for header, users in includers.items()
                     if header in self.all_sources - public - self.test_sources
                     and all(self.kind(user) in ALL_TESTS for user in users)}
            self.test_sources |= found

    def module_of(self, path):
        """The module with the deepest folder that holds `path`, or None outside aidb/."""
        around = [module for module in self.modules.values()
                  if path.startswith(module.folder + '/')]
        return max(around, key=lambda module: len(module.folder), default=None)

    def kind(self, path):
        top = path.split('/')[0]
        if top == 'apps' and re.search(r'_test\.(?:cc|h)$', path):
            return UNIT
        if top != 'aidb':
            return top
        if path.startswith('aidb/testing/'):
            return TESTING
        if path in self.test_sources or re.search(r'_(?:test|bench|fuzz)\.(?:cc|h)$', path):
            return UNIT
        return CORE


def line_of(text, offset):
    return text.count('\n', 0, offset) + 1


def check_modules(tree):
    """Every module is declared, and no shipped one links what only tests may."""
    for module in tree.modules.values():
        if not (tree.root / module.folder / 'CMakeLists.txt').is_file():
            yield f'{module.folder}: has no CMakeLists.txt, so it is never built'
        for dep in sorted(module.deps) if module.name not in TEST_ONLY else ():
            if dep in TEST_ONLY or dep not in tree.modules:
                yield (f'{module.folder}/CMakeLists.txt: DEPS names aidb::{dep}, which only '
                       'tests may link; move it to TEST_DEPS')


def check_includes(tree):
    for path in tree.sources:
        text = tree.text(path)
        module = tree.module_of(path)
        public = module is not None and path in module.public
        for match in INCLUDE.finditer(text):
            where = f'{path}:{line_of(text, match.start())}'
            own, angled = match.groups()
            if own and own.startswith('aidb/'):
                yield from check_own_include(tree, where, path, module, own)
            elif own and not (tree.root / own).is_file():
                yield f'{where}: "{own}" is no path from the root; write it so'
            elif angled and public and angled not in (LIGHT_HEADERS
                                                      | HEAVY_HEADER_OF.get(path, set())):
                yield (f'{where}: <{angled}> in a public header: it is third-party or heavy; '
                       'include it in a .cc file')


def check_own_include(tree, where, path, module, own):
    other = tree.module_of(own)
    kind = tree.kind(path)
    if other is None or not (tree.root / own).is_file():
        yield f'{where}: {own} does not exist'
        return
    if module is other:
        return
    for_tests = (other.name in TEST_ONLY and (module is None or module.name not in TEST_ONLY)
                 or own in other.test_headers)
    if for_tests and kind not in ALL_TESTS:
        yield f'{where}: includes {own}, but only tests may use it'
    if module is not None:
        allowed = module.deps | (module.test_deps if kind in ALL_TESTS else set())
        # aidb::io_conformance is a library of io for tests; it comes with io.
        if not any(dep == other.name or dep.startswith(f'{other.name}_') for dep in allowed):
            yield f'{where}: includes {own}, but {module.name} does not declare aidb::{other.name}'
    if own not in other.public | other.test_headers:
        yield f'{where}: includes {own}, which is private to {other.name}'


def check_registered(tree):
    """A file nobody builds is dead. A private header lives by being included."""
    included = {match.group(1) for path in tree.sources
                for match in INCLUDE.finditer(tree.text(path)) if match.group(1)}
    for path in tree.sources:
        if path in tree.registered or (path.endswith('.h') and path in included):
            continue
        lonely = ' and nothing includes it' if path.endswith('.h') else ''
        yield f'{path}: no CMakeLists.txt names it{lonely}, so it is never built'
    for path in sorted(tree.missing):
        yield f'{path}: a CMakeLists.txt names it, but it does not exist'


def is_declaration(code, match):
    """Whether this is a name of our own: `int open(`, `Clock& clock(`, or a call of a lambda."""
    name = match.group(0)
    if not name.endswith('(') or not name[0].isalpha():
        return False  # ::open( is always the system's.
    before = re.search(r'(\w+)[&*>]*[ \t]+$', code[max(0, match.start() - 80):match.start()])
    if before and before.group(1) not in ('return', 'co_return', 'else', 'throw', 'case', 'do'):
        return True
    return re.search(rf'\bauto&? {re.escape(name[:-1])} = \[', code) is not None


def check_bans(tree):
    compiled = [(ban, re.compile(ban.pattern)) for ban in BANS]
    for path in tree.sources:
        kind, text = tree.kind(path), tree.text(path)
        code = source_text.without_comments_and_literals(text)
        for ban, pattern in compiled:
            if kind in ban.kinds or any(fnmatch.fnmatch(path, file) for file in ban.files):
                continue
            for match in pattern.finditer(code):
                if is_declaration(code, match):
                    continue
                yield (f'{path}:{line_of(code, match.start())}: "{match.group(0).strip()}" is '
                       f'banned here; use {ban.instead}')


def check_sizes(tree):
    for path in tree.sources:
        text = tree.text(path)
        lines = text.count('\n')
        if lines > LINES_MAX:
            yield f'{path}: {lines} lines, over {LINES_MAX}; split it along a seam'
        for first, last in source_text.functions(text):
            if last - first + 1 > FUNCTION_LINES_MAX:
                yield (f'{path}:{first}: a function of {last - first + 1} lines, over '
                       f'{FUNCTION_LINES_MAX}; let the parent decide and leaves compute')


def check_left_overs(tree):
    scripts = [path.relative_to(tree.root).as_posix() for top in ('cmake', 'tools', 'tests')
               for path in sorted((tree.root / top).rglob('*'))
               if path.suffix in ('.py', '.cmake', '.sh')]
    for path in [*tree.sources, *scripts]:
        text = tree.text(path)
        for match in LEFT_OVER.finditer(text):
            yield (f'{path}:{line_of(text, match.start())}: "{match.group(0)}"; finish it, or '
                   'write it into docs/roadmap.md')


def check_map(tree):
    """The map in ARCHITECTURE.md names every directory a newcomer sees, and no other."""
    page = tree.root / 'ARCHITECTURE.md'
    match = re.search(r'<!-- map -->(.*?)<!-- /map -->', page.read_text(encoding='utf-8')
                      if page.is_file() else '', re.S)
    if not match:
        yield 'ARCHITECTURE.md: has no section between <!-- map --> and <!-- /map -->'
        return
    drawn = set(re.findall(r'^\| `([\w./-]+)/` \|', match.group(1), re.M))
    real = {path.relative_to(tree.root).as_posix()
            for pattern in ('*/', 'aidb/*/', 'apps/*/') for path in tree.root.glob(pattern)
            if holds_files(path) and path.name not in NO_PART_OF_THE_MAP}
    for path in sorted(real - drawn):
        yield f'ARCHITECTURE.md: the map lacks {path}/; add its line'
    for path in sorted(drawn - real):
        yield f'ARCHITECTURE.md: the map draws {path}/, which does not exist'


CHECKS = (check_modules, check_includes, check_registered, check_bans, check_sizes,
          check_left_overs, check_map)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--root', type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    tree = Tree(parser.parse_args().root.resolve())
    complaints = [complaint for check in CHECKS for complaint in check(tree)]
    print(*complaints, sep='\n', end='\n' if complaints else '')
    print(f'tidy: {len(tree.modules)} modules, {len(tree.sources)} sources, '
          f'{len(complaints)} complaints')
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main())
