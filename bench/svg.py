# SPDX-License-Identifier: GPL-2.0-only
"""Line charts as SVG text, side by side: logarithmic x axis by powers of two, y from zero.

Just enough for the benchmarks' figures, so that a plot needs nothing installed.
"""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 380, 260, 56, 34, 14, 42
COLOURS = ("#555555", "#0066cc", "#cc4400", "#228833", "#aa3377")
NAMED = dict(zip(("linux", "ddio", "dma", "pipe", "fit"), COLOURS))


def text(x, y, words, anchor="middle", size=11, colour="#222222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="{colour}">{escape(words)}</text>')


def line(x1, y1, x2, y2, colour="#dddddd"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def nice_top(value):
    """The least 1, 2 or 5 times a power of ten, in fifths, that is not below value."""
    step = 10 ** math.floor(math.log10(value / 5))
    for m in (1, 2, 5, 10):
        if m * step * 5 >= value:
            return m * step * 5
    return value


class Scale:
    def __init__(self, series, offset):
        xs = sorted({x for points in series.values() for x, _ in points})
        self.xs, self.offset = xs, offset
        self.top = nice_top(max(y for points in series.values() for _, y in points))
        self.low, self.span = math.log2(xs[0]), max(1.0, math.log2(xs[-1]) - math.log2(xs[0]))

    def x(self, value):
        return self.offset + LEFT + (WIDTH - LEFT - RIGHT) * (math.log2(value) - self.low) / self.span

    def y(self, value):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top


def axes(s, title, x_label):
    right = s.offset + WIDTH - RIGHT
    out = [text((s.offset + LEFT + right) / 2, 18, title, size=13)]
    for i in range(6):
        v = s.top * i / 5
        out.append(line(s.offset + LEFT, s.y(v), right, s.y(v)))
        out.append(text(s.offset + LEFT - 5, s.y(v) + 4, f"{v:g}", "end"))
    for x in s.xs:
        out.append(text(s.x(x), HEIGHT - BOTTOM + 16, f"{x}"))
    out.append(text((s.offset + LEFT + right) / 2, HEIGHT - 8, x_label))
    return out


def chart(title, series, x_label, offset):
    series = {name: points for name, points in series.items() if points}
    if not series:
        return [text(offset + WIDTH / 2, HEIGHT / 2, f"{title}: nothing measured")]
    s = Scale(series, offset)
    out = axes(s, title, x_label)
    for i, (name, points) in enumerate(series.items()):
        colour = NAMED.get(name, COLOURS[i % len(COLOURS)])
        path = " ".join(f"{s.x(x):.1f},{s.y(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{s.x(x):.1f}" cy="{s.y(y):.1f}" r="3" fill="{colour}"/>'
                for x, y in points]
        out.append(text(offset + LEFT + 10, TOP + 12 + 14 * i, name, "start", 12, colour))
    return out


def charts(items, x_label):
    """items: (title, {series: [(x, y)]}) in order; one SVG document."""
    body = [part for i, (title, series) in enumerate(items)
            for part in chart(title, series, x_label, i * WIDTH)]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(items)}" height="{HEIGHT}" '
            f'font-family="sans-serif">\n<!-- SPDX-License-Identifier: GPL-2.0-only -->\n'
            f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n")
