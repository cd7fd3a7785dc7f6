#!/usr/bin/env python3
"""Compares two result files of aidb_bench, with their noise.

    tools/bench_compare.py OLD.json NEW.json [--peer NAME] [--metric NAME]... [--plain] [--least PERCENT]

What is compared is a peer's advantage over each other peer of the same run: machines and their
neighbours change from run to run, and both peers feel it. --plain compares the peer's own figures
instead, which is only fair on one quiet machine.

A change counts when the ranges of the rounds do not overlap and the medians differ by more than
--least percent: below its noise a change is nothing. Workloads whose terms differ are named and
not compared. Results without noise (fewer than three rounds) are never judged.

Ends with 0 when nothing became worse, 1 when something did, 2 when the files cannot be compared.
"""

import argparse
import json
import pathlib
import statistics
import sys

FORMATS = (1, 2)
ROUNDS_MIN = 3


def over(part, whole):
    """None where one of the two is not known."""
    return part / whole if part and whole else None


# Each as a figure that is better when it is larger.
METRICS = {
    'speed': lambda entry: entry['per_second'],
    'cpu': lambda entry: over(1, entry['cpu_us_per_operation']),
    'p99': lambda entry: over(1, entry['p99_ns']),
    'max': lambda entry: over(1, entry['max_ns']),
    'held': lambda entry: over(1, entry.get('held_us')),
    'rss': lambda entry: over(1, entry['peak_rss_bytes']),
    'written': lambda entry: over(entry['user_bytes'], entry['written_bytes']),
    'space': lambda entry: over(entry['live_bytes'], entry['directory_bytes']),
}


class Unfit(Exception):
    """Why a file, or a pair of them, cannot be compared."""


def load(path):
    try:
        result = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise Unfit(f'{path}: {error}') from error
    if not isinstance(result, dict) or result.get('format') not in FORMATS:
        raise Unfit(f'{path}: no result file of a format in {FORMATS}')
    if result['settings'].get('brief'):
        raise Unfit(f'{path}: of a smoke run, which has no figures')
    return result


def terms_of(result, workload):
    """All that two runs of a workload must share; how often it ran is no part of that."""
    settings = {key: value for key, value in result['settings'].items()
                if key not in ('pairs', 'brief', 'seed')}
    if 'terms' in workload:  # Format 2; then the settings of the whole run say less.
        for key in ('keys', 'operations', 'synced_operations', 'value_bytes', 'memory_bytes',
                    'threads', 'seconds'):
            settings.pop(key, None)
        settings.update(workload['terms'])
        if 'series' in next(iter(workload['peers'].values()))['rounds'][0]:
            settings['seconds'] = result['settings']['seconds']
            settings.pop('operations')
    return settings


def figures(workload, peer, metric, plain):
    """What is compared with -> its figure in each round."""
    runs = {name: [METRICS[metric](entry) for entry in entries['rounds']]
            for name, entries in workload['peers'].items()}
    if peer not in runs:
        return {}
    if plain:
        found = {'': runs[peer]}
    else:
        found = {f'over {other}': [over(ours, theirs) for ours, theirs in zip(runs[peer], rounds)]
                 for other, rounds in runs.items() if other != peer}
    return {key: values for key, values in found.items() if None not in values}


def verdict(old, new, least_percent):
    if min(len(old), len(new)) < ROUNDS_MIN:
        return 'too few rounds'
    change = statistics.median(new) / statistics.median(old)
    enough = 1 + least_percent / 100
    if min(new) > max(old) and change > enough:
        return 'better'
    if max(new) < min(old) and change < 1 / enough:
        return 'WORSE'
    return 'within noise'


def spread(values):
    return f'{statistics.median(values):10.4g} ({min(values):.4g} to {max(values):.4g})'


def compare(old, new, peer, metrics, plain, least_percent):
    """Yields (workload, metric and other peer, line, verdict)."""
    before = {workload['name']: workload for workload in old['workloads']}
    after = {workload['name']: workload for workload in new['workloads']}
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after or name not in before:
            yield name, '', f'only in the {"old" if name in before else "new"} file', 'not compared'
            continue
        was, now = terms_of(old, before[name]), terms_of(new, after[name])
        if was != now:
            changed = sorted(key for key in was.keys() | now.keys() if was.get(key) != now.get(key))
            yield name, '', f'terms differ: {", ".join(changed)}', 'not compared'
            continue
        for metric in metrics:
            ours, theirs = (figures(workload, peer, metric, plain)
                            for workload in (before[name], after[name]))
            for key in [key for key in ours if key in theirs]:
                change = statistics.median(theirs[key]) / statistics.median(ours[key])
                yield (name, f'{metric} {key}'.strip(),
                       f'{spread(ours[key])} -> {spread(theirs[key])}  x{change:.2f}',
                       verdict(ours[key], theirs[key], least_percent))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('old', type=pathlib.Path)
    parser.add_argument('new', type=pathlib.Path)
    parser.add_argument('--peer', default='aidb')
    parser.add_argument('--metric', choices=METRICS, action='append')
    parser.add_argument('--plain', action='store_true')
    parser.add_argument('--least', type=float, default=5, metavar='PERCENT')
    arguments = parser.parse_args(arguments)
    try:
        old, new = load(arguments.old), load(arguments.new)
        machines = [{key: result['machine'][key] for key in ('cpu', 'cores', 'file_system')}
                    for result in (old, new)]
        if arguments.plain and machines[0] != machines[1]:
            raise Unfit('plain figures of two machines say nothing of the engine')
        lines = list(compare(old, new, arguments.peer, arguments.metric or ['speed', 'cpu'],
                             arguments.plain, arguments.least))
        if all(judged == 'not compared' for *_, judged in lines):
            raise Unfit('the files share nothing that can be compared')
    except Unfit as why:
        print(f'bench_compare: {why}', file=sys.stderr)
        return 2
    for name, what, line, judged in lines:
        print(f'{name:24} {what:22} {line}  {judged}')
    worse = sum(judged == 'WORSE' for *_, judged in lines)
    print(f'bench_compare: {worse} worse')
    return 1 if worse else 0


if __name__ == '__main__':
    sys.exit(main())
