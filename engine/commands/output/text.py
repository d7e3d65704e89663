"""Text for a terminal: JSON folded to fit, sentences wrapped under themselves, colours only where somebody sees them.

The width is fixed and not the terminal's, so that what a person saw can be compared with what a pipe holds.  What
an event holds is data: no character of it may steer a terminal or begin a new line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import IO, TypeAlias

from engine.records import Json

WIDTH = 80

Paint: TypeAlias = Callable[[str, str], str]

STYLES: dict[str, dict[str, object]] = {
    "title": {"bold": True},
    "place": {"dim": True},
    "planned": {"fg": "green"},
    "delivered": {"fg": "green"},
    "ignored": {"dim": True},
    "invalid": {"fg": "red"},
    "rejected": {"fg": "red"},
    "waiting": {"fg": "yellow"},
    "held": {"fg": "yellow"},
    "request": {"fg": "cyan"},
    "notice": {"fg": "yellow"},
}


def painter(stream: IO[str]) -> Paint:
    """Return what colours a text by the name of a style, where `stream` is a terminal; elsewhere texts stay plain.

    `NO_COLOR` (https://no-color.org) switches colours off.
    """
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return lambda text, _style: text
    from click import style

    return lambda text, name: style(text, **STYLES[name]) if name in STYLES else text  # type: ignore[arg-type]


def visible(text: str) -> str:
    """Write characters that cannot be seen (control codes, line ends, half characters) as JSON's escapes."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def wrapped(text: str, first: str, indent: int) -> str:
    """Put `text` after `first` (`indent` characters wide); what does not fit goes on below its beginning."""
    text = visible(text)
    if indent + len(text) <= WIDTH:
        return first + text
    import textwrap

    room = max(WIDTH - indent, WIDTH // 2)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return first + ("\n" + " " * indent).join(lines)


def folded(value: Json, indent: int) -> list[str]:
    """Write JSON as lines: an object or list that fits on one line stands on one, others go over several."""
    lines: list[str] = []
    _fold(value, " " * indent, "", "", lines)
    return lines


def _fold(value: Json, indent: str, before: str, after: str, lines: list[str]) -> None:
    text = _json(value)
    fits = len(indent) + len(before) + len(text) + len(after) <= WIDTH
    if fits or not value or not isinstance(value, dict | list):
        lines.append(f"{indent}{before}{text}{after}")
        return
    lines.append(f"{indent}{before}{text[0]}")
    members = list(_members(value))
    for number, (name, member) in enumerate(members, 1):
        _fold(member, indent + "  ", name, "," if number < len(members) else "", lines)
    lines.append(f"{indent}{text[-1]}{after}")


def _members(value: dict[str, Json] | list[Json]) -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict):
        yield from ((f"{_json(key)}: ", member) for key, member in value.items())
    else:
        yield from (("", member) for member in value)


def _json(value: Json) -> str:
    return visible(json.dumps(value, ensure_ascii=False))
