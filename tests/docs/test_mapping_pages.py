"""docs/mapping-pages.md and docs/personal-data.md, typed and run from the first block to the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import blocks
from tests.docs.console import Console

PAGES = ("docs/mapping-pages.md", "docs/personal-data.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_page_can_be_followed(page: str, tmp_path: Path) -> None:
    console = Console(tmp_path)
    for block in blocks(page):
        console.play(block)
