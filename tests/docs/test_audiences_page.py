"""docs/audiences.md, typed and run from its first block to its last; its limits and words are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from engine.audiences import conditions, definitions, rules, where
from engine.audiences.definitions import load_document
from engine.mapping.yaml.reader import parse
from tests.docs.blocks import blocks
from tests.docs.console import Console
from tests.docs.pages import text_of

PAGE = "docs/audiences.md"


def test_the_page_can_be_followed(tmp_path: Path) -> None:
    console = Console(tmp_path)
    for block in blocks(PAGE):
        if block.words in ("audience", "sql"):
            assert load_document(parse(block.text, PAGE)).entries
        else:
            console.play(block)


def test_it_names_every_word() -> None:
    words = {*definitions.AUDIENCE_KEYS, *definitions.TRAIT_KEYS, *where.FUNCTIONS, *where.ROOTS}
    assert sorted(word for word in words if not re.search(rf"\b{word}\b", text_of(PAGE))) == []


def test_its_limits_are_those_of_the_code() -> None:
    assert f"at most {definitions.MOST_DEFINITIONS} audiences" in text_of(PAGE)
    assert f"at most {conditions.MOST_CONDITIONS} conditions, {conditions.DEEPEST} levels" in text_of(PAGE)
    assert f"at most {definitions.LONGEST_SQL:,} bytes" in text_of(PAGE)
    assert f"at most {rules.MOST_LISTED:,} |" in text_of(PAGE)
