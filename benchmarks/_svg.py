"""Line charts as SVG, drawn here: a library for pictures would be larger than all of the benchmarks.

Text and axes take the color of the page in light and in dark; the lines have colors that are readable on both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 44, 84
COLORS = ("#3b82f6", "#e8590c", "#12a150", "#a855f7")
DASHES = ("", "7 4", "2 4", "9 3 2 3")
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600 }
.axis { stroke: #57606a } .grid { stroke: #57606a; opacity: .25 } .line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .axis, .grid { stroke: #8b949e } }
"""
Lines = dict[str, list[tuple[float, float]]]


def chart(title: str, across: str, up: str, lines: Lines) -> str:
    """Return a chart whose horizontal axis is logarithmic; `across` and `up` name the axes."""
    points = [point for line in lines.values() for point in line]
    xs, top = [math.log(x) for x, _ in points], nice(max(y for _, y in points))
    low, high = min(xs), max(xs)

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log(x) - low) / (high - low)
        return LEFT + share * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>']
    for number in range(5):
        y = place(math.exp(low), top * number / 4)[1]
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{top * number / 4:g}</text>')
    under = HEIGHT - BOTTOM + 18
    parts += [f'<text x="{place(x, 0)[0]:.1f}" y="{under}" text-anchor="middle">{x:g}</text>' for x in ticks(lines)]
    parts.append(f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - BOTTOM + 38}" text-anchor="end">{escape(across)}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 8}">{escape(up)}</text>')
    for number, (name, line) in enumerate(lines.items()):
        parts += drawn(name, [place(*point) for point in line], number, len(lines))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>" + "\n".join(parts) + "</svg>\n"
    )


def drawn(name: str, places: Sequence[tuple[float, float]], number: int, count: int) -> list[str]:
    """Return one line with its points, and its name below the chart."""
    color, dash = COLORS[number], DASHES[number]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    start, y = LEFT + number * (WIDTH - LEFT - RIGHT) / count, HEIGHT - 18
    stroke = f'stroke="{color}" stroke-dasharray="{dash}"'
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in places]
    key = f'<path class="line" {stroke} d="M{start:.0f} {y - 4}h24"/>'
    return [
        f'<path class="line" {stroke} d="{path}"/>',
        *dots,
        key,
        f'<text x="{start + 30:.0f}" y="{y}">{escape(name)}</text>',
    ]


def ticks(lines: Lines) -> list[float]:
    """Return the values that the horizontal axis names: those of the first line, rounded."""
    return [float(f"{x:.2g}") for x, _ in next(iter(lines.values()))]


def nice(value: float) -> float:
    """Return a round number that is not smaller, and whose quarters are round too."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)
