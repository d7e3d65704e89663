"""Lines and columns as editors count them, in text that is not plain."""

from __future__ import annotations

import pytest

from engine.editing.positions import Encoding, Position, TextLines
from engine.mapping.problems import Mark
from engine.mapping.yaml.reader import parse

TEXT = "a: 🎉é x\r\nb: \u2028 y\nc: z"


@pytest.mark.parametrize(("encoding", "unit"), [("utf-8", 10), ("utf-16", 7), ("utf-32", 6)])
def test_columns_count_the_units_of_the_encoding(encoding: Encoding, unit: int) -> None:
    lines = TextLines(TEXT, encoding)
    assert lines.position(TEXT.index("x")) == Position(0, unit)
    assert lines.column(Position(0, unit)) == TEXT.index("x")


def test_lines_break_where_editors_break_them() -> None:
    lines = TextLines(TEXT)
    assert [lines.line(number) for number in range(4)] == ["a: 🎉é x", "b: \u2028 y", "c: z", ""]
    assert lines.position(TEXT.index("z")) == Position(2, 3)


def test_a_mark_of_yaml_is_another_line() -> None:
    text = "\ufeffa: b\x85c: d\u2028e: f\r\ng: { h: i }"
    document = parse(text, "x.yaml")
    lines = TextLines(text)
    found = {key: text[lines.at(document.mark((key,))) :][:1] for key in ("a", "c", "e", "g")}
    assert found == {"a": "b", "c": "d", "e": "f", "g": "{"}


@pytest.mark.parametrize("position", [Position(99, 0), Position(0, 99), Position(-1, -1), Position(2, 4)])
def test_positions_outside_are_taken_to_the_edge(position: Position) -> None:
    lines = TextLines(TEXT)
    assert 0 <= lines.offset(position) <= len(TEXT)


def test_a_mark_behind_the_end() -> None:
    assert TextLines("a").at(Mark("x", 9, 9)) == 1
