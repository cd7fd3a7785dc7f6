#!/usr/bin/env python3
"""Runs the command line as a user does: every command, every exit code, every kind of error.

    tests/e2e/command_line_test.py PATH_OF_AIDB [unittest arguments]
"""

import base64
import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
import tempfile
import time
import unittest

AIDB = ''
SAMPLE = pathlib.Path(__file__).resolve().parents[2] / 'examples/data/cities_sample.json'
TEMPLATE = 'city:{country}:{name}#{n}'
OK, NO, INVALID, FAILED, UNAVAILABLE = 0, 1, 2, 3, 4


class CommandLine(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix='aidb-e2e-')
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.db = self.directory / 'db'

    def run_aidb(self, *arguments, stdin=b'', db=None):
        return subprocess.run([AIDB, *map(str, arguments), '--db', str(db or self.db)],
                              input=stdin, capture_output=True, check=False, timeout=300)

    def ask(self, *arguments, code=OK, stdin=b'', db=None):
        """What a command printed; fails when it ends otherwise, or complains although it is ok."""
        done = self.run_aidb(*arguments, stdin=stdin, db=db)
        self.assertEqual(done.returncode, code, done.stderr.decode(errors='replace'))
        if code == OK:
            self.assertEqual(done.stderr, b'')
        return done.stdout

    def complaint(self, *arguments, code, stdin=b'', db=None):
        done = self.run_aidb(*arguments, stdin=stdin, db=db)
        self.assertEqual(done.returncode, code, done)
        return done.stderr.decode()

    def write(self, name, content):
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def import_sample(self, *arguments, **keywords):
        return self.ask('import', SAMPLE, '--key-template', TEMPLATE, *arguments, **keywords)


class SingleKeys(CommandLine):
    def test_put_get_delete(self):
        self.ask('put', 'city:paris', '2.1M')
        self.assertEqual(self.ask('get', 'city:paris'), b'2.1M')
        self.ask('put', 'city:paris', '', '--sync')
        self.assertEqual(self.ask('get', 'city:paris'), b'')
        self.ask('delete', 'city:paris')
        self.assertIn("key 'city:paris' not found", self.complaint('get', 'city:paris', code=NO))
        self.ask('delete', 'city:paris')

    def test_values_expire(self):
        before = time.time() * 1000
        self.ask('put', 'long', 'v', '--ttl', '1000.5')
        got = json.loads(self.ask('get', 'long', '--output', 'json'))
        self.assertGreaterEqual(got['expires_at_ms'], int(before) + 1_000_500)
        self.assertLessEqual(got['expires_at_ms'], time.time() * 1000 + 1_000_501)
        self.ask('put', 'short', 'v', '--ttl', '0.001')
        while self.run_aidb('get', 'short').returncode != NO:  # Ends with the test's own limit.
            pass
        self.ask('put', 'long', 'v')
        self.assertNotIn('expires_at_ms', json.loads(self.ask('get', 'long', '--output', 'json')))
        self.complaint('put', 'k', 'v', '--ttl', '0', code=INVALID)

    def test_merge(self):
        self.ask('merge', 'n', 'add', '40')
        self.ask('merge', 'n', 'add', '2')
        self.assertEqual(self.ask('get', 'n'), b'42')
        self.ask('merge', 'n', 'add', '-50')
        self.ask('merge', 'n', 'append', r'\x00', '--escaped')
        self.assertEqual(self.ask('get', 'n'), b'-8\0')
        self.ask('merge', 'n', 'max', 'z')
        self.assertEqual(json.loads(self.ask('merge', 'n', 'min', 'y', '--output', 'json')),
                         {'ok': True})
        self.assertEqual(self.ask('get', 'n'), b'y')
        self.complaint('merge', 'n', 'multiply', '2', code=INVALID)

    def test_keyspaces(self):
        self.ask('put', 'k', 'v')
        self.ask('put', 'k', 'user', '--keyspace', 'users')
        self.ask('merge', 'n', 'add', '2', '--keyspace', 'users')
        self.assertEqual(self.ask('get', 'k', '--keyspace', 'users'), b'user')
        self.assertEqual(self.ask('scan', '--keyspace', 'users'), b'k\tuser\nn\t2\n')
        self.assertEqual(self.ask('scan'), b'k\tv\n')
        self.assertEqual(self.ask('count', '--keyspace', 'users'), b'2\n')
        self.ask('delete', 'k', '--keyspace', 'users')
        self.ask('delete-range', '--all', '--keyspace', 'users', '--from', 'o')
        self.ask('compact', '--keyspace', 'users')
        self.assertEqual(self.ask('keyspaces', '--output', 'json'),
                         b'{"keyspace":"users","id":1}\n')
        self.assertIn('there is no keyspace', self.complaint('get', 'k', '--keyspace', 'none',
                                                             code=INVALID))
        self.assertIn('leave --keyspace out', self.complaint('stats', '--keyspace', 'users',
                                                             code=INVALID))
        self.ask('drop-keyspace', 'users', '--sync')
        self.ask('drop-keyspace', 'users')
        self.assertEqual(self.ask('keyspaces'), b'')
        self.assertEqual(self.ask('scan'), b'k\tv\n')

    def test_updates_of_keyspaces(self):
        lines = '{"key":"a","value":"1","keyspace":"users"}\n{"key":"b","value":"2"}\n'
        self.ask('import', stdin=lines.encode())
        self.ask('put', 'c', '3', '--keyspace', 'users')
        self.assertEqual(self.ask('updates', '--since', '4'), b'5\tput\tc\t3\tkeyspace=users\n')
        self.ask('drop-keyspace', 'users')
        self.assertEqual(self.ask('updates', '--since', '4').splitlines()[1:],
                         [b'6\tdrop-keyspace\tusers', b'7\tdelete-range\t\t\tkeyspace=#1',
                          b'8\tkeyspaces\t\tkeyspaces/1 2 0'])
        self.ask('put', 'd', '4', '--keyspace', 'next')
        told = [json.loads(line) for line in
                self.ask('updates', '--since', '8', '--output', 'json').splitlines()]
        self.assertEqual([one['operation'] for one in told], ['keyspaces', 'create-keyspace', 'put'])
        self.assertEqual((told[2]['keyspace'], told[2]['keyspace_id']), ('next', 2))
        self.assertEqual(self.ask('updates', '--since', '4', '--keyspace', 'next'),
                         b'11\tput\td\t4\tkeyspace=next\n')

    def test_values_are_bytes(self):
        value = bytes(range(256)) * 300
        self.ask('put', 'all', stdin=value)
        self.assertEqual(self.ask('get', 'all'), value)
        self.ask('put', r'k\x00\xff', r'\\\t\n', '--escaped')
        self.assertEqual(self.ask('get', r'k\x00\xFF', '--escaped'), b'\\\t\n')
        self.assertEqual(self.ask('put', r'plain\x', 'v'), b'')
        self.assertIn('is no escape', self.complaint('put', r'a\x', 'v', '--escaped', code=INVALID))

    def test_json_answers(self):
        self.ask('put', r'k\xff', r'v\x00"', '--escaped')
        got = json.loads(self.ask('get', r'k\xff', '--escaped', '--output', 'json'))
        self.assertEqual(base64.b64decode(got['key_base64']), b'k\xff')
        self.assertEqual((got['found'], got['value']), (True, 'v\0"'))
        missing = json.loads(self.ask('get', 'none', '--output', 'json', code=NO))
        self.assertEqual(missing, {'key': 'none', 'found': False})
        self.assertEqual(json.loads(self.ask('put', 'a', 'b', '--output', 'json')), {'ok': True})
        self.assertEqual(json.loads(self.ask('delete', 'a', '--output', 'json')), {'ok': True})

    def test_both_backends_and_only_their_own_directory(self):
        other = self.directory / 'rocks'
        if 'no rocksdb backend' in self.run_aidb('put', 'a', '1', '--backend', 'rocksdb',
                                                 db=other).stderr.decode():
            return  # A build without it; the unit tests check what it says.
        self.assertEqual(self.ask('get', 'a', '--backend', 'rocksdb', db=other), b'1')
        self.assertIn('of the rocksdb backend', self.complaint('get', 'a', code=INVALID, db=other))


class Ranges(CommandLine):
    def setUp(self):
        super().setUp()
        lines = ''.join(f'{key}\t{key.upper()}\n' for key in ('a', 'b:1', 'b:2', 'b:3', 'c'))
        self.ask('import', '--format', 'tsv', stdin=lines.encode())

    def keys(self, *arguments):
        return self.ask('scan', '--keys-only', *arguments).decode().split()

    def test_scan(self):
        self.assertEqual(self.ask('scan', '--to', 'b:2'), b'a\tA\nb:1\tB:1\n')
        self.assertEqual(self.keys('--prefix', 'b:'), ['b:1', 'b:2', 'b:3'])
        self.assertEqual(self.keys('--from', 'b:2', '--to', 'c'), ['b:2', 'b:3'])
        self.assertEqual(self.keys('--reverse', '--limit', '2'), ['c', 'b:3'])
        self.assertEqual(self.keys('--prefix', 'b:', '--reverse', '--to', 'b:3'), ['b:2', 'b:1'])
        self.assertEqual(self.keys('--from', r'\x62:2', '--escaped', '--limit', '1'), ['b:2'])
        self.assertEqual(self.keys('--limit', '0'), [])
        self.assertEqual(self.keys('--prefix', 'x'), [])

    def test_delete_range(self):
        self.ask('delete-range', '--from', 'b:1', '--to', 'b:3')
        self.assertEqual(self.keys(), ['a', 'b:3', 'c'])
        self.assertIn('ends before', self.complaint('delete-range', '--from', 'b', '--to', 'a',
                                                    code=INVALID))
        self.assertIn('--all', self.complaint('delete-range', code=INVALID))
        self.ask('delete-range', '--prefix', 'b:')
        self.assertEqual(self.keys(), ['a', 'c'])
        self.assertIn('no problem', self.ask('check').decode())
        answer = json.loads(self.ask('delete-range', '--all', '--output', 'json'))
        self.assertTrue(answer['ok'])
        self.assertEqual(self.keys(), [])

    def test_compact(self):
        self.ask('delete', 'b:2')
        self.assertIn(b'tables: ', self.ask('compact', '--prefix', 'b:'))
        answer = json.loads(self.ask('compact', '--output', 'json'))
        self.assertGreater(answer['table_bytes'], 0)
        self.assertEqual(self.keys(), ['a', 'b:1', 'b:3', 'c'])
        stats = json.loads(self.ask('stats', '--output', 'json'))
        self.assertEqual([level['tables'] > 0 for level in stats['levels']].count(True), 1)
        self.assertIn('no store', self.complaint('compact', code=INVALID, db=self.directory / 'x'))

    def test_updates(self):
        self.ask('delete', 'b:2')
        self.ask('merge', 'n', 'add', '7')
        # Import has put its records into tables, so that the log begins behind them.
        expected = b'6\tdelete\tb:2\n7\tmerge\tn\tadd\t7\n'
        self.assertEqual(self.ask('updates', '--since', '5'), expected)
        self.assertEqual(self.ask('updates'), expected)
        lines = [json.loads(line) for line in self.ask('updates', '--output', 'json').splitlines()]
        self.assertEqual(lines, [
            {'sequence': 6, 'batch': 6, 'operation': 'delete', 'key': 'b:2'},
            {'sequence': 7, 'batch': 7, 'operation': 'merge', 'key': 'n', 'operand': '7',
             'operator': 'add'}])
        self.ask('put', 'session', 'x', '--ttl', '1000')
        last = json.loads(self.ask('updates', '--since', '7', '--output', 'json'))
        self.assertGreater(last['expires_at_ms'], 1_000_000)
        self.assertEqual(self.ask('updates', '--limit', '1'), b'6\tdelete\tb:2\n')
        self.ask('delete-range', '--from', 'x', '--to', 'y')
        self.assertEqual(self.ask('updates', '--since', '8'), b'9\tdelete-range\tx\ty\n')
        last = json.loads(self.ask('updates', '--since', '8', '--output', 'json'))
        self.assertEqual((last['key'], last['end']), ('x', 'y'))
        self.ask('merge', 'n', 'add', '5')
        # In a store that has seen a value expire merges are told as what they made.
        self.assertEqual(self.ask('updates', '--since', '9'), b'10\tput\tn\t12\n')
        self.assertEqual(self.ask('updates', '--since', '10'), b'')
        self.assertIn('the newest here is 10', self.complaint('updates', '--since', '11', code=INVALID))
        self.ask('compact')
        self.assertEqual(self.ask('updates'), b'')
        self.assertIn('begin anew at sequence 10',
                      self.complaint('updates', '--since', '3', code=UNAVAILABLE))

    def test_checkpoint(self):
        copy = self.directory / 'copy'
        self.assertEqual(self.ask('checkpoint', copy), b'')
        self.ask('put', 'later', '1')
        self.assertEqual(self.ask('get', 'b:2', db=copy), b'B:2')
        self.complaint('get', 'later', code=NO, db=copy)
        self.assertIn('no problem', self.ask('check', db=copy).decode())
        self.assertIn('is there already', self.complaint('checkpoint', copy, code=INVALID))
        self.assertIn('no store', self.complaint('checkpoint', self.directory / 'y', code=INVALID,
                                                 db=self.directory / 'x'))

    def test_ingest(self):
        file = self.directory / 'sorted.sst'
        other = self.directory / 'other'
        self.assertIn('exported 5 records', self.ask('export', file).decode())
        self.ask('put', 'b:2', 'old', db=other)
        self.assertIn('ingested 1 file as sequence 2', self.ask('ingest', file, db=other).decode())
        self.assertEqual(self.ask('get', 'b:2', db=other), b'B:2')
        self.assertEqual(self.ask('scan', db=other), self.ask('scan'))
        self.assertIn('ingest\t', self.ask('updates', db=other).decode())
        self.assertIn('no problem', self.ask('check', db=other).decode())
        self.assertIn('share keys', self.complaint('ingest', file, file, code=INVALID))
        self.assertIn(str(file), self.complaint('export', file, code=INVALID))
        file.write_bytes(file.read_bytes()[:-1])
        self.assertIn(str(file), self.complaint('ingest', file, code=FAILED))

    def test_repair(self):
        saved = self.directory / 'saved'
        self.assertIn(b'saved 5 keys', self.ask('repair', saved))
        (self.db / 'CURRENT').unlink()
        self.assertIn('run: aidb repair', self.complaint('get', 'a', code=FAILED))
        again = self.directory / 'again'
        report = json.loads(self.ask('repair', again, '--output', 'json', code=FAILED))
        self.assertEqual((report['ok'], report['keys']), (False, 5))
        self.assertEqual(report['losses'][0]['file'], 'CURRENT')
        for store in (saved, again):
            self.assertEqual(self.ask('get', 'b:2', db=store), b'B:2')
            self.ask('check', db=store)
        self.assertIn('is there already', self.complaint('repair', again, code=INVALID))

    def test_scan_as_json(self):
        lines = self.ask('scan', '--prefix', 'b:', '--output', 'json').splitlines()
        self.assertEqual([json.loads(line) for line in lines],
                         [{'key': f'b:{n}', 'value': f'B:{n}'} for n in (1, 2, 3)])
        lines = self.ask('scan', '--limit', '1', '--keys-only', '--output', 'json').splitlines()
        self.assertEqual([json.loads(line) for line in lines], [{'key': 'a'}])

    def test_count(self):
        self.assertEqual(self.ask('count'), b'5\n')
        self.assertEqual(self.ask('count', '--prefix', 'b:', '--from', 'b:2'), b'2\n')
        self.assertEqual(json.loads(self.ask('count', '--output', 'json')), {'count': 5})

    def test_stats(self):
        text = self.ask('stats').decode()
        self.assertRegex(text, r'(?m)^backend +native$')
        stats = json.loads(self.ask('stats', '--output', 'json'))
        self.assertEqual(stats['backend'], 'native')
        self.assertEqual(stats['sequence'], 5)
        self.assertEqual(stats['background_error'], '')
        self.assertEqual(stats['damaged'], [])
        self.assertEqual(sum(level['tables'] for level in stats['levels']), 1)


class ImportAndExport(CommandLine):
    def test_real_records_come_back_as_they_were(self):
        self.assertIn(b'imported', self.import_sample())
        cities = json.loads(SAMPLE.read_bytes())
        self.assertEqual(self.ask('count'), f'{len(cities)}\n'.encode())
        scanned = [json.loads(line) for line in
                   self.ask('scan', '--output', 'json').splitlines()]
        expected = {f"city:{city['country']}:{city['name']}#{number}": city
                    for number, city in enumerate(cities, 1)}
        self.assertEqual({pair['key']: json.loads(pair['value']) for pair in scanned}, expected)
        keys = [pair['key'].encode() for pair in scanned]
        self.assertEqual(keys, sorted(keys))
        self.assertIn(b'0 missing, 0 different', self.import_sample('--verify'))

    def test_any_bytes_survive_export_and_import(self):
        pairs = {bytes([n]) * (n % 5): bytes([255 - n, n]) * (n % 7) for n in range(256)}
        lines = b''.join(b'{"key_base64":"%s","value_base64":"%s"}\n' % (
            base64.b64encode(key), base64.b64encode(value)) for key, value in pairs.items())
        self.ask('import', stdin=lines)
        for name in ('out.ndjson', 'out.tsv'):
            path, other = self.directory / name, self.directory / (name + '.db')
            self.assertIn(b'exported', self.ask('export', path))
            self.ask('import', path, db=other)
            self.assertEqual(self.ask('scan', db=other), self.ask('scan'))
            self.assertEqual(self.ask('export', db=other), self.ask('export'))
            self.ask('import', path, '--verify', db=other)
        for line in self.ask('export').splitlines():
            self.assertEqual(len(json.loads(line)), 2)
        self.assertEqual(self.ask('count'), f'{len(pairs)}\n'.encode())

    def test_expiry_survives_export_and_import(self):
        later = int(time.time() * 1000) + 3_600_000
        past = 1_000
        lines = (f'{{"key":"a","value":"1","expires_at_ms":{later}}}\n'
                 f'{{"key":"b","value":"2"}}\n'
                 f'{{"key":"c","value":"3","expires_at_ms":{past}}}\n')
        self.ask('import', stdin=lines.encode())
        self.ask('import', '--verify', stdin=lines.encode())
        exported = self.ask('export').splitlines()
        self.assertEqual([json.loads(line) for line in exported],
                         [{'key': 'a', 'value': '1', 'expires_at_ms': later},
                          {'key': 'b', 'value': '2'}])
        tsv = self.ask('export', '--format', 'tsv')
        self.assertEqual(tsv, f'a\t1\texpires_at_ms={later}\nb\t2\n'.encode())
        other = self.directory / 'other'
        self.ask('import', '--format', 'tsv', stdin=tsv, db=other)
        self.assertEqual(self.ask('export', db=other).splitlines(), exported)
        csv = f'key,value,expires_at_ms\na,1,{later}\nb,2,\n'
        third = self.directory / 'third'
        self.ask('import', '--format', 'csv', stdin=csv.encode(), db=third)
        self.assertEqual(self.ask('export', db=third).splitlines(), exported)

    def test_keyspaces_survive_export_and_import(self):
        self.ask('put', 'k', 'default')
        self.ask('put', 'k', 'user', '--keyspace', 'users')
        self.ask('put', 'n', '1', '--keyspace', 'users')
        self.ask('put', 'k', 'order', '--keyspace', 'or ders')
        self.ask('put', '\\xFF', 'last', '--escaped')
        self.assertEqual(self.ask('keyspaces'), b'or ders\nusers\n')
        self.assertEqual(self.ask('export', '--keyspace', 'users', '--format', 'tsv'),
                         b'k\tuser\nn\t1\n')
        exported = self.ask('export')
        self.assertEqual(json.loads(exported.splitlines()[-1]),
                         {'key': 'n', 'value': '1', 'keyspace': 'users'})
        self.assertEqual(len(self.ask('export', '--prefix', 'k').splitlines()), 1)
        for name in ('out.ndjson', 'out.tsv'):
            path, other = self.directory / name, self.directory / (name + '.db')
            self.ask('export', path)
            self.ask('import', path, db=other)
            self.assertEqual(self.ask('export', db=other), exported)
            self.ask('import', path, '--verify', db=other)
        one = self.ask('export', '--keyspace', 'users')
        third = self.directory / 'third'
        self.ask('import', '--keyspace', 'people', stdin=one, db=third)
        self.assertEqual(self.ask('scan', '--keyspace', 'people', db=third), b'k\tuser\nn\t1\n')
        self.assertEqual(self.ask('count', db=third), b'0\n')
        self.ask('import', '--verify', '--keyspace', 'people', stdin=one, db=third)

    def test_export_takes_a_range(self):
        self.import_sample()
        french = self.ask('export', '--prefix', 'city:FR:').splitlines()
        self.assertEqual(len(french), int(self.ask('count', '--prefix', 'city:FR:')))
        self.assertGreater(len(french), 5)

    def test_skip_limit_and_acknowledgements(self):
        acknowledged = self.directory / 'acknowledged'
        self.import_sample('--batch', '30', '--limit', '100', '--acknowledge', acknowledged)
        self.assertEqual(acknowledged.read_text().split(), ['30', '60', '90', '100'])
        self.assertEqual(self.ask('count'), b'100\n')
        done = json.loads(self.import_sample('--skip', '100', '--output', 'json'))
        total = len(json.loads(SAMPLE.read_bytes()))
        self.assertEqual((done['records'], done['last_record']), (total - 100, total))
        self.import_sample('--verify')
        text = self.import_sample('--limit', '3', '--batch', '1', '--acknowledge', '-').decode()
        self.assertEqual(text.split()[:3], ['1', '2', '3'])

    def test_csv(self):
        csv = self.write('c.csv', 'city,people\r\n"Paris, FR",2\r\nBonn,"say ""x"""\r\n')
        self.ask('import', csv, '--key-template', '{city}')
        self.assertEqual(json.loads(self.ask('get', 'Paris, FR')),
                         {'city': 'Paris, FR', 'people': '2'})
        self.assertEqual(json.loads(self.ask('get', 'Bonn'))['people'], 'say "x"')

    def test_verify_says_what_is_missing_and_different(self):
        self.import_sample()
        key = self.ask('scan', '--keys-only', '--limit', '2').decode().splitlines()
        self.ask('delete', key[0])
        self.ask('put', key[1], 'other')
        done = self.run_aidb('import', SAMPLE, '--key-template', TEMPLATE, '--verify')
        self.assertEqual(done.returncode, NO)
        self.assertIn('1 missing, 1 different', done.stdout.decode())
        self.assertIn(f"key '{key[0]}' is missing", done.stderr.decode())
        self.assertIn(f"key '{key[1]}' has another value", done.stderr.decode())

    def test_a_bad_record_is_named_and_those_before_it_are_kept(self):
        path = self.write('bad.ndjson', '{"key":"a","value":"1"}\n\n{"key":"b","value":2\n')
        self.assertIn(f'{path}, line 3, record 2: no JSON',
                      self.complaint('import', path, code=INVALID))
        self.assertEqual(self.ask('scan'), b'a\t1\n')
        error = json.loads(self.complaint('import', path, '--output', 'json', code=INVALID))
        self.assertEqual(error['error']['code'], 'invalid argument')

    def test_progress_lines(self):
        done = self.run_aidb('import', SAMPLE, '--key-template', TEMPLATE, '--progress', 'always')
        self.assertRegex(done.stderr.decode(), r'^importing 100 %  \d+ records  [\d,]+/s\n$')

    def test_a_bar_on_a_terminal(self):
        ours, theirs = pty.openpty()
        with open(ours, 'rb', buffering=0) as screen:
            done = subprocess.run([AIDB, 'import', SAMPLE, '--key-template', TEMPLATE, '--db',
                                   self.db], stderr=theirs, stdout=subprocess.PIPE, check=False)
            os.close(theirs)
            drawn = screen.read(100_000).decode()
        self.assertEqual(done.returncode, OK)
        self.assertRegex(drawn, r'\rimporting \[={30}\] 100 %  \d+ records  [\d,]+/s')
        self.assertNotIn(b'importing', done.stdout)


class Errors(CommandLine):
    def test_wrong_command_lines(self):
        for arguments, said in (
                ((), 'subcommand is required'),
                (('bogus',), "no command or option 'bogus'"),
                (('get',), 'key is required'),
                (('get', 'a', 'b'), 'not expected'),
                (('scan', '--limit', 'x'), '--limit'),
                (('get', 'a', '--output', 'xml'), 'xml not in'),
                (('get', 'a', '--backend', 'memory'), 'memory not in'),
                (('import', '--batch', '0'), '--batch'),
                (('import', '--key-template', '{a'), 'without its partner'),
                (('import', '--key-template', 'x', '--format', 'csv'), 'has no field')):
            with self.subTest(arguments=arguments):
                self.assertIn(said, self.complaint(*arguments, code=INVALID))
        done = subprocess.run([AIDB, 'get', 'a'], capture_output=True, check=False)
        self.assertEqual(done.returncode, INVALID)
        self.assertIn(b'--db PATH', done.stderr)

    def test_help_shows_examples_and_exit_codes(self):
        text = self.ask('--help').decode()
        self.assertIn('Examples:', text)
        self.assertIn('Exit codes:', text)
        for command in ('put', 'get', 'delete', 'scan', 'count', 'import', 'export', 'stats',
                        'check', 'dump'):
            self.assertIn(f'\n  {command} ', text)
            self.assertIn('Usage: aidb ' + command, self.ask(command, '--help').decode())
        self.assertRegex(self.ask('--version').decode(), r'^aidb \d+\.\d+\.\d+\n$')

    def test_a_store_that_is_not_there(self):
        for command in (('get', 'a'), ('delete', 'a'), ('scan',), ('count',), ('export',),
                        ('stats',)):
            with self.subTest(command=command):
                self.assertIn('there is no store here', self.complaint(*command, code=INVALID))
                self.assertFalse(self.db.exists())
        self.assertIn('open ', self.complaint('import', self.directory / 'none', code=INVALID))
        error = json.loads(self.complaint('count', '--output', 'json', code=INVALID))
        self.assertIn('there is no store here', error['error']['message'])

    def test_a_damaged_store(self):
        self.import_sample()
        table = next(self.db.glob('*.sst'))
        damaged = bytearray(table.read_bytes())
        damaged[100] ^= 1
        table.write_bytes(damaged)
        self.assertIn(table.name, self.complaint('scan', code=FAILED))
        self.assertRegex(self.ask('check', code=FAILED).decode(),
                         rf'(?s)^problem: .*{table.name} at offset 0.*1 problem\n$')
        report = json.loads(self.ask('check', '--output', 'json', code=FAILED))
        self.assertEqual((report['ok'], len(report['problems'])), (False, 1))
        self.assertEqual(report['problems'][0]['file'], table.name)
        self.assertIn('city:AD:', report['problems'][0]['keys_lost'])

    def test_check_and_dump_of_a_sound_store(self):
        self.import_sample()
        self.assertIn(b': no problem\n', self.ask('check'))
        report = json.loads(self.ask('check', '--output', 'json'))
        self.assertEqual((report['ok'], report['problems'], report['tables']), (True, [], 1))
        self.assertEqual(report['bytes'], sum(file.stat().st_size for file in self.db.iterdir()))
        table = next(self.db.glob('*.sst')).name
        self.assertIn('put "city:AD:Vila#1"', self.ask('dump', table).decode())
        lines = [json.loads(line)['line'] for line in
                 self.ask('dump', table, '--output', 'json').splitlines()]
        self.assertEqual('\n'.join(lines) + '\n', self.ask('dump', table).decode())
        self.assertIn("not the name of a store's file",
                      self.complaint('dump', 'notes.txt', code=INVALID))
        self.assertIn('native backend only',
                      self.complaint('check', '--backend', 'rocksdb', code=INVALID))

    def test_a_store_in_use_names_the_process(self):
        with subprocess.Popen([AIDB, 'import', '-', '--batch', '1', '--acknowledge', '-', '--db',
                               self.db], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as importer:
            self.send_one(importer)
            for command in (('get', 'a'), ('put', 'a', '2'), ('stats',)):
                with self.subTest(command=command):
                    self.assertIn(f'already open by pid {importer.pid}',
                                  self.complaint(*command, code=UNAVAILABLE))
            importer.stdin.close()
            self.assertEqual(importer.wait(), OK)
        self.assertEqual(self.ask('get', 'a'), b'1')

    def send_one(self, importer):
        importer.stdin.write(b'{"key":"a","value":"1"}\n' + b'\n' * 300_000)  # Fills its buffer.
        importer.stdin.flush()
        self.assertEqual(importer.stdout.readline(), b'1\n')

    def test_what_is_acknowledged_survives_a_kill(self):
        with subprocess.Popen([AIDB, 'import', '-', '--batch', '1', '--acknowledge', '-', '--db',
                               self.db], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as importer:
            self.send_one(importer)
            importer.kill()
            self.assertEqual(importer.wait(), -signal.SIGKILL)
        self.assertEqual(self.run_aidb('get', 'a').stdout, b'1')
        self.assertEqual(self.ask('count'), b'1\n')

    def test_an_interrupt_ends_the_import_in_order(self):
        with subprocess.Popen([AIDB, 'import', '-', '--batch', '1', '--acknowledge', '-', '--db',
                               self.db], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as importer:
            self.send_one(importer)
            importer.send_signal(signal.SIGINT)
            importer.stdin.write(b'{"key":"b","value":"2"}\n')
            importer.stdin.close()
            self.assertIn(b'continue with --skip', importer.stderr.read())
            self.assertEqual(importer.wait(), UNAVAILABLE)
        self.assertEqual(self.ask('get', 'a'), b'1')

    def test_a_reader_that_has_enough(self):
        self.import_sample()
        self.ask('put', 'long', stdin=b'x' * 1_000_000)  # More than a pipe holds.
        with subprocess.Popen([AIDB, 'scan', '--db', self.db], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as scan:
            scan.stdout.readline()
            scan.stdout.close()
            self.assertEqual(scan.stderr.read(), b'')
            self.assertEqual(scan.wait(), OK)
        with open('/dev/full', 'wb') as full:
            done = subprocess.run([AIDB, 'scan', '--db', self.db], stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, UNAVAILABLE)
        self.assertIn(b'write standard output: No space left', done.stderr)


if __name__ == '__main__':
    AIDB = sys.argv.pop(1)
    unittest.main()
