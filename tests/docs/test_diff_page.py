"""docs/diff.md and docs/layout.md show what `engine diff` and `fmt` print; the pipelines of docs/ci.md find a breaking change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine.mapping.yaml import reader
from tests.docs.blocks import ROOT, Block, blocks
from tests.docs.console import Console
from tests.docs.pages import text_of

PAGE = "docs/diff.md"
PAGES = (PAGE, "docs/layout.md")
SHELL = "code=0\n"


@pytest.mark.parametrize(
    "block",
    [each for page in PAGES for each in blocks(page) if each.words == "run"],
    ids=lambda each: each.heading,
)
def test_what_is_shown_is_what_happens(block: Block, tmp_path: Path) -> None:
    console = Console(tmp_path)
    console.folder = ROOT
    console.play(block)


def test_the_page_names_every_key_of_the_schema() -> None:
    schema = json.loads((ROOT / "schemas" / "diff.schema.json").read_text(encoding="utf-8"))
    rows = [line for line in text_of(PAGE).splitlines() if line.startswith("| `")]
    keys = {*schema["properties"]}
    for name in ("requests", "fields", "outcomes"):
        keys |= {*schema["properties"][name]["items"]["properties"]}
    assert [key for key in sorted(keys) if not any(f"`{key}`" in row for row in rows)] == []


def scripts() -> dict[str, str]:
    """Return the shell of both pipelines that compares the mappings."""
    found = {}
    for block in blocks("docs/ci.md"):
        document = reader.parse(block.text, block.words)
        assert document.problems == ()
        [script] = [each for each in strings(document.value) if each.startswith(SHELL)]
        found[block.heading] = script
    return found


def strings(value) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    return [text for each in value for text in strings(each)] if isinstance(value, list) else [str(value)]


@pytest.mark.parametrize("name", ["GitHub Actions", "GitLab"])
def test_a_pipeline_finds_a_breaking_change(name: str, tmp_path: Path) -> None:
    console = Console(tmp_path)
    (tmp_path / "mappings").mkdir()
    shutil.copy(ROOT / "tests" / "commands" / "mappings" / "shop.yaml", tmp_path / "mappings")
    event = {"type": "track", "event": "Bought", "messageId": "m", "userId": "u", "properties": {"price": 5}}
    (tmp_path / "events.ndjson").write_text(json.dumps(event))
    (tmp_path / "script").write_text(scripts()[name])
    author = "git -c user.name=t -c user.email=t@example.com"
    console.run(f"git init -q && git add mappings && {author} commit -qm first")
    run = "BASE=$(git rev-parse HEAD) GITHUB_STEP_SUMMARY=summary bash -o pipefail script > printed; echo $?"
    assert console.run(run) == "0\n"
    assert "### `shop`: no difference\n" in (tmp_path / "diff.md").read_text()
    console.run(
        "sed -i 's/price: {/cost: {/' mappings/shop.yaml; cp mappings/shop.yaml mappings/other.yaml; rm diff.md"
    )
    assert console.run(run) == "1\n"
    assert "| `add_event` | `body.price` | removed | 1 | `5` |  |\n" in (tmp_path / "diff.md").read_text()
