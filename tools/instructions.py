#!/usr/bin/env python3
"""Counts the instructions of an operation of the engine, by callgrind on fixed inputs.

    tools/instructions.py PROGRAM [--out FILE] [--scratch DIR]

PROGRAM is aidb_instructions (bench/instructions.cc). Prints a line for each of its operations,
beside those of FILE if that is there, and keeps them in FILE. Instructions repeat to a percent
where time on a shared machine does not; they say nothing of memory, so a change that trades
instructions for waits is to be judged by ./dev bench.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

FORMAT = 1


def counted(program, operation, scratch):
    """Instructions for each run of the operation, in the calling thread."""
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        out = pathlib.Path(directory) / 'callgrind.out'
        command = [
            'valgrind', '--tool=callgrind', '--collect-atstart=no', '--toggle-collect=AidbCounted',
            f'--callgrind-out-file={out}', '--quiet', program, operation, f'{directory}/store'
        ]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            sys.exit(f'instructions: {" ".join(command)}\n{run.stderr}')
        totals = re.findall(r'^(?:totals|summary): *(\d+)', out.read_text(), re.MULTILINE)
        if not totals or int(totals[-1]) == 0:
            sys.exit(f'instructions: callgrind counted nothing for {operation}')
        return int(totals[-1]) / int(run.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('program')
    parser.add_argument('--out', type=pathlib.Path)
    parser.add_argument('--scratch', default=None)
    arguments = parser.parse_args()
    before = {}
    if arguments.out and arguments.out.exists():
        before = json.loads(arguments.out.read_text())['instructions']
    names = subprocess.run([arguments.program], capture_output=True, text=True,
                           check=True).stdout.split()
    now = {}
    print(f'{"operation":16}{"instructions":>13}{"kept":>8}')
    for name in names:
        now[name] = round(counted(arguments.program, name, arguments.scratch))
        print(f'{name:16}{now[name]:13,}{before.get(name, 0):8,}', flush=True)
    if arguments.out:
        arguments.out.write_text(
            json.dumps({'format': FORMAT, 'instructions': now}, indent=1) + '\n')


if __name__ == '__main__':
    main()
