"""docs/architecture.md names what is there, and all of it: files, layers, code."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks
from tests.docs.console import Console
from tests.docs.pages import text_of
from tests.package.test_layers import LAYERS

PAGE = "docs/architecture.md"
FOLDERS = ("mapping", "language", "compiler", "events", "collector", "delivery", "sandbox", "commands")


def section(folder: str) -> str:
    """Return the part of the page about a folder of the engine."""
    text = text_of(PAGE)
    start = re.search(rf"^## .*`engine/{folder}/`.*$", text, flags=re.MULTILINE)
    assert start is not None, f"{PAGE} has no section about engine/{folder}/"
    return text[start.end() :].partition("\n## ")[0]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_is_named(folder: str) -> None:
    patterns = re.findall(r"`([\w/*.]+\.py)`", section(folder))
    base = ROOT / "engine" / folder
    files = [path.relative_to(base).as_posix() for path in base.rglob("*.py")]
    known = [name for name in files if any(fnmatch(name, pattern) for pattern in patterns)]
    unnamed = set(files) - set(known) - {name for name in files if name.endswith("__init__.py")}
    if folder == "commands":  # "a command each; others likewise"
        unnamed = {name for name in unnamed if not (base / name).read_text(encoding="utf-8").startswith('"""`engine ')}
    assert sorted(unnamed) == []
    assert [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in files)] == []


def test_every_path_exists() -> None:
    named = set(re.findall(r"`((?:engine|tests|schemas|docs|mappings)/[\w./*]*)`", text_of(PAGE)))
    assert [path for path in sorted(named) if not list(ROOT.glob(path.rstrip("/")))] == []


def test_every_layer_is_in_the_table() -> None:
    layers = [name for row in LAYERS for name in row if name != "engine"]
    table = text_of(PAGE).partition("## Layers")[2].partition("\n## ")[0]
    files = {name: name.replace(".", "/") for name in layers}
    assert [name for name, file in files.items() if f"`{file}.py`" not in table and f"`{file}/`" not in table] == []


@pytest.mark.parametrize("block", [block for block in blocks(PAGE) if block.words], ids=lambda block: block.heading)
def test_what_is_shown_is_real(block: Block, tmp_path: Path) -> None:
    if block.language == "yaml":
        assert block.text in text_of(block.words)
        return
    console = Console(tmp_path)
    console.folder = ROOT
    console.play(block)
