"""docs/archive.md, typed and run from its first block to its last, in an empty folder."""

from __future__ import annotations

from pathlib import Path

from engine.archive.columns import COLUMNS
from tests.docs.blocks import blocks
from tests.docs.console import Console
from tests.docs.pages import text_of

PAGE = "docs/archive.md"


def test_the_page_can_be_followed(tmp_path: Path) -> None:
    console = Console(tmp_path)
    for block in blocks(PAGE):
        console.play(block)


def test_the_page_has_every_column() -> None:
    assert [name for name in COLUMNS if f"`{name}`" not in text_of(PAGE)] == []
