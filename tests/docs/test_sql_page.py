"""docs/sql.md: its blocks run, and its tables are those of the views."""

from __future__ import annotations

from pathlib import Path

from engine.archive.views import VIEWS
from tests.docs.blocks import blocks
from tests.docs.console import Console
from tests.docs.pages import text_of

PAGE = "docs/sql.md"


def test_what_is_shown_is_what_happens(tmp_path: Path) -> None:
    console = Console(tmp_path)
    for block in blocks(PAGE):
        console.play(block)


def test_every_column_is_in_the_tables() -> None:
    rows = [f"| `{each.name}` | {each.type} | {each.about} |" for view in VIEWS.values() for each in view]
    assert [row for row in rows if row not in text_of(PAGE)] == []
