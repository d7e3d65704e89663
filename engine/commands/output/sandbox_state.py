"""What the emulated vendors hold after a run, on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.commands.output.text import Paint, visible, wrapped
from engine.language.texts import text_of
from engine.records import Json

if TYPE_CHECKING:
    from engine.sandbox.server import Sandbox

SHOWN = 3
WIDTH = 96
LONGEST_VALUE = 22
WHO = ("id", "ids", "email")


def holdings_text(paint: Paint, sandbox: Sandbox) -> str:
    """Give, for each vendor that was asked anything, how much it holds and the newest of each kind."""
    lines: list[str] = []
    for vendor, counts in sandbox.counts().items():
        if isinstance(counts, dict) and counts.get("requests"):
            numbers = [
                f"{count} {name.replace('_', ' ')}"
                for name, count in counts.items()
                if isinstance(count, int) and count
            ]
            lines += ["", paint(f"{vendor} (sandbox)", "title"), wrapped(", ".join(numbers), "  ", 2)]
            lines += _newest(paint, sandbox, vendor)
    return "\n".join(lines)


def _newest(paint: Paint, sandbox: Sandbox, vendor: str) -> Iterator[str]:
    for kind, held in sandbox.state(vendor, SHOWN).items():
        if held and isinstance(held, list):
            yield paint(f"  newest {kind.replace('_', ' ')}:", "place")
            for entry in held[-SHOWN:]:
                yield f"    {_short(entry)}"


def _short(entry: Json) -> str:
    return _cut(visible(words(entry)), WIDTH)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def words(value: Json) -> str:
    """Write what is there of a value, ids first, without what is empty: `id 7, properties (size 3, tags [x, y])`."""
    if not isinstance(value, dict):
        return _inner(value)
    there = [(name, member) for name, member in value.items() if member not in (None, "", [], {})]
    there.sort(key=lambda entry: not (entry[0] in WHO or entry[0].endswith("_id")))
    return ", ".join(f"{name} {_inner(member)}" for name, member in there)


def _inner(value: Json) -> str:
    if isinstance(value, dict):
        return f"({words(value)})"
    if isinstance(value, list):
        return f"[{', '.join(map(_inner, value))}]"
    return "null" if value is None else _cut(text_of(value) or "", LONGEST_VALUE)
