"""Mappings that are right have no problems, warnings included: the shipped ones, those of tests, and every case.

`right/` has mappings for destinations that many people use, each in the style of another author."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.mapping.checks import check
from engine.mapping.load import Library
from engine.mapping.yaml import reader
from tests.checks.harness import DOCS, printed
from tests.language.cases import load_cases

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "mappings").glob("*.yaml"))
RIGHT = [
    *SHIPPED,
    *sorted((ROOT / "tests" / "commands" / "mappings").glob("*.yaml")),
    *sorted((ROOT / "tests" / "checks" / "right").glob("*.yaml")),
]
SLIPS = frozenset(
    {
        *("literal-path", "path-placeholder", "address-in-path", "form-content-type", "pipe-is-no-choice"),
        *("unknown-context-field", "double-quotes", "date-format", "path-as-key"),
    }
)
"""Codes of what looks like a slip; the cases of the language have none, however odd they are."""


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_a_mapping_that_is_right_has_no_problems(path: Path) -> None:
    assert printed(check(Library([ROOT / "mappings"]).read(path))) == ""


@pytest.mark.slow
def test_no_case_of_the_language_looks_like_a_slip() -> None:
    assert set(DOCS) >= SLIPS
    library, path = Library([]), Path("shop.yaml")
    for case in load_cases():
        text = json.dumps({**case.mapping, "name": "shop"})
        found = [each for each in check(library.of(reader.parse(text, "shop.yaml"), path)) if each.code in SLIPS]
        assert printed(found) == "", case.id
