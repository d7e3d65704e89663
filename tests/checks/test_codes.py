"""The table of codes: each example of it is run, and no code is said that is not in it, or is in it and never said."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.mapping.checks.context import POINTLESS, UNUSED_CODES
from engine.mapping.codes import CODES
from engine.mapping.codes.files import FILES
from tests.checks.harness import printed, problems_of
from tests.mapping.whole import whole

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "engine"
SAY = {
    **dict.fromkeys(("Words", "Finding", "Verdict"), 0),
    **dict.fromkeys(("problem", "_problem", "_nothing_uses"), 1),
    **dict.fromkeys(("_several", "_batched"), 3),
    "Problem": 4,
}
"""What makes a problem, and which of its arguments is the code."""
ELSEWHERE = {code for code, doc in CODES.items() if doc.wrong.startswith("#")}
"""Codes whose fault is not in the text; their tests stand in test_bad_input.py and tests/mapping."""


def _codes(problems, code):
    """A documented piece may leave something unused, unless that is what it is about."""
    return [problem.code for problem in problems if problem.code == code or problem.code not in UNUSED_CODES]


@pytest.mark.parametrize("code", [code for code in CODES if code not in ELSEWHERE])
def test_wrong_gives_exactly_this_code(code: str) -> None:
    problems = problems_of(whole(CODES[code].wrong))
    assert set(_codes(problems, code)) == {code}, printed(problems)


@pytest.mark.parametrize("code", [code for code in CODES if code not in ELSEWHERE])
def test_right_gives_no_problem(code: str) -> None:
    problems = problems_of(whole(CODES[code].right))
    assert _codes(problems, code) == [], printed(problems)


def test_what_is_elsewhere_is_known() -> None:
    assert {*FILES, "duplicate-name"} >= ELSEWHERE


def test_every_code_that_is_said_is_documented() -> None:
    said = {code: where for path in _sources() for code, where in _said(path)}
    assert {code: where for code, where in said.items() if code not in CODES} == {}


def test_every_documented_code_is_said() -> None:
    texts = {text for path in _sources() for text in _constants(path)}
    assert sorted(set(CODES) - texts) == []


def test_groups_of_codes_are_codes() -> None:
    assert set(CODES) >= (UNUSED_CODES | POINTLESS)


def test_codes_are_words_with_hyphens() -> None:
    assert [code for code in CODES if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)] == []


def test_warnings_are_called_so() -> None:
    for path in (ENGINE / "mapping").glob("check*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and any(word.arg == "level" for word in call.keywords):
                code = call.args[1]
                if isinstance(code, ast.Constant) and code.value != "unknown-field":
                    assert "A warning" in CODES[code.value].about, code.value


def _sources() -> list[Path]:
    others = ("language/path_findings.py", "examples.py", "commands/validate.py")
    return [*sorted((ENGINE / "mapping").glob("*.py")), *(ENGINE / name for name in others)]


def _constants(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _said(path: Path) -> Iterator[tuple[str, str]]:
    """Return the codes written where a problem is made."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        at = SAY.get(name)
        if at is None or len(node.args) <= at:
            continue
        for constant in ast.walk(node.args[at]):
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                assert not isinstance(node.args[at], ast.JoinedStr), f"{path}:{node.lineno}: a code is written whole"
                yield constant.value, f"{path.name}:{node.lineno}"
