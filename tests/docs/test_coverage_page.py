"""docs/coverage.md, typed and run from its first block to its last, in an empty folder."""

from __future__ import annotations

from pathlib import Path

from tests.docs.blocks import blocks
from tests.docs.console import Console


def test_the_page_can_be_followed(tmp_path: Path) -> None:
    console = Console(tmp_path)
    for block in blocks("docs/coverage.md"):
        console.play(block)
    assert "A visitor who is not signed in" in (tmp_path / "mappings" / "shop.yaml").read_text(encoding="utf-8")
