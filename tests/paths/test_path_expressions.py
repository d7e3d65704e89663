"""Every expression of `expressions/*.txt` (one per line) has the same result compiled and in the jmespath library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.paths.compiled import Compiled, by_library, strict, truth_of
from tests.tables import each

HERE = Path(__file__).parent
DOCUMENTS = json.loads((HERE / "documents.json").read_text())
ROOTS = ("traits", "properties", "context", "name", "list", "n")
EXPRESSIONS = [
    pytest.param(text, id=f"{file.stem}: {text}")
    for file in sorted((HERE / "expressions").glob("*.txt"))
    for text in file.read_text().splitlines()
]


@each("text", EXPRESSIONS)
def test_compiled_code_agrees_with_the_library(text: str) -> None:
    compiled = Compiled(text)
    for document in DOCUMENTS:
        expected = by_library(text, document)
        assert strict(compiled.value(document)) == strict(expected), compiled.source
        assert compiled.truth(document) == truth_of(expected), compiled.source
        assert compiled.path.can_fail or not isinstance(expected, tuple)


@each("text", EXPRESSIONS)
def test_roots_known_to_be_objects_change_nothing(text: str) -> None:
    compiled = Compiled(text, objects=("traits", "properties", "context"), members=("properties",))
    for document in DOCUMENTS:
        given = {name: document.get(name) for name in ROOTS}
        given |= {name: given[name] if isinstance(given[name], dict) else {} for name in ROOTS[:3]}
        expected = by_library(text, given)
        assert strict(compiled.value(given)) == strict(expected), compiled.source
        assert compiled.truth(given) == truth_of(expected), compiled.source
