"""docs/audience-sync.md, typed and run from its first block to its last, in an empty folder."""

from __future__ import annotations

from pathlib import Path

from tests.docs.blocks import blocks
from tests.docs.console import Console

PAGE = "docs/audience-sync.md"


def test_the_page_can_be_followed(tmp_path: Path) -> None:
    console = Console(tmp_path)
    for block in blocks(PAGE):
        console.play(block)
