"""Names of files, what is a mapping, and two values beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.testing.kinds import kind_of
from engine.testing.pins import slugs
from engine.testing.side_by_side import lines_of, side_by_side

SLUGS = [
    (["An order: paid!", "  An  order, paid"], ["an-order-paid", "an-order-paid-2"]),
    (["Bestellung für Ähren", "注文"], ["bestellung-für-ähren", "注文"]),
    (["../../etc/passwd", "...", "CON"], ["etc-passwd", "example", "con"]),
    (["注" * 100], ["注" * 60]),
]


@pytest.mark.parametrize(("titles", "names"), SLUGS, ids=[names[0][:20] for _, names in SLUGS])
def test_slugs(titles: list[str], names: list[str]) -> None:
    assert list(slugs(titles)) == names


KINDS = {
    "# a comment\nmapping: 1\nname: a\n": "mapping",
    "\ufeff'mapping': '1'\n": "mapping",
    '{"mapping": 1}': "mapping",
    "mapping: 7\n": "mapping",
    "mapping:\n  properties: {}\n": None,
    "spec:\n  mapping: 1\n": None,
    "": None,
    "services: [\n": None,
}


@pytest.mark.parametrize("text", KINDS, ids=range(len(KINDS)))
def test_what_a_file_is(text: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text, encoding="utf-8")
    assert kind_of(file) == KINDS[text]


def test_what_a_file_of_parts_is(tmp_path: Path) -> None:
    assert kind_of(tmp_path / "missing.yaml") is None
    (tmp_path / "parts").mkdir()
    for folder, kind in ((tmp_path, None), (tmp_path / "parts", "parts")):
        (folder / "a.yaml").write_text("parts: {}\n")
        assert kind_of(folder / "a.yaml") == kind


SAME = ('  "a": 1', '  "a": 1', " ")
OPEN, CLOSE = ("{", "{", " "), ("}", "}", " ")
BESIDE: dict[str, tuple[Any, Any, list[tuple[str, str, str]]]] = {
    "changed": ({"a": 1, "b": 2}, {"a": 1, "b": 3}, [OPEN, SAME, ('  "b": 2', '  "b": 3', "|"), CLOSE]),
    "added": ({"a": 1}, {"a": 1, "b": 2}, [OPEN, SAME, ("", '  "b": 2', ">"), CLOSE]),
    "missing": ({"a": 1, "b": 2}, {"a": 1}, [OPEN, SAME, ('  "b": 2', "", "<"), CLOSE]),
    "long": ("x" * 30, "y", [('"' + "x" * 17, '"y"', "|"), ("  " + "x" * 13 + '"', "", "|")]),
    "a control code": ("\x1b", "", [('"\\u001b"', '""', "|")]),
    "far apart": (
        list(range(10)),
        [*range(9), 0],
        [("...", "...", " "), ("  7", "  7", " "), ("  8", "  8", " "), ("  9", "  0", "|"), ("]", "]", " ")],
    ),
}


@pytest.mark.parametrize("case", BESIDE)
def test_side_by_side(case: str) -> None:
    expected, actual, shown = BESIDE[case]
    assert side_by_side(lines_of(expected), lines_of(actual), 39) == [("expected", "actual", " "), *shown]


def test_a_row_fills_the_width() -> None:
    (_, row) = side_by_side(["x" * 18], ["y" * 18], 39)
    assert row.text(39) == f"{'x' * 18} | {'y' * 18}"


def test_two_long_values_are_cut() -> None:
    rows = side_by_side(lines_of(list(range(1000))), lines_of([]), 80)
    assert (len(rows), rows[-1].left) == (122, "... 882 more rows")
    assert side_by_side(["x"] * 2001, [], 80) == [("(more than 2,000 lines)", "(more than 2,000 lines)", "|")]
