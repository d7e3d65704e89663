"""docs/deletion.md, typed and run in an empty folder."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

from tests.docs.blocks import blocks
from tests.docs.console import check, commands
from tests.operating import OperatorShell

PAGE = "docs/deletion.md"


def test_the_page_can_be_followed(tmp_path: Path) -> None:
    with chdir(tmp_path):
        for block in blocks(PAGE):
            if block.words == "run":
                for command, shown in commands(block):
                    check(block, command, OperatorShell.run(command).splitlines(), shown)
            elif block.words:
                Path(block.words).write_text(block.text)
