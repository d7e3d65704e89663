"""docs/add-a-destination.md, typed and run from its first block to its last, in a copy of the project."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.docs.blocks import ROOT, blocks
from tests.docs.console import Console

PAGE = "docs/add-a-destination.md"
NEEDED = ("mappings", "schemas")


def project(folder: Path) -> Path:
    """Copy into a folder what of the project the page needs; the engine is this one."""
    for name in NEEDED:
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_page_can_be_followed(tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    console = Console(folder)
    for block in blocks(PAGE):
        console.play(block)
    assert (folder / "mappings" / "customer_io.yaml").exists()


def test_a_mistake_on_the_page_would_be_seen(tmp_path: Path) -> None:
    """The replay itself: it compares what is printed, and finds the lines a diff speaks of."""
    console = Console(tmp_path)
    given = {"yaml a.yaml": "a: 1\n", "diff a.yaml": " a: 1\n+b: 2\n", "console run": "$ cat a.yaml\na: 1\n...\n"}
    for number, (words, text) in enumerate(given.items()):
        language, _, name = words.partition(" ")
        console.play(block(language, name, text, number))
    for text in ("$ cat a.yaml\na: 1\n", "$ cat a.yaml\na: 1\nb: 3\n", "$ cat a.yaml\na: 1\nb: 2\nc: 3\n"):
        assert seen(console, block("console", "run", text, 9))
    assert seen(console, block("diff", "a.yaml", "-c: 3\n+c: 4\n", 9))


def block(language: str, words: str, text: str, line: int):
    from tests.docs.blocks import Block

    return Block(language, words, text, "", line)


def seen(console: Console, shown) -> bool:
    try:
        console.play(shown)
    except AssertionError:
        return True
    return False
