"""Puts what commands print now into the pages that show it: `python -m tests.docs.rewrite`. Read the difference.

Blocks that hold `...` are left alone: what they leave out is a person's choice.
"""

from __future__ import annotations

import tempfile
from contextlib import chdir
from pathlib import Path

from tests.docs.blocks import ROOT, Block, blocks
from tests.docs.console import ANYTHING, Console, commands
from tests.docs.test_mapping_pages import PAGES as FOLLOWED
from tests.docs.test_stream_page import PAGE as STREAM
from tests.docs.test_stream_page import StreamConsole
from tests.docs.test_walk_through import PAGE as WALK_THROUGH
from tests.docs.test_walk_through import project
from tests.operating import OperatorShell, operated
from tests.stream.servers import NatsServer

IN_FOLDER = ("docs/coverage.md", "docs/delivery.md")
"""Pages that begin in an empty folder."""
IN_PLACE = ("README.md", "docs/output.md", "docs/explain.md", "docs/architecture.md", "docs/diff.md", "docs/layout.md")


OPERATING = "docs/operating.md"
DELETION = "docs/deletion.md"


def rewritten(page: str, console: Console | OperatorShell, *, whole: bool) -> str:
    """Return a page with its commands' output; `whole` also writes the files that it shows."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    done: list[str] = []
    at = 0
    for block in blocks(page):
        done += lines[at : block.line]
        at = block.line
        if block.language == "console" and block.words == "run":
            done += printed(console, block)
            at += block.text.count("\n")
        elif whole and isinstance(console, Console):
            console.play(block)
    return "\n".join([*done, *lines[at:]]) + "\n"


def printed(console: Console | OperatorShell, block: Block) -> list[str]:
    """Return the lines of a block with what its commands print now."""
    lines: list[str] = []
    for command, shown in commands(block):
        output = [line.rstrip() for line in console.run(command).splitlines()]
        lines += [*f"$ {command}".splitlines(), *(shown if ANYTHING in shown else output)]
    return lines


def main() -> None:
    """Rewrite every page that shows commands."""
    for page in IN_PLACE:
        with tempfile.TemporaryDirectory() as folder:
            console = Console(Path(folder))
            console.folder = ROOT
            text = rewritten(page, console, whole=False)
        (ROOT / page).write_text(text, encoding="utf-8")
    for page in (*IN_FOLDER, *FOLLOWED):
        with tempfile.TemporaryDirectory() as folder:
            text = rewritten(page, Console(Path(folder)), whole=True)
        (ROOT / page).write_text(text, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, NatsServer(Path(folder) / "nats") as server:
        text = rewritten(STREAM, StreamConsole(Path(folder), str(server.address())), whole=True)
    (ROOT / STREAM).write_text(text, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, operated(Path(folder)):
        (ROOT / OPERATING).write_text(rewritten(OPERATING, OperatorShell(), whole=False), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for block in blocks(DELETION):
            if block.words not in ("", "run"):
                Path(block.words).write_text(block.text, encoding="utf-8")
        text = rewritten(DELETION, OperatorShell(), whole=False)
    (ROOT / DELETION).write_text(text, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        code = project(Path(folder))
        text = rewritten(WALK_THROUGH, Console(code), whole=True)
    (ROOT / WALK_THROUGH).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
