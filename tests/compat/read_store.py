#!/usr/bin/env python3
"""Reads a whole store that was closed in order, from docs/formats alone: CURRENT, the manifest,
the logs and the tables.

  read_store.py DIRECTORY                 print one line per live key: key and value, in hex
  read_store.py DIRECTORY --expect TEXT   compare these lines with the file TEXT

Standard library only.
"""
import os
import sys
import uuid

import read_table
from read_table import crc32c, masked, need, u, varint

BLOCK, HEADER = 32768, 16
FULL, FIRST, MIDDLE, LAST, OPEN, BATCH = 1, 2, 3, 4, 5, 8
PUT, DELETE = 1, 2
DELETE_RANGE = 4
PUT_EXPIRING = 5


def fragments(data, store, number):
    """(offset, type, payload) of every fragment up to the first place where none is."""
    at = 0
    while at + HEADER <= len(data):
        if BLOCK - at % BLOCK < HEADER:
            at += BLOCK - at % BLOCK
            continue
        length, kind = u(data, at + 4, 2), data[at + 6]
        if kind == 0 or at + HEADER + length > len(data):
            return
        salt = store + number.to_bytes(8, "little") + at.to_bytes(8, "little")
        need(masked(crc32c(salt + data[at + 4:at + HEADER + length])) == u(data, at, 4),
             f"checksum at offset {at}")
        yield at, kind, data[at + HEADER:at + HEADER + length]
        at += HEADER + length


def records(data, store, number):
    """(first sequence, count, operations) of every record; checks OPEN."""
    joined = b""
    for at, kind, payload in fragments(data, store, number):
        if at == 0:
            need(kind == OPEN and len(payload) == 59 and u(payload, 0, 2) in (1, 2), "OPEN")
            need(payload[2:18] == store and u(payload, 18, 8) == number, "whose file")
        if kind == BATCH:
            (count, first), end = numbers(payload, 2)
            yield first, count, payload[end:]
        if kind not in (FULL, FIRST, MIDDLE, LAST):
            continue
        joined = payload if kind in (FULL, FIRST) else joined + payload
        if kind in (FULL, LAST):
            need(u(joined, 0, 4) == len(joined) and joined[16] == 0, f"record at offset {at}")
            yield u(joined, 8, 8), u(joined, 4, 4), joined[17:]


def text(data, at):
    length, at = varint(data, at)
    need(at + length <= len(data), "string past the end")
    return data[at:at + length], at + length


def numbers(data, count):
    values, at = [], 0
    for _ in range(count):
        value, at = varint(data, at)
        values.append(value)
    return values, at


def added_table(data):
    (keyspace, level, run, number), at = numbers(data, 4)
    need(keyspace == 0, "keyspace")
    at += 8  # The salt.
    _, at = varint(data, at)
    return number, (level, run)


def read_manifest(data, store, number):
    """The live tables, the log floor, the last sequence in tables, the end of the last log."""
    tables, floor, last, closed = {}, 0, 0, None
    for index, (first, count, edit) in enumerate(records(data, store, number)):
        need(first == index + 1 and count == 1, "edits are numbered")
        at, closed, added, removed = 0, None, [], []
        while at < len(edit):
            tag, at = varint(edit, at)
            field, at = text(edit, at)
            if tag >> 1 == 3:
                last = varint(field, 0)[0]
            elif tag >> 1 == 4:
                floor = varint(field, 0)[0]
            elif tag >> 1 == 6:
                closed = numbers(field, 3)[0]
            elif tag >> 1 == 9:
                removed.append(numbers(field, 2)[0][1])
            elif tag >> 1 in (10, 12):
                added.append(added_table(field))
            else:
                need(tag >> 1 in (1, 2, 5, 7, 8, 11) or tag & 1 == 0, f"field {tag >> 1}")
        for table in removed:
            del tables[table]
        tables.update(added)
    return tables, floor, last, closed


def operations(data):
    at = 0
    while at < len(data):
        kind = data[at]
        need(kind in (PUT, DELETE, DELETE_RANGE, PUT_EXPIRING), "kind")
        key, at = text(data, at + 1)
        value = None
        if kind == PUT_EXPIRING:
            at += 8  # The instant: what has expired counts as live here.
        if kind != DELETE:
            value, at = text(data, at)
        yield kind, key, value


def live_keys(directory):
    def load(name):
        with open(os.path.join(directory, name), "rb") as file:
            return file.read()

    manifest, identity, check = load("CURRENT").decode().split()
    need(f"{crc32c(f'{manifest} {identity}'.encode()):08x}" == check, "CURRENT")
    tables, floor, last, closed = read_manifest(load(manifest), uuid.UUID(identity).bytes,
                                                int(manifest.split("-")[1]))
    need(closed is not None, "not closed in order")
    newest = {}  # key -> (sequence, value or None)
    deleted = []  # (begin, end, sequence)

    def see(key, sequence, value):
        if sequence > newest.get(key, (-1, None))[0]:
            newest[key] = sequence, value

    for number in tables:
        entries, ranges = read_table.read_table(load(f"{number:06}.sst"))
        deleted += [(begin, end, sequence) for begin, sequence, _, end, _ in ranges]
        for key, sequence, kind, value, _ in entries:
            see(key, sequence, value if kind != DELETE else None)
    journal = load("JOURNAL")[16:32]
    expected = last + 1
    for name in sorted(os.listdir(directory)):
        if not name.endswith(".log") or not floor <= int(name[:-4]) <= closed[0]:
            continue
        data = load(name)
        if int(name[:-4]) == closed[0]:
            data = data[:closed[1]]
        for first, count, batch in records(data, journal, int(name[:-4])):
            if first + count <= last + 1:
                continue  # In tables.
            need(first == expected, f"{name}: sequence {first}, {expected} expected")
            for i, (kind, key, value) in enumerate(operations(batch)):
                if kind == DELETE_RANGE:
                    deleted.append((key, value, first + i))
                else:
                    see(key, first + i, value)
            expected = first + count
    need(expected == closed[2] + 1, "the last sequence")

    def hidden(key, sequence):
        return any(begin <= key < end and at > sequence for begin, end, at in deleted)

    return {key: value for key, (sequence, value) in newest.items()
            if value is not None and not hidden(key, sequence)}


def main():
    lines = [f"{key.hex()} {value.hex()}" for key, value in sorted(live_keys(sys.argv[1]).items())]
    if len(sys.argv) == 4 and sys.argv[2] == "--expect":
        with open(sys.argv[3]) as file:
            if file.read().splitlines() != lines:
                sys.exit("the live keys differ from " + sys.argv[3])
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main()
