"""Where a cursor is, in YAML that is whole or broken; § is the cursor."""

from __future__ import annotations

import pytest

from engine.editing.positions import TextLines
from engine.editing.slots import slot_at

CASES = {
    "a key": ("calls:\n  track:\n    - req§uest: x\n", "key", "calls.track.0.request", "request"),
    "a new key of a step": ("calls:\n  track:\n    - request: x\n      §\n", "key", "calls.track.0.", ""),
    "a new key further out": ("calls:\n  track:\n    - request: x\n  §\n", "key", "calls.", ""),
    "behind a colon": ("a: §", "value", "a", ""),
    "a value": ("a:\n  b: prop§erties.x # y\n", "value", "a.b", "properties.x"),
    "a list at the column of its key": (
        "calls:\n  track:\n  - request: x\n  - request: §\n",
        "value",
        "calls.track.1.request",
        "",
    ),
    "behind a dash": ("a:\n  - x\n  - §", "item", "a.1", ""),
    "text behind a dash": ("a:\n  - x\n  - pro§", "item", "a.1", "pro"),
    "an open bracket": ("a:\n  x: { from: tra§", "value", "a.x.from", "tra"),
    "a key in an open bracket": ("a:\n  x: { from: y, a§\nb: c", "key", "a.x.a", "a"),
    "an open list": ("a: [x, { text: y }, z§", "value", "a.2", "z"),
    "brackets over several lines": ("a: {\n  b: [1,\n      2, §],\n", "value", "a.b.2", ""),
    "behind a bracket that was never closed": ("a:\n  x: { from: y\nb:\n  c: §", "value", "b.c", ""),
    "in double quotes": ('a: "x ${us§}"', "value", "a", "x ${us}"),
    "in single quotes": ("a: { b: 'it''s, §x', c: 1 }", "value", "a.b", "it''s, x"),
    "a quoted key": ('a: { "Feed Type§": x }', "key", "a.Feed Type", "Feed Type"),
    "CRLF": ("a:\r\n  b: x\r\n  c: y§\r\n", "value", "a.c", "y"),
    "a colon that ends no key": ("a: 12:30§", "value", "a", "12:30"),
    "a value on the next line": ("a:\n  x§", "key", "a.x", "x"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_slot(name: str) -> None:
    text, kind, place, written = CASES[name]
    index = text.index("§")
    lines = TextLines(text.replace("§", ""))
    line, unit = lines.position(index)
    slot = slot_at(lines, line, unit)
    assert slot is not None
    assert (slot.kind, ".".join(map(str, slot.place)), slot.text) == (kind, place, written)


@pytest.mark.parametrize("text", ["a: x # §y", "# §", "about: >-\n  so§me text\nb: c", "a: |\n  x\n\n  §\n"])
def test_no_slot(text: str) -> None:
    index = text.index("§")
    lines = TextLines(text.replace("§", ""))
    line, unit = lines.position(index)
    assert slot_at(lines, line, unit) is None


@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000,
        "[" * 50_000 + "\n" * 5,
        "- " * 9_000 + "x",
        'a: "' + "\\" * 9_000,
        "a: '" + "'" * 9_001,
        ": " * 5_000,
    ],
)
def test_hostile_text_takes_no_time(text: str) -> None:
    lines = TextLines(text)
    slot_at(lines, 0, 50)
    slot_at(lines, len(lines) - 1, 10)
