"""How the console writes numbers, times and the texts of others: short, and the same on every page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from engine.language.texts import text_of, visible, visible_lines
from engine.records import Json

UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
NARROW_SPACE = "\u202f"
NOTHING = "\N{EN DASH}"


def shown(value: object) -> str:
    """Return a text of others as people may see it: control characters, and what reverses text, as escapes."""
    text = text_of(cast("Json", value))
    return visible(str(value) if text is None else text)


def number(value: float | None) -> str:
    """Return a number with its thousands apart: `12 480`, `0.4`, `< 0.1`; a dash where there is none."""
    if value is None:
        return NOTHING
    if float(value).is_integer():
        return f"{int(value):,}".replace(",", NARROW_SPACE)
    if 0 < value < 0.05:
        return "< 0.1"
    return f"{value:.1f}" if abs(value) < 100 else number(round(value))


def seconds(value: float | None) -> str:
    """Return a duration in its two largest units: `45 s`, `3 min 20 s`, `2 d 4 h`; a dash where there is none."""
    if value is None:
        return NOTHING
    if value < 1:
        return "0 s" if value <= 0 else "< 1 s"
    rest, parts = int(value), list[tuple[int, str]]()
    for size, unit in UNITS:
        count, rest = divmod(rest, int(size))
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


def ago(when: float | None, now: float) -> str:
    """Return how long ago a time was: `now`, `45 s ago`, `in 3 min`; a dash where there is none."""
    if when is None:
        return NOTHING
    if abs(now - when) < 1:
        return "now"
    return f"in {seconds(when - now)}" if when > now else f"{seconds(now - when)} ago"


def utc(when: float) -> str:
    """Return a time as people and machines read it: `2026-11-29 20:33:10 UTC`."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(when: float) -> str:
    """Return the time of day, for what is of today: `20:33:10 UTC`."""
    return datetime.fromtimestamp(when, UTC).strftime("%H:%M:%S UTC")


def moment(when: float) -> str:
    """Return date and time for a line of a list, in UTC: `11-29 20:33:10`."""
    return datetime.fromtimestamp(when, UTC).strftime("%m-%d %H:%M:%S")


def lines(text: str) -> str:
    """Return a text of several lines as people may see it."""
    return visible_lines(text.replace("\r\n", "\n"))
