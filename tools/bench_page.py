#!/usr/bin/env python3
"""Writes the tables and charts of docs/performance.md from result files of aidb_bench.

    tools/bench_page.py [--check] [--root DIR]

Each `<!-- bench: FILE -->` ... `<!-- /bench -->` in the page is filled from bench/results/FILE, with
a table and a chart (docs/charts/) per group of workloads. `<!-- published: FILE -->` ... is filled
with what peers' authors have published (bench/results/published.toml) beside the figures of FILE.
Where AiDb loses, its figure is bold.

--check writes nothing and fails when page or charts are not what it would write.
"""

import argparse
import json
import pathlib
import re
import statistics
import sys
import tomllib

import bench_chart

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r'(<!-- (bench|published): (\S+) -->\n).*?(<!-- /\2 -->)', re.S)
# The first whose names match takes a workload; cold ones are a group whatever they do.
GROUPS = (('cold', 'Data larger than memory', r'.*@cold'),
          ('opening', 'Opening after SIGKILL', r'reopen'),
          ('sustained', 'Overwriting by the clock', r'sustained'),
          ('writes', 'Writes', r'fill|overwrite|delete'),
          ('points', 'Point reads', r'readrandom|readmissing|readhot|multiread'),
          ('ranges', 'Seeks and walks', r'seek|readseq|readreverse'),
          ('mixed', 'Reads and writes', r'.'))


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


def milliseconds(entry):
    return count(entry['held_us'] / 1e3) if 'held_us' in entry else '–'


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


def cells_of(workload, place, name, runs):
    entry = median_round(runs['rounds'])
    memory = statistics.median(r['peak_rss_bytes'] for r in runs['rounds']) / 2**20
    return [f'`{workload["name"]}`' if place == 0 else '', name,
            count(entry['per_second']), f'{entry["cpu_us_per_operation"]:.3f}',
            f'{entry["p50_ns"] / 1e3:.2f}', f'{entry["p99_ns"] / 1e3:.2f}',
            f'{entry["p999_ns"] / 1e3:.1f}', f'{entry["max_ns"] / 1e6:.1f}', milliseconds(entry),
            count(memory), share(entry['written_bytes'], entry['user_bytes']),
            share(entry['directory_bytes'], entry['live_bytes']),
            '' if place == 0 else times(runs['speed']),
            '' if place == 0 else times(runs['cpu'])]


def table_of(workloads):
    yield ('| workload | peer | ops/s | CPU µs/op | p50 µs | p99 µs | p99.9 µs | max ms | held ms '
           '| peak RSS MiB | written/user | space/live | aidb faster | aidb less CPU |')
    yield '|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|'
    for workload in workloads:
        for place, (name, runs) in enumerate(workload['peers'].items()):
            yield '| ' + ' | '.join(cells_of(workload, place, name, runs)) + ' |'


def bounds_of(workloads):
    """How large the data of each cold workload was, and what bounded it."""
    for workload in workloads:
        terms = workload.get('terms', {})
        if 'bound' in terms:
            data = terms['keys'] * (16 + terms['value_bytes'])
            yield (f'`{workload["name"]}`: {data >> 20} MiB of keys and values in '
                   f'{terms["all_memory_bytes"] >> 20} MiB of memory ({terms["bound"]}), of which '
                   f'the engine has {terms["memory_bytes"] >> 20}.')
            yield ''


def chart_of(title, workloads):
    if 'series' in next(iter(workloads[0]['peers'].values()))['rounds'][0]:
        return bench_chart.lines(title, {name: median_round(runs['rounds'])['series'] for name, runs
                                         in workloads[0]['peers'].items()}, 'operations per second')
    rows = []
    for workload in workloads:
        entries = []
        for name, runs in workload['peers'].items():
            faster = runs['speed']['median']
            note = '' if not entries else f'   aidb {faster:.2f}x'
            entries.append((name, median_round(runs['rounds'])['per_second'], note))
        rows.append((workload['name'], entries))
    return bench_chart.bars(f'{title}: operations per second', rows)


def grouped(workloads):
    """(key, title, workloads) of each group that has any."""
    left = list(workloads)
    for key, title, pattern in GROUPS:
        mine = [workload for workload in left if re.match(pattern, workload['name'])]
        left = [workload for workload in left if workload not in mine]
        if mine:
            yield key, title, mine


class Page:
    """The page as it should be, with its charts: path below docs/ -> text."""

    def __init__(self, root):
        self.page = root / 'docs' / 'performance.md'
        self.charts_directory = root / 'docs' / 'charts'
        self.results = root / 'bench' / 'results'
        self.charts = {}
        self.before = self.page.read_text(encoding='utf-8')
        self.after = BLOCK.sub(self.filled, self.before)

    def load(self, name):
        return json.loads((self.results / name).read_text(encoding='utf-8'))

    def filled(self, match):
        name = match.group(3)
        kind = self.measured if match.group(2) == 'bench' else self.published
        return match.group(1) + '\n'.join(kind(name)) + '\n' + match.group(4)

    def measured(self, name):
        result = self.load(name)
        yield from terms_of(result)
        for key, title, workloads in grouped(result['workloads']):
            chart = f'{pathlib.PurePath(name).stem}-{key}.svg'
            self.charts[chart] = chart_of(title, workloads)
            yield from ('', f'![{title}](charts/{chart})', '')
            yield from bounds_of(workloads)
            yield from table_of(workloads)

    def published(self, name):
        medians = {workload['name']: {peer: median_round(runs['rounds'])['per_second']
                                      for peer, runs in workload['peers'].items()}
                   for workload in self.load(name)['workloads']}
        sources = tomllib.loads((self.results / 'published.toml').read_text(encoding='utf-8'))
        notes = []
        yield '| workload | peer | published ops/s | the peer here | aidb here |'
        yield '|---|---|--:|--:|--:|'
        for place, source in enumerate(sources['source'], start=1):
            notes.append(f'{place}. [{source["url"].partition("//")[2]}]({source["url"]}): '
                         f'{source["terms"]}.')
            for workload, per_second in source['per_second'].items():
                here = medians.get(workload, {})
                theirs, ours = here.get(source['peer']), here.get('aidb')
                lost = ours and ours < per_second
                yield (f'| `{workload}` | {source["peer"]} ({place}) | {count(per_second)} '
                       f'| {count(theirs) if theirs else "–"} '
                       f'| {"–" if not ours else f"**{count(ours)}**" if lost else count(ours)} |')
        yield ''
        yield from notes

    def differences(self):
        if self.before != self.after:
            yield self.page
        present = {path.name for path in self.charts_directory.glob('*.svg')}
        for name in sorted(present | self.charts.keys()):
            path = self.charts_directory / name
            if (name not in present or name not in self.charts
                    or path.read_text(encoding='utf-8') != self.charts[name]):
                yield path

    def write(self):
        self.charts_directory.mkdir(exist_ok=True)
        for path in list(self.charts_directory.glob('*.svg')):
            if path.name not in self.charts:
                path.unlink()
        for name, text in self.charts.items():
            (self.charts_directory / name).write_text(text, encoding='utf-8')
        self.page.write_text(self.after, encoding='utf-8')


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--check', action='store_true')
    parser.add_argument('--root', type=pathlib.Path, default=ROOT)
    arguments = parser.parse_args(arguments)
    page = Page(arguments.root)
    if not arguments.check:
        page.write()
        return 0
    differing = list(page.differences())
    for path in differing:
        print(f'{path.relative_to(arguments.root)}: differs from its results; '
              'run tools/bench_page.py')
    return 1 if differing else 0


if __name__ == '__main__':
    sys.exit(main())
