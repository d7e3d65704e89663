"""Random paths over random documents: compiled code, truth, failures and roots agree with the jmespath library."""

from __future__ import annotations

import jmespath
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from jmespath.visitor import TreeInterpreter

from engine.errors import PathError
from engine.language import paths
from tests.paths.compiled import FAILED, Compiled, by_library, outcome, strict, truth_of
from tests.paths.generated import documents
from tests.paths.generated import paths as random_paths

EXAMPLES = settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
MANY = settings(EXAMPLES, max_examples=5_000)


def check_agreement(text: str, document: dict[str, object]) -> None:
    objects = tuple(name for name, value in document.items() if isinstance(value, dict))
    compiled = _compiled(text, objects)
    expected = outcome(lambda: paths.search(text, document))
    if "merge(" not in text:  # the one function here that we hold to more than the library does
        assert strict(by_library(text, document)) == strict(expected)
    event("fails" if expected == (FAILED,) else f"gives {type(expected).__name__}")
    assert strict(compiled.value(document)) == strict(expected), compiled.source
    assert compiled.truth(document) == truth_of(expected), compiled.source
    assert compiled.path.can_fail or expected != (FAILED,)


def _compiled(text: str, objects: tuple[str, ...]) -> Compiled:
    try:
        return Compiled(text, objects, members=("a",))
    except PathError:  # the whole scope, a field of `!a`
        assume(False)
        raise


@EXAMPLES
@given(random_paths(depth=4), documents)
def test_compiled_code_agrees_with_the_library(text: str, document: dict[str, object]) -> None:
    check_agreement(text, document)


@pytest.mark.slow
@MANY
@given(random_paths(depth=5), documents)
def test_compiled_code_agrees_with_the_library_often(text: str, document: dict[str, object]) -> None:
    check_agreement(text, document)


class Watched(dict[str, object]):
    """A document that knows its place below a root name (() is the document itself)."""

    def __init__(self, members: dict[str, object], place: tuple[str, ...] = ()) -> None:
        super().__init__({key: _watched(member, (*place, key)) for key, member in members.items()})
        self.place = place


def _watched(value: object, place: tuple[str, ...]) -> object:
    return Watched(value, place) if isinstance(value, dict) else value


class Recorder(TreeInterpreter):
    """Evaluates both sides of everything, and notes each name asked of the document or of an object in it."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[tuple[str, ...]] = set()

    def visit_field(self, node: dict[str, object], value: object) -> object:
        if isinstance(value, Watched):
            self.names.add((*value.place, node["value"]))
        return super().visit_field(node, value)

    def visit_or_expression(self, node: dict[str, object], value: object) -> object:
        self.visit(node["children"][1], value)
        return super().visit_or_expression(node, value)

    visit_and_expression = visit_or_expression


NAMES = ("a", "b", "saved")
FULL = {key: {inner: {name: {} for name in NAMES} for inner in NAMES} for key in NAMES}


@EXAMPLES
@given(random_paths(depth=4))
def test_roots_are_the_names_asked_of_the_document(text: str) -> None:
    path, _ = _parsed(text)
    assume(path is not None)
    recorder = Recorder()
    try:
        recorder.visit(jmespath.compile(text).parsed, Watched(FULL))
    except (jmespath.exceptions.JMESPathTypeError, TypeError, ValueError):
        assume(False)
    asked = {place[0] for place in recorder.names}
    known = {root.name for root in path.roots}
    assert known >= asked if path.uses_current_root else known == asked
    if not path.uses_current_root:
        for place in recorder.names:
            assert any(_covers((root.name, *root.members), place) for root in path.roots), place


def _covers(root: tuple[str, ...], place: tuple[str, ...]) -> bool:
    """A chain covers what is on the way to it, and, taken whole, everything below it."""
    shorter = min(len(root), len(place))
    return root[:shorter] == place[:shorter]


@EXAMPLES
@given(st.text(alphabet="ab.[]*?(){}!&|=<>@,:'\"`1- \\$é", max_size=25))
def test_any_text_is_a_path_or_a_path_error(text: str) -> None:
    path, error = _parsed(text)
    if path is None:
        assert str(error).endswith(".")
        assert 1 <= error.column <= len(text) + 1
    else:
        assert all(text[root.column - 1] in f'"{root.name}' for root in path.roots)
        assert all(1 <= finding.column <= len(text) for finding in paths.findings(path))


def _parsed(text: str) -> tuple[paths.Path | None, PathError | None]:
    try:
        return paths.parse(text), None
    except PathError as error:
        return None, error
