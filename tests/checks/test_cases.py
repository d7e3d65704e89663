"""What is said, word for word: `cases/name.yaml` holds a few keys of a mapping, `name.txt` is what is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.mapping.codes import GROUPS
from tests.checks.harness import printed, problems_of
from tests.mapping.whole import whole

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
OF_OTHERS = ("Files and YAML", "Shapes")
"""What tests/mapping has cases for."""
TEXTS = sorted((Path(__file__).parent / "cases").glob("*.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_says(case: Path) -> None:
    problems = problems_of(whole(case.read_text(encoding="utf-8")))
    assert printed(problems) == case.with_suffix(".txt").read_text(encoding="utf-8")


def test_every_case_has_its_text() -> None:
    assert [path.stem for path in CASES] == [path.stem for path in TEXTS]


def test_every_code_of_the_checker_has_a_case() -> None:
    said = {
        code for text in TEXTS for code in re.findall(r"\[([a-z-]+)\]$", text.read_text(encoding="utf-8"), re.MULTILINE)
    }
    codes = {code for title, group in GROUPS.items() for code in group if title not in OF_OTHERS}
    assert sorted(codes - said) == ["duplicate-name"]
