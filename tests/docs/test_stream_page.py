"""docs/stream.md: its commands run, NATS takes its configuration, and its messages are those of the code."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks
from tests.docs.console import Console
from tests.docs.pages import text_of
from tests.stream.servers import BINARY, NatsServer

PAGE = "docs/stream.md"
CODE = "engine/stream"
MESSAGE = re.compile(r"^\| `(.+?)` \| [^|]*(?:`[^`]*`[^|]*)*\|$", re.MULTILINE)
ANYTHING = "..."
NOWHERE = "The server of ... is purple"


class StreamConsole(Console):
    """A shell whose outbox is on a server of its own."""

    def __init__(self, folder: Path, address: str) -> None:
        super().__init__(folder)
        self._address = address

    def environment(self) -> dict[str, str]:
        """Return the environment of a command."""
        own = {"WAYBILL_OUTBOX": self._address, "WAYBILL_VIEW": str(self.folder / "view.db")}
        return super().environment() | own


def test_the_page_can_be_followed(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats") as server:
        console = StreamConsole(tmp_path, str(server.address()))
        for block in blocks(PAGE):
            console.play(block)


@pytest.mark.parametrize("block", [b for b in blocks(PAGE) if b.words.endswith(".conf")], ids=lambda block: block.words)
def test_nats_takes_the_configuration(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "nats.conf"
    file.write_text(block.text.replace("/var/lib/nats", str(tmp_path)))
    done = subprocess.run(
        [BINARY, "-t", "-c", file], capture_output=True, text=True, env={"NATS_PASSWORD": "x"}, check=False
    )
    assert (done.returncode, "is valid" in done.stderr) == (0, True), done.stderr


def test_every_message_is_one_of_the_code() -> None:
    table = text_of(PAGE).partition("## Messages")[2]
    shown = MESSAGE.findall(table)
    assert len(shown) > 10
    known = list(texts())
    assert [each for each in [*shown, NOWHERE] if not any(comparable(each) in text for text in known)] == [NOWHERE]


def comparable(text: str) -> str:
    """Return a text with its open ends left away."""
    return text.strip(". ")


def texts() -> Iterator[str]:
    """Yield all texts of the code, with `...` for what is filled in."""
    for file in (ROOT / CODE).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(each.value) if isinstance(each, ast.Constant) else ANYTHING for each in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"\{\w[\w:.,]*\}", ANYTHING, node.value)
