"""Charts as SVG, made of numbers alone; colors come from classes of `base.css`, words from `title` elements.

A chart shows nothing that the page does not also say as text: it is for the eye that looks for a change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from engine.console.wording import number

BAR = 4
HEIGHT = 40
GAP = 1
LINE_WIDTH, LINE_ROOM = 240, 2


def stacked_bars(bars: Sequence[Mapping[str, int]], ends: float, seconds: float, label: str) -> Markup:
    """Return bars of `seconds` each, the last of which ends at the Unix time `ends`; a part is a class and a count."""
    highest = max((sum(bar.values()) for bar in bars), default=0)
    drawn = [
        _bar(bar, index * BAR, highest, ends - (len(bars) - index) * seconds)
        for index, bar in enumerate(bars)
        if any(bar.values())
    ]
    width = len(bars) * BAR
    axis = Markup('<path class="axis" d="M0 {0}.5H{1}"/>').format(HEIGHT, width)
    opening = Markup(
        '<svg class="chart" viewBox="0 0 {0} {1}" preserveAspectRatio="none" role="img" aria-label="{2}">'
    ).format(width, HEIGHT + 1, label)
    return opening + Markup("").join([axis, *drawn]) + Markup("</svg>")


def _bar(bar: Mapping[str, int], left: int, highest: int, starts: float) -> Markup:
    """Return one bar, whose parts keep their order, so that they compare; all of its height answers to the pointer."""
    parts, bottom = [], float(HEIGHT)
    for name, count in bar.items():
        if not count:
            continue
        height = max(count / highest * HEIGHT, 1.0)
        bottom -= height
        parts.append(
            Markup('<rect class="{0}" x="{1}" y="{2:.1f}" width="{3}" height="{4:.1f}"/>').format(
                name, left, max(bottom, 0.0), BAR - GAP, height
            )
        )
    words = ", ".join(f"{number(count)} {name}" for name, count in bar.items() if count)
    when = datetime.fromtimestamp(starts, UTC).strftime("%H:%M UTC")
    hit = Markup('<rect class="hit" x="{0}" y="0" width="{1}" height="{2}"/>').format(left, BAR, HEIGHT)
    return Markup("<g><title>{0}: {1}</title>{2}{3}</g>").format(when, words, hit, Markup("").join(parts))


def size_line(points: Sequence[tuple[float, int]], label: str) -> Markup:
    """Return a line of sizes over time, its area below it; a point is a Unix time and a size, in the order of time."""
    if len(points) < 2:
        return Markup("")
    first, last = points[0][0], points[-1][0]
    highest = max(1, *(size for _, size in points))
    width = max(last - first, 1.0)
    places = [
        ((at - first) / width * LINE_WIDTH, HEIGHT - size / highest * (HEIGHT - LINE_ROOM)) for at, size in points
    ]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return Markup(
        '<svg class="chart sizes" viewBox="0 0 {0} {1}" preserveAspectRatio="none" role="img" aria-label="{2}">'
        '<path class="area" d="M0 {3}L{4}L{0} {3}Z"/><path class="line" d="M{4}"/>'
        '<path class="axis" d="M0 {3}.5H{0}"/></svg>'
    ).format(LINE_WIDTH, HEIGHT + 1, label, HEIGHT, line)


def edges(pairs: Sequence[tuple[int, int, str]], left: int, right: int) -> Markup:
    """Return curves between two columns of `left` and `right` nodes of equal height; a pair has a class."""
    drawn = [
        Markup('<path class="{0}" d="M0 {1:.2f}C50 {1:.2f} 50 {2:.2f} 100 {2:.2f}"/>').format(
            name, (start + 0.5) / left * 100, (end + 0.5) / right * 100
        )
        for start, end, name in pairs
    ]
    opening = Markup('<svg class="edges" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">')
    return opening + Markup("").join(drawn) + Markup("</svg>")
