#!/usr/bin/env python3
"""Checks the pages: links lead somewhere, modules have a README, shown code is compiled code.

    tools/doc.py [--root DIR]

A ```cpp block in README.md or docs/ stands below one of two markers:

    <!-- from examples/quick_start.cc: open -->   the block is, word for word, what that file has
                                                  between its lines `// [open]` and `// [/open]`
    <!-- not compiled: an excerpt of ... -->      the block is an illustration; says why

so that every other program a reader copies has been built and run by ctest. Until there is a
directory examples/ the first kind cannot be compared; the last line then counts such blocks.
"""

import argparse
import pathlib
import re
import sys
import textwrap

NOT_OURS = {'build', 'node_modules', 'data', '.git', '.cache'}
LINK = re.compile(r'(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)')
FENCE = re.compile(r'^```(\w*)\n(.*?)^```$', re.M | re.S)
BLOCK = re.compile(r'(?:^<!-- (?P<marker>[^\n]*?) -->\n+)?^```cpp\n(?P<code>.*?)^```$', re.M | re.S)
FROM = re.compile(r'from (\S+): (\w+)')


def pages(root):
    return sorted(path for path in root.rglob('*.md')
                  if not NOT_OURS.intersection(path.relative_to(root).parts))


def line_of(text, offset):
    return text.count('\n', 0, offset) + 1


def anchors(text):
    """The fragment of each heading, spelled as the common renderers do."""
    headings = re.findall(r'^#+ +(.*)$', FENCE.sub('', text), re.M)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def check_links(root, page, text):
    where = page.relative_to(root)
    prose = FENCE.sub(lambda match: '\n' * match.group(0).count('\n'), text)
    for match in LINK.finditer(prose):
        link = match.group(1) or match.group(2)
        if re.match(r'[a-z]+:', link):
            continue  # Another site; not ours to promise.
        path, _, fragment = link.partition('#')
        folder = root if path.startswith('/') else page.parent
        target = folder / path.lstrip('/') if path else page
        place = f'{where}:{line_of(prose, match.start())}'
        if not target.exists():
            yield f'{place}: the link to {link} leads nowhere'
        elif fragment and target.suffix == '.md' and fragment not in anchors(
                target.read_text(encoding='utf-8')):
            yield f'{place}: {path or where} has no heading #{fragment}'


def region(text, name):
    """What a source file has between `// [name]` and `// [/name]`, moved to the left margin."""
    match = re.search(rf'^[ \t]*// \[{name}\]\n(.*?)^[ \t]*// \[/{name}\]$', text, re.M | re.S)
    return textwrap.dedent(match.group(1)) if match else None


def check_code(root, page, text):
    where = page.relative_to(root)
    if where.name != 'README.md' and where.parts[0] != 'docs':
        return
    if where.parts[0] in ('aidb', 'apps', 'tests', 'bench'):
        return  # A module's own page shows fragments of its headers.
    for match in BLOCK.finditer(text):
        place = f'{where}:{line_of(text, match.start("code"))}'
        marker = match.group('marker') or ''
        source = FROM.fullmatch(marker)
        if source and not (root / 'examples').is_dir():
            continue
        if source:
            file, name = root / source.group(1), source.group(2)
            shown = region(file.read_text(encoding='utf-8'), name) if file.is_file() else None
            if shown is None:
                yield (f'{place}: {source.group(1)} has no lines between // [{name}] and '
                       f'// [/{name}]')
            elif shown != match.group('code'):
                yield f'{place}: differs from {source.group(1)}; copy the lines of [{name}] again'
        elif not re.fullmatch(r'not compiled: \S.*', marker):
            yield f'{place}: a cpp block needs a marker above it (see tools/doc.py)'


def check_readmes(root):
    """Each module, app and directory of drivers says on one page what it is for."""
    for folder in sorted([*root.glob('aidb/*/'), *root.glob('apps/*/'), root / 'bench']):
        if folder.is_dir() and any(folder.glob('*.*')) and not (folder / 'README.md').is_file():
            yield f'{folder.relative_to(root)}: has no README.md'


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--root', type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root.resolve()
    complaints = list(check_readmes(root))
    for page in pages(root):
        text = page.read_text(encoding='utf-8')
        complaints += [*check_links(root, page, text), *check_code(root, page, text)]
    print(*complaints, sep='\n', end='\n' if complaints else '')
    waiting = '' if (root / 'examples').is_dir() else (
        ', %d blocks wait for examples/' % sum(
            len(re.findall(r'^<!-- from ', page.read_text(encoding='utf-8'), re.M))
            for page in pages(root)))
    print(f'doc: {len(pages(root))} pages, {len(complaints)} complaints{waiting}')
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main())
