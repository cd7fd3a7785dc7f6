#!/usr/bin/env python3
"""Reads a table file (NNNNNN.sst) from docs/formats/table.md alone, and checks all it can.

  read_table.py FILE                 print one line per entry: key, sequence, kind, value, in hex
                                     (of a value above 64 bytes: its size and crc32c)
  read_table.py FILE --expect TEXT   compare these lines with the file TEXT

Standard library only. Codecs none and lz4; snappy and zstd are refused by name.
"""
import sys

M32, M64 = (1 << 32) - 1, (1 << 64) - 1
DATA, RANGES, FILTER, INDEX, ROOT, PROPERTIES, META = 1, 2, 3, 4, 5, 6, 7


class Damaged(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Damaged(what)


def u(data, at, size):
    need(0 <= at and at + size <= len(data), "number past the end")
    return int.from_bytes(data[at:at + size], "little")


# --- crc32c (RFC 3720) and XXH3-64 (xxHash 0.8, seed 0) ---

CRC = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    CRC.append(byte)


def crc32c(data):
    crc = M32
    for byte in data:
        crc = CRC[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ M32


def masked(crc):
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & M32


SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")
P32 = (2654435761, 2246822519, 3266489917)
P64 = (11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579,
       2870177450012600261)


def fold(a, b):
    product = a * b
    return (product & M64) ^ product >> 64


def avalanche3(h):
    h = (h ^ h >> 37) * 0x165667919E3779F9 & M64
    return h ^ h >> 32


def avalanche64(h):
    h = (h ^ h >> 33) * P64[1] & M64
    h = (h ^ h >> 29) * P64[2] & M64
    return h ^ h >> 32


def mix16(data, at, secret):
    return fold(u(data, at, 8) ^ u(SECRET, secret, 8), u(data, at + 8, 8) ^ u(SECRET, secret + 8, 8))


def xxh3(data):
    n = len(data)
    if n == 0:
        return avalanche64(u(SECRET, 56, 8) ^ u(SECRET, 64, 8))
    if n <= 3:
        word = data[0] << 16 | data[n >> 1] << 24 | data[n - 1] | n << 8
        return avalanche64(word ^ u(SECRET, 0, 4) ^ u(SECRET, 4, 4))
    if n <= 8:
        word = u(data, n - 4, 4) + (u(data, 0, 4) << 32)
        h = word ^ u(SECRET, 8, 8) ^ u(SECRET, 16, 8)
        h ^= ((h << 49 | h >> 15) ^ (h << 24 | h >> 40)) & M64
        h = h * 0x9FB21C651E98DF25 & M64
        h = (h ^ (h >> 35) + n) * 0x9FB21C651E98DF25 & M64
        return h ^ h >> 28
    if n <= 16:
        low = u(data, 0, 8) ^ u(SECRET, 24, 8) ^ u(SECRET, 32, 8)
        high = u(data, n - 8, 8) ^ u(SECRET, 40, 8) ^ u(SECRET, 48, 8)
        swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
        return avalanche3(n + swapped + high + fold(low, high) & M64)
    if n <= 128:
        h = n * P64[0]
        for i in reversed(range((n - 1) // 32 + 1)):
            h += mix16(data, 16 * i, 32 * i) + mix16(data, n - 16 * (i + 1), 32 * i + 16)
        return avalanche3(h & M64)
    if n <= 240:
        h = n * P64[0]
        for i in range(8):
            h += mix16(data, 16 * i, 16 * i)
        h = avalanche3(h & M64)
        for i in range(8, n // 16):
            h += mix16(data, 16 * i, 16 * (i - 8) + 3)
        return avalanche3(h + mix16(data, n - 16, 136 - 17) & M64)
    acc = [P32[2], P64[0], P64[1], P64[2], P64[3], P32[1], P64[4], P32[0]]

    def stripe(at, secret):
        for i in range(8):
            value = u(data, at + 8 * i, 8)
            key = value ^ u(SECRET, secret + 8 * i, 8)
            acc[i ^ 1] = acc[i ^ 1] + value & M64
            acc[i] = acc[i] + (key & M32) * (key >> 32) & M64

    stripes = (len(SECRET) - 64) // 8
    blocks = (n - 1) // (64 * stripes)
    for block in range(blocks):
        for s in range(stripes):
            stripe((block * stripes + s) * 64, 8 * s)
        for i in range(8):
            acc[i] = (acc[i] ^ acc[i] >> 47 ^ u(SECRET, 128 + 8 * i, 8)) * P32[0] & M64
    for s in range((n - 1 - blocks * stripes * 64) // 64):
        stripe((blocks * stripes + s) * 64, 8 * s)
    stripe(n - 64, 192 - 64 - 7)
    h = n * P64[0]
    for i in range(4):
        h += fold(acc[2 * i] ^ u(SECRET, 11 + 16 * i, 8), acc[2 * i + 1] ^ u(SECRET, 19 + 16 * i, 8))
    return avalanche3(h & M64)


# --- blocks ---

def varint(data, at):
    value = shift = 0
    while True:
        byte = u(data, at, 1)
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            need(value <= M64 and (byte or not shift), "overlong varint")
            return value, at
        shift += 7
        need(shift < 70, "overlong varint")


def unlz4(data, size):
    """An LZ4 block: token, literals, match; again and again."""
    out, at = bytearray(), 0

    def length(base):
        nonlocal at
        if base == 15:
            while True:
                more = u(data, at, 1)
                at += 1
                base += more
                if more != 255:
                    break
        return base

    while True:
        token = u(data, at, 1)
        at += 1
        literals = length(token >> 4)
        need(at + literals <= len(data), "lz4: literals past the end")
        out += data[at:at + literals]
        at += literals
        if at == len(data):
            break
        distance = u(data, at, 2)
        at += 2
        need(0 < distance <= len(out), "lz4: match before the beginning")
        for _ in range(length(token & 15) + 4):
            out.append(out[-distance])
    need(len(out) == size, "lz4: wrong size")
    return bytes(out)


def read_block(file, salt, handle, kind):
    offset, size = handle
    need(offset + size + 9 + 48 <= len(file), f"block at {offset} is outside of the file")
    stored = file[offset:offset + size]
    trailer = file[offset + size:offset + size + 9]
    place = salt.to_bytes(8, "little") + offset.to_bytes(8, "little")
    need(masked(crc32c(place + stored + trailer[:5])) == u(trailer, 5, 4),
         f"block at {offset}: checksum")
    raw_size, codec = u(trailer, 0, 4), trailer[4] & 15
    need(trailer[4] >> 4 == kind, f"block at {offset}: kind {trailer[4] >> 4}, expected {kind}")
    if codec == 0:
        need(raw_size == size, f"block at {offset}: size")
        return stored
    if codec == 2:
        return unlz4(stored, raw_size)
    name = {1: "snappy", 3: "zstd"}.get(codec, f"number {codec}")
    sys.exit(f"block at {offset} is packed with {name}, which this reader does not unpack")


def entries_of(block, tagged, kinds=(1, 2, 3, 5)):
    """(key, sequence, kind, value, instant of expiry or None) of each entry."""
    n, flags, interval, common_size = u(block, 0, 2), block[2], block[3], u(block, 4, 2)
    base = u(block, 6, 8)
    need(n > 0 and flags < 32 and bool(flags & 2) == tagged and 1 <= interval <= 16, "block header")
    common = block[14:14 + common_size]
    at = 14 + common_size
    tags = block[at:at + n] if tagged else None
    at += n if tagged else 0
    prefixes = [block[at + 8 * i:at + 8 * i + 8][::-1] for i in range(n)]
    at += 8 * n
    width = 4 if flags & 1 else 2
    offsets = [u(block, at + width * i, width) for i in range(n)]
    at += width * n
    begin, rest, entries = at, b"", []
    for i in range(n):
        need(at == begin + offsets[i], "offset")
        suffix, at = varint(block, at)
        shared = 0
        if i % interval:
            shared, at = varint(block, at)
        rest_size = max(suffix - 8, 0)
        need(shared <= min(rest_size, len(rest)), "shared")
        rest = rest[:shared] + block[at:at + rest_size - shared]
        at += rest_size - shared
        key = common + prefixes[i][:suffix] + rest
        word, at = (block[at], at + 1) if flags & 4 else varint(block, at)
        need(word & 15 in kinds, f"kind {word & 15}")
        expires = None
        if word & 15 == 5:
            expires, at = u(block, at, 8), at + 8
        size, at = varint(block, at)
        need(at + size <= len(block), "value past the end")
        need(word & 15 != 3 or size > 0 and base + (word >> 4) > 0, "operand")
        entries.append((key, base + (word >> 4), word & 15, block[at:at + size], expires))
        at += size
        if tagged:
            need(tags[i] == xxh3(key) >> 56, f"tag of {key!r}")
    need(at == len(block), "bytes behind the last entry")
    need(any(e[2] in (2, 3, 4, 5) for e in entries) == bool(flags & 8), "flag: deletes")
    return entries


def may_contain(block, hashed):
    kind, _, probes, zero = block[-8:-4]
    lines = u(block, len(block) - 4, 4)
    need(kind == 1 and zero == 0 and 1 <= probes <= 7 and len(block) == lines * 64 + 8, "filter")
    line = (hashed & M32) * lines >> 32
    mixed = hashed * 0x9E3779B97F4A7C15 & M64
    for i in range(probes):
        bit = mixed >> 55 - 9 * i & 511
        if not block[line * 64 + bit // 8] >> bit % 8 & 1:
            return False
    return True


def read_ranges(file, salt, value):
    """The entries of the range-delete block."""
    offset, at = varint(value, 0)
    ranges = entries_of(read_block(file, salt, (offset, varint(value, at)[0]), RANGES), False, (4,))
    for begin, _, _, end, _ in ranges:
        need(begin < end, f"range at {begin!r} is empty")
    for a, b in zip(ranges, ranges[1:]):
        same = a[0] == b[0] and a[3] == b[3] and a[1] > b[1]
        need(same or a[3] <= b[0], f"range at {b[0]!r} is no fragment")
    return ranges


def bounds(table, ranges):
    """First and last key of what entries and range deletes cover."""
    first = min(([table[0][0]] if table else []) + [r[0] for r in ranges[:1]])
    last = table[-1][0] if table else None
    if ranges and (last is None or ranges[-1][3] > last + b"\0"):
        end = ranges[-1][3]
        last = end[:-1] if end.endswith(b"\0") else end
    return first, last


def read_table(file):
    """Its entries and its range deletes."""
    need(len(file) >= 48, "too short for a table")
    footer = file[-48:]
    need(footer[40:] == b"AIDBSST1", "magic")
    need(crc32c(footer[:36] + len(file).to_bytes(8, "little")) == u(footer, 36, 4), "footer checksum")
    layout = u(footer, 32, 2)
    need(layout in (1, 2, 3) and (footer[34], footer[35]) == (2, 0), "a newer version of the format")
    salt = u(footer, 24, 8)
    root = b""
    if layout != 2 or u(footer, 8, 4):
        root = read_block(file, salt, (u(footer, 0, 8), u(footer, 8, 4)), ROOT)
    meta = entries_of(read_block(file, salt, (u(footer, 12, 8), u(footer, 20, 4)), META), False)
    required = [e[0] for e in meta if e[0].startswith(b"!")]
    known = {1: ([],), 2: ([b"!range_deletes"],), 3: ([], [b"!range_deletes"])}[layout]
    need(required in known, "meta index requires what is not known")
    ranges = read_ranges(file, salt, meta[0][3]) if required else []
    where = dict((e[0], e[3]) for e in meta)[b"properties"]
    offset, at = varint(where, 0)
    properties = entries_of(read_block(file, salt, (offset, varint(where, at)[0]), PROPERTIES), False)
    properties = dict((e[0].decode(), e[3]) for e in properties)

    table = []
    for root_key, _, _, value, _ in entries_of(root, False) if root else []:
        offset, at = varint(value, 0)
        size, at = varint(value, at)
        filter_offset, at = varint(value, at + 2)
        filter_size, at = varint(value, at)
        bloom = read_block(file, salt, (filter_offset, filter_size), FILTER) if filter_size else None
        children = entries_of(read_block(file, salt, (offset, size), INDEX), False)
        need(children[0][0] == root_key, "root key")
        for key, _, _, child, _ in children:
            offset, at = varint(child, 0)
            size, at = varint(child, at)
            flags = child[at + 1]
            entries = entries_of(read_block(file, salt, (offset, size), DATA), True)
            need((key == entries[0][0]) == bool(flags & 1), "flag: exact")
            need(key <= entries[0][0], "index key above its block")
            if table:
                continued = table[-1][0] == entries[0][0]
                need(continued == bool(flags & 2), "flag: continued")
                need(continued or table[-1][0] < key, "index key not above the block before")
            for entry in entries:
                need(bloom is None or may_contain(bloom, xxh3(entry[0])), f"{entry[0]!r} not in filter")
            table += entries
    for a, b in zip(table, table[1:]):
        need(a[0] < b[0] or a[0] == b[0] and a[1] > b[1], f"{b[0]!r} is out of order")
    need(varint(properties["entries"], 0)[0] == len(table), "property entries")
    need(varint(properties["deletes"], 0)[0] == sum(e[2] == 2 for e in table), "property deletes")
    instants = [e[4] for e in table if e[4] is not None] or [0]
    need(varint(properties["expiry.lowest"], 0)[0] == min(instants), "property expiry.lowest")
    need(varint(properties["expiry.highest"], 0)[0] == max(instants), "property expiry.highest")
    need((properties["key.first"], properties["key.last"]) == bounds(table, ranges), "bounds")
    counted = varint(properties["range_deletes"], 0)[0] if "range_deletes" in properties else 0
    need(counted == len(ranges) and (layout == 3 or bool(ranges) == (layout == 2)), "property range_deletes")
    operands = varint(properties["operands"], 0)[0] if "operands" in properties else 0
    need(operands == sum(e[2] == 3 for e in table) and bool(operands) == (layout == 3), "property operands")
    return table, ranges


def main():
    vectors = {0: 0x2D06800538D394C2, 3: 0x5F4299FC161C9CBB, 8: 0x3A1C2D7C85AF88F8,
               16: 0x8355E3A6F61770DB, 64: 0x6187EB9089B0ED55, 200: 0xF42A8864FEAF0703,
               256: 0x9408A4433B952D71}
    for size, expected in vectors.items():
        need(xxh3(bytes(range(size))) == expected, f"xxh3 of {size} bytes")
    need(crc32c(b"123456789") == 0xE3069283, "crc32c")
    with open(sys.argv[1], "rb") as file:
        table, ranges = read_table(file.read())
    names = {2: "delete", 3: "merge"}
    lines = [f"{k.hex() or '-'} {s} {names.get(t, 'put')} "
             + (v.hex() or "-" if len(v) <= 64 else f"{len(v)}:{crc32c(v)}")
             + (f" until {e}" if t == 5 else "")
             for k, s, t, v, e in table]
    lines += [f"{b.hex() or '-'} {s} delete-range {e.hex()}" for b, s, _, e, _ in ranges]
    if len(sys.argv) == 4 and sys.argv[2] == "--expect":
        with open(sys.argv[3], encoding="ascii") as expected:
            need(expected.read().split("\n")[:-1] == lines, "entries differ from " + sys.argv[3])
        print(f"{sys.argv[1]}: {len(lines)} entries, as expected")
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    try:
        main()
    except Damaged as why:
        sys.exit(f"{sys.argv[1]}: {why}")
