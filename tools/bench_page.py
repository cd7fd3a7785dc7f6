#!/usr/bin/env python3
"""Writes the tables of docs/performance.md from result files of aidb_bench.

    tools/bench_page.py [--check]

Each `<!-- bench: FILE -->` ... `<!-- /bench -->` in the page is filled from bench/results/FILE.
--check writes nothing and fails when the page is not what it would write.
"""

import argparse
import json
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / 'docs' / 'performance.md'
RESULTS = ROOT / 'bench' / 'results'
BLOCK = re.compile(r'(<!-- bench: (\S+) -->\n).*?(<!-- /bench -->)', re.S)


def median_round(rounds):
    """As the driver has it: of an even number the slower middle one."""
    return sorted(rounds, key=lambda entry: entry['per_second'])[(len(rounds) - 1) // 2]


def count(value):
    return f'{value:,.0f}'


def times(ratio):
    text = f'{ratio["median"]:.2f}x ({ratio["low"]:.2f}–{ratio["high"]:.2f})'
    return f'**{text}**' if ratio['median'] < 1 else text


def share(part, whole):
    return f'{part / whole:.2f}' if part and whole else '–'


def terms_of(result):
    settings, machine = result['settings'], result['machine']
    yield (f'{machine["started"]}, {machine["cpu"]}, {machine["cores"]} cores, '
           f'Linux {machine["kernel"]}, load {machine["load"]:.1f}; {machine["file_system"]}, '
           f'fdatasync of a 4 KiB append p50 {machine["fdatasync_p50_ns"] / 1e3:.0f} µs, '
           f'p99 {machine["fdatasync_p99_ns"] / 1e3:.0f} µs; '
           f'memcpy {machine["memcpy_bytes_per_second"] / 1e9:.1f} GB/s. '
           f'{count(settings["keys"])} keys of {settings["key_bytes"]} bytes '
           f'({settings["key_style"]}), values of {settings["value_bytes"]} bytes, memory '
           f'{settings["memory_bytes"] >> 20} MiB, {settings["compression"]}, '
           f'{settings["threads"]} thread(s), {settings["pairs"]} rounds, seed '
           f'{settings["seed"]}.')
    yield ''
    for name, peer in result['peers'].items():
        yield f'- `{name}` {peer["version"]}: {peer["terms"]}'


def table_of(result):
    yield ('| workload | peer | ops/s | CPU µs/op | p50 µs | p99 µs | p99.9 µs | max ms | peak '
           'RSS MiB | written/user | space/live | aidb faster | aidb less CPU |')
    yield '|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|'
    for workload in result['workloads']:
        for place, (name, runs) in enumerate(workload['peers'].items()):
            entry = median_round(runs['rounds'])
            cells = [f'`{workload["name"]}`' if place == 0 else '', name,
                     count(entry['per_second']), f'{entry["cpu_us_per_operation"]:.3f}',
                     f'{entry["p50_ns"] / 1e3:.2f}', f'{entry["p99_ns"] / 1e3:.2f}',
                     f'{entry["p999_ns"] / 1e3:.1f}', f'{entry["max_ns"] / 1e6:.1f}',
                     count(statistics.median(r['peak_rss_bytes'] for r in runs['rounds']) / 2**20),
                     share(entry['written_bytes'], entry['user_bytes']),
                     share(entry['directory_bytes'], entry['live_bytes']),
                     '' if place == 0 else times(runs['speed']),
                     '' if place == 0 else times(runs['cpu'])]
            yield '| ' + ' | '.join(cells) + ' |'


def filled(match):
    result = json.loads((RESULTS / match.group(2)).read_text(encoding='utf-8'))
    lines = [*terms_of(result), '', *table_of(result)]
    return match.group(1) + '\n'.join(lines) + '\n' + match.group(3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--check', action='store_true')
    arguments = parser.parse_args()
    before = PAGE.read_text(encoding='utf-8')
    after = BLOCK.sub(filled, before)
    if arguments.check:
        if before != after:
            print(f'{PAGE.relative_to(ROOT)}: differs from its results; run tools/bench_page.py')
        return before != after
    PAGE.write_text(after, encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
