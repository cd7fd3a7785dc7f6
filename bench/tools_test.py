"""Tests of tools/bench_compare.py, bench_chart.py and bench_page.py. Run by ctest."""

import contextlib
import copy
import io
import json
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tools'))

import bench_chart  # noqa: E402  (the path is set above)
import bench_compare  # noqa: E402
import bench_page  # noqa: E402


def entry(per_second, cpu=1.0):
    return {'per_second': per_second, 'cpu_us_per_operation': cpu, 'p50_ns': 10, 'p99_ns': 20,
            'p999_ns': 30, 'max_ns': 40, 'held_us': 0, 'peak_rss_bytes': 1 << 20,
            'written_bytes': 300, 'user_bytes': 100, 'directory_bytes': 50, 'live_bytes': 100}


def runs(rates, first_rates):
    ratios = sorted(a / b for a, b in zip(first_rates, rates))
    ratio = {'median': ratios[len(ratios) // 2], 'low': ratios[0], 'high': ratios[-1]}
    return {'speed': ratio, 'cpu': ratio, 'rounds': [entry(rate) for rate in rates]}


def workload(name, ours=(100, 101, 102), theirs=(50, 50, 50), threads=1):
    return {'name': name,
            'terms': {'keys': 10, 'operations': 10, 'value_bytes': 100, 'memory_bytes': 1 << 20,
                      'threads': threads},
            'peers': {'aidb': runs(ours, ours), 'rocksdb': runs(theirs, ours)}}


def result(*workloads):
    return {'format': 2,
            'settings': {'keys': 10, 'operations': 10, 'synced_operations': 1, 'seconds': 3,
                         'key_bytes': 16, 'value_bytes': 100, 'key_style': 'binary',
                         'memory_bytes': 1 << 20, 'compression': 'lz4', 'threads': 1, 'pairs': 3,
                         'seed': 1, 'brief': 0},
            'machine': {'started': 'then', 'cpu': 'one', 'cores': 2, 'kernel': '6', 'load': 0.0,
                        'file_system': 'ext4', 'fdatasync_p50_ns': 1, 'fdatasync_p99_ns': 2,
                        'memcpy_bytes_per_second': 1e9},
            'peers': {'aidb': {'version': '1', 'terms': 'none'},
                      'rocksdb': {'version': '2', 'terms': 'some'}},
            'workloads': list(workloads)}


class Compare(unittest.TestCase):
    def run_on(self, old, new, *arguments):
        """(exit code, what was printed to both streams)."""
        with tempfile.TemporaryDirectory() as directory:
            paths = []
            for name, content in (('old.json', old), ('new.json', new)):
                paths.append(pathlib.Path(directory) / name)
                paths[-1].write_text(content if isinstance(content, str) else json.dumps(content))
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                code = bench_compare.main([*map(str, paths), *arguments])
        return code, printed.getvalue()

    def test_finds_nothing_between_a_file_and_itself(self):
        same = result(workload('fillseq'))
        code, printed = self.run_on(same, same)
        self.assertEqual(code, 0)
        self.assertEqual(printed.count('within noise'), 2)

    def test_fails_when_an_advantage_shrank_beyond_the_noise(self):
        code, printed = self.run_on(result(workload('fillseq')),
                                    result(workload('fillseq', ours=(80, 81, 82))))
        self.assertEqual(code, 1)
        self.assertIn('WORSE', printed)
        self.assertIn('bench_compare: 1 worse', printed)  # Of speed; the CPU is as it was.

    def test_calls_a_larger_advantage_better(self):
        code, printed = self.run_on(result(workload('fillseq')),
                                    result(workload('fillseq', ours=(150, 160, 170))))
        self.assertEqual(code, 0)
        self.assertIn('better', printed)

    def test_forgives_what_the_other_peer_lost_too(self):
        code, printed = self.run_on(
            result(workload('fillseq')),
            result(workload('fillseq', ours=(50, 50.5, 51), theirs=(25, 25, 25))))
        self.assertEqual(code, 0)
        self.assertNotIn('WORSE', printed)

    def test_forgives_ranges_that_overlap(self):
        code, _ = self.run_on(result(workload('fillseq', ours=(80, 100, 120))),
                              result(workload('fillseq', ours=(60, 70, 81))))
        self.assertEqual(code, 0)

    def test_forgives_a_change_below_the_least(self):
        old, new = result(workload('a')), result(workload('a', ours=(97, 97, 97)))
        self.assertEqual(self.run_on(old, new)[0], 0)
        self.assertEqual(self.run_on(old, new, '--least', '1')[0], 1)

    def test_does_not_judge_without_noise(self):
        code, printed = self.run_on(result(workload('a', (100,), (50,))),
                                    result(workload('a', (10,), (50,))))
        self.assertEqual(code, 0)
        self.assertIn('too few rounds', printed)

    def test_names_workloads_it_does_not_compare(self):
        code, printed = self.run_on(
            result(workload('a'), workload('b'), workload('gone')),
            result(workload('a'), workload('b', ours=(1, 1, 1), threads=8), workload('come')))
        self.assertEqual(code, 0)
        self.assertIn('terms differ: threads', printed)
        self.assertIn('only in the old file', printed)
        self.assertIn('only in the new file', printed)

    def test_compares_plain_figures_of_one_machine_only(self):
        old = result(workload('a'))
        new = result(workload('a', ours=(50, 50.5, 51), theirs=(25, 25, 25)))
        self.assertEqual(self.run_on(old, new, '--plain')[0], 1)
        new['machine']['cpu'] = 'another'
        self.assertEqual(self.run_on(old, new, '--plain')[0], 2)
        self.assertEqual(self.run_on(old, new)[0], 0)

    def test_compares_other_metrics_and_passes_over_unknown_figures(self):
        old, new = result(workload('a')), result(workload('a'))
        for each in new['workloads'][0]['peers']['aidb']['rounds']:
            each['p99_ns'] = 200
        self.assertEqual(self.run_on(old, new, '--metric', 'p99')[0], 1)
        code, printed = self.run_on(old, new, '--metric', 'held')  # Nothing was held: no ratio.
        self.assertEqual(code, 2)
        self.assertIn('nothing that can be compared', printed)

    def test_refuses_what_it_cannot_compare(self):
        good = result(workload('a'))
        brief, later = copy.deepcopy(good), copy.deepcopy(good)
        brief['settings']['brief'] = 1
        later['format'] = 99
        for bad in ('{', '[]', brief, later, result(workload('b'))):
            self.assertEqual(self.run_on(good, bad)[0], 2, bad)

    def test_reads_the_first_format_too(self):
        old = json.loads((ROOT / 'bench/results/2026-11-tmpfs.json').read_text(encoding='utf-8'))
        self.assertEqual(old['format'], 1)
        self.assertEqual(self.run_on(old, old)[0], 0)


class Chart(unittest.TestCase):
    def check(self, svg):
        self.assertEqual(xml.etree.ElementTree.fromstring(svg).tag,
                         '{http://www.w3.org/2000/svg}svg')

    def test_bars_are_as_long_as_their_values(self):
        svg = bench_chart.bars('t <&>', [('a', [('aidb', 100, ''), ('lmdb', 50, ' note')])])
        self.check(svg)
        longest = bench_chart.WIDTH - bench_chart.LEFT - 190
        self.assertIn(f'width="{longest:.1f}"', svg)
        self.assertIn(f'width="{longest / 2:.1f}"', svg)
        self.assertIn('50 note', svg)

    def test_lines_have_a_point_for_each_second(self):
        svg = bench_chart.lines('t', {'aidb': [1, 2, 3], 'unknown': [0, 0, 0]}, 'u')
        self.check(svg)
        for polyline in xml.etree.ElementTree.fromstring(svg).iter(
                '{http://www.w3.org/2000/svg}polyline'):
            self.assertEqual(len(polyline.get('points').split()), 3)

    def test_numbers_are_short(self):
        self.assertEqual([bench_chart.number(n) for n in (0.5, 12, 1234, 999_400, 999_999,
                                                                1_234_567, 1_234_567_890)],
                         ['0.5', '12', '1.23 k', '999 k', '1 M', '1.23 M', '1234.57 M'])


class Page(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        (self.root / 'docs').mkdir()
        (self.root / 'bench' / 'results').mkdir(parents=True)
        self.page = self.root / 'docs' / 'performance.md'
        self.page.write_text('before\n<!-- bench: r.json -->\n<!-- /bench -->\nbetween\n'
                             '<!-- published: r.json -->\nold\n<!-- /published -->\nafter\n')
        sustained = workload('sustained')
        for peer in sustained['peers'].values():
            for each in peer['rounds']:
                each['series'] = [1, 2, 3]
        cold = workload('readrandom@cold', theirs=(500, 500, 500))
        cold['terms'].update(all_memory_bytes=64 << 20, bound='memory cgroup')
        content = result(workload('fillseq'), workload('readrandom'), workload('ycsb_a@t8'),
                         workload('reopen'), cold, sustained)
        (self.root / 'bench/results/r.json').write_text(json.dumps(content))
        (self.root / 'bench/results/published.toml').write_text(
            '[[source]]\nurl = "https://x.y/z"\npeer = "rocksdb"\nterms = "old"\n'
            'per_second = { fillseq = 1_000, readrandom = 10, seekrandom = 5 }\n')

    def run_page(self, *arguments):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            code = bench_page.main(['--root', str(self.root), *arguments])
        return code, printed.getvalue()

    def test_writes_a_table_and_a_chart_per_group_and_then_agrees_with_itself(self):
        self.assertEqual(self.run_page('--check')[0], 1)
        self.assertEqual(self.run_page()[0], 0)
        self.assertEqual(self.run_page('--check'), (0, ''))
        charts = sorted(path.name for path in (self.root / 'docs/charts').iterdir())
        self.assertEqual(charts, [f'r-{group}.svg' for group in
                                  ('cold', 'mixed', 'opening', 'points', 'sustained', 'writes')])
        text = self.page.read_text()
        for chart in charts:
            self.assertIn(f'(charts/{chart})', text)
        self.assertTrue(text.startswith('before\n') and text.endswith('after\n'))
        self.assertIn('memory cgroup', text)

    def test_prints_losses_bold(self):
        self.run_page()
        text = self.page.read_text()
        cold = next(line for line in text.splitlines() if '0.20x' in line)
        self.assertIn('**0.20x (0.20–0.20)**', cold)
        self.assertIn('| 2.02x (2.00–2.04) |', text)
        self.assertIn('| `fillseq` | rocksdb (1) | 1,000 | 50 | **101** |', text)
        self.assertIn('| `readrandom` | rocksdb (1) | 10 | 50 | 101 |', text)
        self.assertIn('| `seekrandom` | rocksdb (1) | 5 | – | – |', text)

    def test_complains_of_charts_that_nothing_wrote(self):
        self.run_page()
        (self.root / 'docs/charts/old.svg').write_text('<svg/>')
        code, printed = self.run_page('--check')
        self.assertEqual(code, 1)
        self.assertIn('docs/charts/old.svg', printed)
        self.run_page()
        self.assertEqual(self.run_page('--check')[0], 0)


if __name__ == '__main__':
    unittest.main()
