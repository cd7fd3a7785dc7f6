#!/usr/bin/env python3
"""Reads tools/deps.toml, the one list of packages.

    tools/deps.py missing SET...   the packages of these sets that are not installed
    tools/deps.py sets             the names of all sets
    tools/deps.py page [--check]   writes (or compares) the tables of docs/dependencies.md
"""

import argparse
import pathlib
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / 'docs' / 'dependencies.md'
BEGIN, END = '<!-- packages: written by tools/deps.py page -->', '<!-- /packages -->'


def load():
    with open(ROOT / 'tools' / 'deps.toml', 'rb') as file:
        return tomllib.load(file)


def installed():
    """The names dpkg has fully installed."""
    lines = subprocess.run(['dpkg-query', '-W', '-f', '${db:Status-Status} ${Package}\n'],
                           check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[1] for line in lines if line.startswith('installed ')}


def tables(sets):
    lines = []
    for name, packages in sets.items():
        lines += [f'### {name}', '', '| package | seen | licence | used by | why, and not what |',
                  '|---|---|---|---|---|']
        lines += ['| {} | {} | {} | {} | {} |'.format(
            package, *(entry[key] for key in ('seen', 'licence', 'used_by', 'why')))
            for package, entry in packages.items()]
        lines.append('')
    return '\n'.join(lines)


def page(sets, check):
    text = PAGE.read_text(encoding='utf-8')
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f'{before}{BEGIN}\n\n{tables(sets)}\n{END}{after}'
    if check and wanted != text:
        print('docs/dependencies.md differs from tools/deps.toml; run tools/deps.py page')
        return 1
    if not check:
        PAGE.write_text(wanted, encoding='utf-8')
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    verbs = parser.add_subparsers(dest='verb', required=True)
    verbs.add_parser('missing').add_argument('set', nargs='+')
    verbs.add_parser('sets')
    verbs.add_parser('page').add_argument('--check', action='store_true')
    arguments, sets = parser.parse_args(), load()
    if arguments.verb == 'sets':
        print(*sets)
        return 0
    if arguments.verb == 'page':
        return page(sets, arguments.check)
    unknown = [name for name in arguments.set if name not in sets]
    if unknown:
        print(f'no such set: {" ".join(unknown)}; there are: {" ".join(sets)}', file=sys.stderr)
        return 2
    present = installed()
    print(*[package for name in arguments.set for package in sets[name] if package not in present])
    return 0


if __name__ == '__main__':
    sys.exit(main())
