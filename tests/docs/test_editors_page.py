"""docs/editors.md: its settings are JSON, its commands run, and what it says of the servers is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

from engine.assistant import tools
from engine.editing import seen
from tests.docs.blocks import ROOT, blocks
from tests.docs.console import Console

PAGE = "docs/editors.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")


def test_the_settings_are_json() -> None:
    settings = [json.loads(block.text) for block in blocks(PAGE) if block.words == "settings"]
    assert [min(each) for each in settings] == ["glspc.server.command", "yaml.schemas", "mcpServers"]
    assert all((ROOT / file).is_file() for file in settings[1]["yaml.schemas"])


def test_the_limits_are_those_of_the_code() -> None:
    assert f"first {seen.MOST_EVENTS:,} count" in TEXT
    assert f"{tools.LONGEST_EVENT // 1024} KB, and an answer {tools.LONGEST_ANSWER:,} characters" in TEXT


def test_the_tools_are_those_of_the_server() -> None:
    listed = re.findall(r"^\| `(\w+)` \| ", TEXT.partition("## Assistants")[2], re.MULTILINE)
    methods = [name for name, made in vars(tools.Tools).items() if callable(made) and not name.startswith("_")]
    assert listed == methods


def test_its_commands_print_what_it_shows(tmp_path: Path) -> None:
    console = Console(tmp_path)
    shown = [block for block in blocks(PAGE) if block.words == "run"]
    assert shown
    for block in shown:
        console.play(block)
