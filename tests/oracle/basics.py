"""The basics of the language: absent, truth, the text of a value, places, `${}`.

Everything here is written out rather than shared with the engine: an oracle that borrows the engine's
helpers agrees with the engine's mistakes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NamedTuple

import orjson

from engine.records import Json

EMPTY: tuple[Json, ...] = ("", [], {})


class Invalid(Exception):  # noqa: N818  reads as what happened
    """The event cannot be mapped; `place` is where in the mapping that was found."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{reason} ({place})")
        self.place = place


class Marker(str):
    """A value that only a response will have; in a dry run `<saved.name>` is its placeholder."""

    __slots__ = ()

    def get(self, name: str) -> Marker:
        """Go deeper; JMESPath reads a field through this method."""
        return Marker(f"{self[:-1]}.{name}>")


# JMESPath knows types by the name of their class: a marker is a text to its functions.
Marker.__name__ = "str"


class Hidden(str):
    """A text of a secret setting; a text that has one in it is one too."""

    __slots__ = ()

    def __add__(self, other: str) -> Hidden:
        return Hidden(str(self) + other)

    def __radd__(self, other: str) -> Hidden:
        return Hidden(other + str(self))


Hidden.__name__ = "str"


class Piece(NamedTuple):
    """A literal stretch of a text, or the path of a `${}`."""

    text: str
    hole: bool


def holds(value: Json) -> bool:
    """JMESPath's truth: null, false and empty things do not hold; 0 does."""
    return value is not None and value is not False and not (isinstance(value, (str, list, dict)) and not value)


def text_of(value: Json) -> str | None:
    """Return the text a value has in a text, a key or a URL; objects, lists and null have none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return orjson.dumps(value).decode()
    return None


def compact_json(value: Json) -> str:
    """Write JSON without blanks, as the wire has it."""
    return orjson.dumps(value).decode()


def without_nulls(value: Json) -> Json:
    """Remove null members of objects at every depth; entries of lists stay."""
    if isinstance(value, dict):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(member) for member in value]
    return value


def at(place: str, *steps: str | int) -> str:
    """Go from a place to one inside it: `.word`, `[3]`, or `["any other key"]`."""
    for step in steps:
        if isinstance(step, int):
            place += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", step):
            place += f".{step}"
        else:
            place += f"[{json.dumps(step, ensure_ascii=False)}]"
    return place


def pieces(text: str) -> list[Piece]:
    """Split a text at its `${path}`; `$${` is the characters `${`."""
    found: list[Piece] = []
    rest = text
    while rest:
        if rest.startswith("$${"):
            found.append(Piece("${", hole=False))
            rest = rest[3:]
        elif rest.startswith("${"):
            end = _end_of_hole(rest)
            found.append(Piece(rest[2:end], hole=True))
            rest = rest[end + 1 :]
        else:
            found.append(Piece(rest[0], hole=False))
            rest = rest[1:]
    return found


def _end_of_hole(text: str) -> int:
    quoted = re.match(r"""\$\{(?:[^}'"`]|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`)*\}""", text, re.DOTALL)
    if quoted is None:
        raise AssertionError(f"a ${{ that does not end, in {text!r}")
    return quoted.end() - 1


def put(target: dict[str, Json], key: str, value: Json, lost: Callable[[], None]) -> None:
    """Set a key; if it exists, the later value replaces it in place, and `lost` is called."""
    if key in target:
        lost()
    target[key] = value
