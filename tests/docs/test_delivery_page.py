"""docs/delivery.md, typed and run from its first block to its last, in an empty folder."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from engine.delivery.outbox.sqlite import SqliteOutbox
from tests.docs.blocks import blocks
from tests.docs.console import Console


def test_the_page_can_be_followed(tmp_path: Path) -> None:
    console = Console(tmp_path)
    for block in blocks("docs/delivery.md"):
        console.play(block)
    with closing(SqliteOutbox(tmp_path / "outbox.db")) as outbox:
        assert [row.message_id for row in outbox.waiting("crm", 0, 9)] == ["m2"]
