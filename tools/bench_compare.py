#!/usr/bin/env python3
"""Compares two result files of aidb_bench, with their noise.

    tools/bench_compare.py OLD.json NEW.json [--peer NAME] [--metric per_second|cpu_us_per_operation]

What is compared is a peer's advantage over each other peer of the same run, because machines and
their neighbours change from run to run and both peers feel it; --metric compares plain figures of
the same peer instead, which is only fair on one quiet machine.

A change counts when the ranges of the rounds do not overlap: below its noise a change is nothing.
Fails when something became worse, so that a script may ask.
"""

import argparse
import json
import pathlib
import statistics
import sys


def spread(values):
    """Median, low, high."""
    return statistics.median(values), min(values), max(values)


def advantages(result, peer):
    """(workload, other peer) -> how many times faster `peer` is, per round."""
    found = {}
    for workload in result['workloads']:
        runs = {name: entry['rounds'] for name, entry in workload['peers'].items()}
        for other, rounds in runs.items():
            if other == peer or peer not in runs:
                continue
            found[workload['name'], f'over {other}'] = [
                ours['per_second'] / theirs['per_second']
                for ours, theirs in zip(runs[peer], rounds)]
    return found


def figures(result, peer, metric):
    """(workload, metric) -> the figure of each round, larger is better."""
    found = {}
    for workload in result['workloads']:
        if peer in workload['peers']:
            values = [entry[metric] for entry in workload['peers'][peer]['rounds']]
            if metric != 'per_second':
                values = [1 / value for value in values]
            found[workload['name'], metric] = values
    return found


def verdict(old, new):
    if min(new) > max(old):
        return 'better'
    if max(new) < min(old):
        return 'WORSE'
    return 'within noise'


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('old', type=pathlib.Path)
    parser.add_argument('new', type=pathlib.Path)
    parser.add_argument('--peer', default='aidb')
    parser.add_argument('--metric', choices=('per_second', 'cpu_us_per_operation'))
    arguments = parser.parse_args()
    old, new = (json.loads(path.read_text(encoding='utf-8'))
                for path in (arguments.old, arguments.new))
    if old['settings'] != new['settings']:
        print('the settings differ:', old['settings'], new['settings'], sep='\n  ')
    if arguments.metric:
        before = figures(old, arguments.peer, arguments.metric)
        after = figures(new, arguments.peer, arguments.metric)
    else:
        before, after = advantages(old, arguments.peer), advantages(new, arguments.peer)
    worse = 0
    for key in [key for key in before if key in after]:
        judged = verdict(before[key], after[key])
        worse += judged == 'WORSE'
        (was, was_low, was_high), (now, low, high) = spread(before[key]), spread(after[key])
        print(f'{key[0]:22} {key[1]:20} {was:10.4g} ({was_low:.4g} to {was_high:.4g}) -> '
              f'{now:10.4g} ({low:.4g} to {high:.4g})  x{now / was:.2f}  {judged}')
    for key in sorted(before.keys() ^ after.keys()):
        print(f'{key[0]:22} {key[1]:20} only in the {"old" if key in before else "new"} file')
    print(f'bench_compare: {worse} worse')
    return 1 if worse else 0


if __name__ == '__main__':
    sys.exit(main())
