#!/usr/bin/env python3
"""Shows that the shipped objects reach the outside world only through io::Env.

    tools/hidden_world.py BUILD_DIRECTORY [--root DIR]

tidy.py reads sources and can be fooled by a macro or a library header; this reads what the
compiler made of them. It lists the undefined symbols of each object of each core module and
fails on every name that opens a file, starts a thread, reads a clock or draws randomness,
unless a line below allows it with a reason.
"""

import argparse
import fnmatch
import pathlib
import re
import subprocess
import sys

# Whose objects must be pure. Not the backends that wrap a library (rocks), not the network.
CORE_MODULES = ('base', 'metrics', 'io', 'io_sim', 'journal', 'kv', 'lsm', 'aof', 'geo', 'db')

# The only place that touches the kernel.
THE_WORLD = 'aidb/io/posix/*'

# The C names as the linker sees them; 64 and _chk are the large-file and fortified spellings.
_C_NAMES = '''
    open openat creat close read write pread pwrite preadv pwritev preadv2 pwritev2 readv writev
    fopen fdopen freopen fread fwrite fclose fflush fputs fputc puts putchar printf fprintf vfprintf
    perror fsync fdatasync syncfs sync sync_file_range rename renameat renameat2 remove unlink
    unlinkat link linkat symlink mkdir mkdirat rmdir opendir readdir closedir scandir
    stat fstat lstat fstatat statfs statvfs fstatvfs access chdir getcwd realpath
    mkstemp mkdtemp tmpfile
    mmap munmap msync madvise mremap mlock shm_open ftruncate truncate fallocate posix_fallocate
    flock lockf fcntl ioctl dup dup2 pipe pipe2 sendfile copy_file_range
    fork vfork execve execvp posix_spawn popen system waitpid kill raise signal sigaction
    socket connect accept accept4 bind listen send recv sendto recvfrom sendmsg recvmsg
    poll ppoll select epoll_create1 epoll_ctl epoll_wait eventfd timerfd_create inotify_init1
    time clock gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep usleep sleep
    localtime localtime_r gmtime timer_create setitimer alarm
    rand srand random srandom drand48 lrand48 getrandom getentropy arc4random
    sched_yield syscall getenv setenv secure_getenv getpid gettid
'''.split()
_FORBIDDEN = re.compile(
    r'(?:__)?(?:%s)(?:64)?(?:_2)?(?:_chk)?' % '|'.join(sorted(_C_NAMES, key=len, reverse=True))
    + r'|pthread_\w+|sem_\w+|io_uring_\w+|__isoc99_fscanf|dlopen|dlsym'
    + r'|std::(?:thread|jthread|this_thread|condition_variable|random_device|__future_base)\b.*'
    + r'|std::chrono::.*_clock::now\(.*|std::filesystem\b.*|std::cout|std::cerr|std::clog'
    + r'|std::basic_(?:[io]f|f)stream.*|std::basic_filebuf.*|std::__basic_file.*|std::mutex.*')

# (file, symbols, why). Nothing else may reach out.
ALLOWED = (
    ('aidb/*/*', r'(?:__)?pthread_mutex_(?:un|try)?lock',
     'aidb::Mutex is inline and goes to the simulated scheduler when one is installed'),
    ('aidb/*/*', r'std::condition_variable::~?condition_variable\(\)',
     'a CondVar member is built and destroyed where its owner is'),
    ('aidb/base/sync.cc',
     r'std::condition_variable::.*|pthread_cond_\w+|std::chrono::.*steady_clock.*',
     'the one wrapper of the system\'s condition variables'),
    ('aidb/base/log.cc', r'fwrite', 'StderrLogger writes its line'),
    ('aidb/base/check.cc', r'(?:__)?fprintf(?:_chk)?|fflush|fwrite',
     'a failed AIDB_CHECK says why before it aborts'),
    ('aidb/base/cpu.cc', r'getenv',
     'AIDB_CPU forces a path of the run-time dispatch, read once before any work'),
    ('aidb/io/sim/fiber_stacks.cc', r'mmap|munmap', 'stacks of fibers, with a guard page'),
)


def undefined_symbols(obj):
    """What `obj` needs from others, demangled, without version suffixes."""
    listing = subprocess.run(['nm', '-uC', obj], check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        word, _, symbol = line.strip().partition(' ')
        if word in ('U', 'w', 'v'):
            yield symbol.strip().split('@')[0]


def objects(root, build):
    """Yields (object, its source from the root) for every core module. Objects whose source is
    gone are left-overs of an older build and say nothing about this one."""
    for module in CORE_MODULES:
        for obj in sorted((build / 'aidb').glob(f'**/CMakeFiles/aidb_{module}.dir/**/*.o')):
            before, _, after = obj.as_posix().partition(f'/CMakeFiles/aidb_{module}.dir/')
            source = pathlib.Path(before).relative_to(build) / after.removesuffix('.o')
            if (root / source).is_file():
                yield obj, source.as_posix()


def complaints_about(obj, source):
    if fnmatch.fnmatch(source, THE_WORLD):
        return
    for symbol in undefined_symbols(obj):
        if not _FORBIDDEN.fullmatch(symbol):
            continue
        if any(fnmatch.fnmatch(source, file) and re.fullmatch(symbols, symbol)
               for file, symbols, _ in ALLOWED):
            continue
        yield f'{source}: its object calls {symbol}, which only aidb/io/posix may'


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('--root', type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    arguments = parser.parse_args()
    root, build = arguments.root.resolve(), arguments.build.resolve()
    found = list(objects(root, build))
    complaints = [line for obj, source in found for line in complaints_about(obj, source)]
    print(*complaints, sep='\n', end='\n' if complaints else '')
    print(f'hidden world: {len(found)} objects, {len(complaints)} complaints')
    if not found:
        print(f'hidden world: no object below {build}: build first')
    return 1 if complaints or not found else 0


if __name__ == '__main__':
    sys.exit(main())
