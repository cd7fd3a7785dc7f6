"""Draws the charts of docs/performance.md: plain SVG, no library, the same bytes for the same data."""

from xml.sax.saxutils import escape

WIDTH = 820
LEFT = 130       # Where bars begin; names stand before it.
BAR, GAP = 14, 3
TITLE, FOOT = 34, 10
COLOURS = {'aidb': '#1f5fa8', 'aidb_rocks': '#7aa6d6', 'rocksdb': '#c2571a',
           'rocksdb_tuned': '#e39a6b', 'leveldb': '#3f8f4f', 'lmdb': '#8a5aa8',
           'sqlite': '#8c7a2e', 'wiredtiger': '#7a7a7a'}
OTHER_COLOUR = '#555555'


def number(value):
    """Short: 1,234,567 is 1.23 M."""
    for size, unit in ((1e6, ' M'), (1e3, ' k')):
        if value >= 0.9995 * size:  # What three digits would round up to it.
            return f'{value / size:.{3 if value < 999.5 * size else 6}g}{unit}'
    return f'{value:.3g}'


def text(x, y, words, extra=''):
    return f'<text x="{x:g}" y="{y:g}"{extra}>{escape(words)}</text>'


def frame(title, height, body):
    return '\n'.join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" '
        f'viewBox="0 0 {WIDTH} {height:g}" role="img" font-family="sans-serif" font-size="12">',
        f'<title>{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>',
        text(10, 20, title, ' font-size="14" font-weight="bold"'), *body, '</svg>', ''])


def bars(title, rows):
    """rows: (heading, [(name, value, note)]); each heading has its own scale, its longest bar full."""
    room = WIDTH - LEFT - 190  # The figures stand behind the bars.
    y, body = TITLE, []
    for heading, entries in rows:
        body.append(text(10, y + 14, heading, ' font-weight="bold"'))
        y += 20
        longest = max(value for _, value, _ in entries)
        for name, value, note in entries:
            length = max(room * value / longest, 1)
            body += [text(LEFT - 6, y + 11, name, ' text-anchor="end"'),
                     f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" '
                     f'fill="{COLOURS.get(name, OTHER_COLOUR)}"/>',
                     text(round(LEFT + length + 6, 1), y + 11, f'{number(value)}{note}')]
            y += BAR + GAP
        y += 8
    return frame(title, y + FOOT, body)


def lines(title, series, unit):
    """series: name -> value of each second; the names stand at the right in the lines' colours."""
    height, bottom, right = 300, 262, WIDTH - 120
    longest = max(len(values) for values in series.values())
    highest = max(max(values) for values in series.values()) or 1
    body = [f'<path d="M60 {TITLE + 6} V{bottom} H{right}" fill="none" stroke="#999999"/>',
            text(54, TITLE + 14, number(highest), ' text-anchor="end"'),
            text(54, bottom, '0', ' text-anchor="end"'),
            text(right, bottom + 18, f'{longest} s', ' text-anchor="end"'),
            text(60, bottom + 18, unit)]
    for place, (name, values) in enumerate(series.items()):
        step = (right - 60) / max(longest - 1, 1)
        points = ' '.join(
            f'{60 + i * step:.1f},{bottom - (bottom - TITLE - 10) * value / highest:.1f}'
            for i, value in enumerate(values))
        colour = COLOURS.get(name, OTHER_COLOUR)
        body += [f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
                 text(right + 8, TITLE + 20 + 18 * place, name, f' fill="{colour}"')]
    return frame(title, height, body)
