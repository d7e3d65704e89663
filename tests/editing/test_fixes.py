"""The answer to *did you mean* as a change: it is made to the documented mistake of a problem, which is then gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.editing.fixes import changes, underlined
from engine.editing.positions import Position, Range, TextLines
from engine.mapping.problems import Fix, Problem
from tests.checks.harness import DOCS, problems_of, write_companions
from tests.mapping.whole import whole

CODES = (
    *("key-never-there", "not-allowed", "unknown-batch", "unknown-call", "unknown-context-field", "unknown-field"),
    *("unknown-function", "unknown-include", "unknown-key", "unknown-method", "unknown-part"),
    *("unknown-request", "unknown-row-field", "unknown-setting", "unknown-saved"),
)
ALSO = {"not-allowed": "settings:\n  a: { title: A, type: strng }\n"}
"""Mistakes that the documentation does not show."""
WHOLE = Range(Position(0, 0), Position(10_000, 0))


@pytest.mark.parametrize("code", CODES)
def test_a_mistake_is_corrected(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_companions(tmp_path)
    cases = [ALSO.get(code, DOCS[code].wrong), *(case.mapping for case in DOCS[code].cases)]
    for text in map(whole, cases):
        lines = TextLines(text)
        wrong = [each for each in problems_of(text) if each.code == code and each.fix is not None]
        found = changes(wrong, lines, WHOLE)
        if found:
            break
    else:
        pytest.fail(f"no example of {code} has a fix")
    start, end = (lines.offset(position) for position in found[0].edit.range)
    better = text[:start] + found[0].edit.text + text[end:]
    left = [(each.code, each.message) for each in problems_of(better)]
    assert (code, found[0].problem.message) not in left


@pytest.mark.parametrize(
    ("text", "column", "underline", "change"),
    [
        ("a: wrong, b", 4, "wrong", "wrong"),
        ("a: 'wrong'", 4, "wrong", "wrong"),
        ('a: "wr\\u006fng"', 4, '"wr\\u006fng"', None),
        ("a: 🎉 other", 6, "other", None),
        ("a:", 9, "", None),
    ],
)
def test_what_is_underlined_and_changed(text: str, column: int, underline: str, change: str | None) -> None:
    lines = TextLines(text)
    problem = Problem("x.yaml", 1, column, "a", "unknown-part", "Unknown.", fix=Fix("wrong", "right"))

    def written(found: Range) -> str:
        start, end = (lines.offset(position) for position in found)
        return text[start:end]

    assert written(underlined(problem, lines)) == underline
    assert [written(each.edit.range) for each in changes([problem], lines, WHOLE)] == ([change] if change else [])
