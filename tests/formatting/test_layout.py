"""The canonical layout: cases in cases.txt, every mapping of the project, and mappings that are made up."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.formatting import orders
from engine.formatting.layout import LayoutError, formatted
from engine.mapping import bundled
from engine.mapping.yaml import reader
from tests.docs.blocks import ROOT

CASES = {
    title: tuple(part.split("\n--- becomes\n"))
    for title, _, part in (
        case.partition("\n") for case in (Path(__file__).parent / "cases.txt").read_text().split("=== ")[1:]
    )
}
FILES = sorted(
    [
        *(ROOT / "tests").rglob("right/*.yaml"),
        *(ROOT / "tests").rglob("valid/*.yaml"),
        *(ROOT / "tests" / "vendors").glob("*.yaml"),
        *(ROOT / "tests" / "language").glob("o*.yaml"),
    ]
)


@pytest.mark.parametrize("title", CASES)
def test_cases(title: str) -> None:
    before, after = CASES[title]
    assert formatted(before, "case.yaml") == after
    assert formatted(after, "case.yaml") == after


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_value_of_a_mapping_changes(path: Path) -> None:
    """`formatted` compares values and comments itself and raises; here is looked at what it gives, and again."""
    text = path.read_text(encoding="utf-8-sig")
    found = formatted(text, path.name)
    assert reader.parse(found, path.name).value == reader.parse(text, path.name).value
    assert found.count("#") == text.count("#")
    assert formatted(found, path.name) == found


def test_the_shipped_mappings_are_in_the_canonical_layout() -> None:
    for path in bundled("mappings").rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert formatted(text, path.name) == text, f"run: engine fmt {path}"


def test_every_section_of_a_mapping_has_its_place() -> None:
    schema = json.loads((ROOT / "schemas" / "mapping.schema.json").read_text(encoding="utf-8"))
    assert set(orders.FILE) == set(schema["properties"])
    named = {"response": orders.RESPONSE, "example": orders.EXAMPLE, "request": orders.REQUEST, "batch": orders.BATCH}
    for name, order in named.items():
        assert set(order) == set(schema["definitions"][name]["properties"])


def test_line_ends_and_byte_order_marks() -> None:
    assert formatted("\ufeffa: 1\r\nb:\r\n- |\r\n  x\r\n  y\r\n", "f") == "a: 1\nb:\n  - |\n    x\n    y\n"


def test_a_layout_that_would_change_the_meaning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last check: whatever the layout does wrong, a file never changes what it says."""
    wrong = {"a: 1 # x\n": ["a: 2 # x\n", "a: 1\n", "a: 1 # y\n", 'a: "1" # x\n', "a: true # x\n", "a: [ # x\n"]}
    for text, results in wrong.items():
        for result in results:
            monkeypatch.setattr("engine.formatting.layout._Layout.text", lambda _, result=result: result)
            with pytest.raises(LayoutError) as found:
                formatted(text, "f.yaml")
            assert str(found.value) == (
                "f.yaml: the layout of this file is too unusual to be changed safely; it was left as it is."
            )


SCALARS = st.sampled_from(
    [
        "1",
        "x",
        "'q q'",
        '"a: #b"',
        "true",
        "",
        "~",
        "1.50",
        "a b",
        "${x}",
        ">-\n",
        "|\n",
        '"a\n',
        "a\n",
        "x # y",
        "{}",
        "[]",
    ]
)
KEYS = ("mapping", "name", "http", "requests", "calls", "examples", "title", "path", "about", "a", '"b c"', "request")
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3),
        st.dictionaries(st.sampled_from(KEYS), inner, min_size=1, max_size=4),
    ),
    max_leaves=12,
)


def messy(tree, depth: int, chance: random.Random) -> str:
    """Write a tree as YAML with comments, empty lines and indentations that nobody would choose."""
    pad = " " * depth
    lines = []
    for key, value in tree.items() if isinstance(tree, dict) else ((None, each) for each in tree):
        lines += [
            chance.choice(("", f"{' ' * chance.randint(0, depth + 3)}# c{chance.randint(0, 99)}"))
            for _ in range(chance.choice((0, 0, 0, 1, 2)))
        ]
        first = f"{pad}-" if key is None else f"{pad}{key}:"
        if isinstance(value, dict | list):
            lines += [first + chance.choice(("", "  # beside")), messy(value, depth + chance.randint(1, 5), chance)]
        elif value.endswith("\n"):
            deep = " " * (depth + chance.randint(1, 4))
            rest = f'{deep}two"' if value.startswith('"') else f"{deep}two\n\n{deep}three"
            lines += [f"{first} {value.rstrip()}", rest]
        else:
            lines.append(f"{first}{' ' * chance.randint(1, 3)}{value}")
    return "\n".join(lines)


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(KEYS), TREES, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_made_up_files_keep_their_meaning(tree, chance: random.Random) -> None:
    text = messy(tree, 0, chance) + "\n"
    document = reader.parse(text, "f")
    if document.problems:
        return
    found = formatted(text, "f")
    assert reader.parse(found, "f").value == document.value
    assert formatted(found, "f") == found
