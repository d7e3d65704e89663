"""What README.md shows is real: its commands, its Python, its piece of a mapping, its table, its version."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import engine
from engine.mapping import bundled
from engine.mapping.load import Library
from tests.docs.blocks import ROOT, Block, blocks
from tests.docs.console import Console
from tests.docs.pages import text_of

PAGE = "README.md"
BLOCKS = blocks(PAGE)
SHOWN = [block for block in BLOCKS if block.language == "yaml" and block.words]
EXIT_CODES = r"^\| (\d+) \| .*$"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.words == "run"], ids=lambda block: block.heading)
def test_what_is_shown_is_what_happens(block: Block, tmp_path: Path) -> None:
    if block.language == "python":
        shown = BLOCKS[BLOCKS.index(block) + 1].text
        done = subprocess.run([sys.executable, "-c", block.text], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout == shown
    else:
        console = Console(tmp_path)
        console.folder = ROOT
        console.play(block)


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.words)
def test_a_piece_of_a_file_is_in_that_file(block: Block) -> None:
    whole = text_of(block.words)
    for piece in block.text.split("...\n"):
        assert piece in whole
        whole = whole.partition(piece)[2]


def test_the_table_of_destinations_is_complete() -> None:
    mappings = [Library([]).load(path.stem).mapping for path in sorted(bundled("mappings").glob("*.yaml"))]
    rows = [
        f"| `{mapping.name}` | {mapping.title} | {', '.join((*mapping.calls, *mapping.shared))} |"
        for mapping in mappings
    ]
    assert [row for row in text_of(PAGE).splitlines() if row.startswith("| `")] == rows


def test_the_two_commands_exist() -> None:
    makefile = text_of("Makefile")
    named = re.findall(r"^\$ make (\S+)", text_of(PAGE), flags=re.MULTILINE)
    assert named == ["demo", "test"]
    assert [name for name in named if f"\n{name}:" not in makefile] == []


def test_exit_codes_agree_with_the_page_of_commands() -> None:
    codes = re.findall(EXIT_CODES, text_of(PAGE), flags=re.MULTILINE)
    assert codes == re.findall(EXIT_CODES, text_of("docs/commands.md"), flags=re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "4", "70", "130"]


def test_the_hook_has_the_name_it_is_shown_with() -> None:
    named = re.findall(r"- id: (\S+)", text_of(PAGE))
    assert named == re.findall(r"- id: (\S+)", text_of(".pre-commit-hooks.yaml"))


def test_every_page_of_docs_can_be_reached() -> None:
    page = text_of(PAGE)
    assert [path.name for path in (ROOT / "docs").glob("*.md") if f"docs/{path.name}" not in page] == []


def test_the_changelog_knows_this_version() -> None:
    assert re.search(rf"^## {re.escape(engine.__version__)}( |$)", text_of("CHANGELOG.md"), flags=re.MULTILINE)
