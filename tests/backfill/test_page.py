"""docs/backfill.md, typed and run in an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import blocks
from tests.docs.console import Console


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_the_page_can_be_followed(tmp_path: Path) -> None:
    console = Console(tmp_path)
    for block in blocks("docs/backfill.md"):
        console.play(block)
