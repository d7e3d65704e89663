"""Runs the examples of docs/language.md: a piece of YAML, then events, each with what comes out.

What a block is says its second word.  YAML: `fields` (under `fields:` of the one step), `mapping` (top-level keys over
a small mapping), `file` (all of it), `fields wrong` (what `validate-mappings` refuses).  Given: `settings`, `replies`,
`event`.  Coming out: `body`, `requests`, `outcome`, `reports`, `problem`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.commands.connection_options import NamedConnection
from engine.commands.output.events import report_text
from engine.commands.output.ndjson import LineWriter
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.sending.outgoing import DryRun, dry_run
from engine.mapping.load import Library, Loaded
from engine.mapping.yaml import reader
from engine.plan import Connection, Destination
from engine.records import NO_SECRETS
from engine.testing.examples import NOW, validate
from tests.docs.blocks import ROOT, Block, blocks

PAGE = "docs/language.md"
BASE: dict[str, Any] = {
    "mapping": 1,
    "name": "example",
    "title": "Example",
    "http": {"base_url": "https://api.example.com"},
    "requests": {"send": {"path": "/send"}},
}
EVENT: dict[str, Any] = {"type": "track", "messageId": "m1", "userId": "u1", "timestamp": "2024-03-05T10:15:30Z"}
RESULTS = ("body", "requests", "outcome", "reports")


@dataclass
class Shown:
    """One event of an example with what the page says becomes of it."""

    event: dict[str, Any]
    replies: list[Any]
    results: dict[str, str] = field(default_factory=dict)


@dataclass
class PageExample:
    """A piece of YAML and the events shown with it."""

    yaml: Block
    settings: dict[str, Any] = field(default_factory=dict)
    events: list[Shown] = field(default_factory=list)
    problem: str = ""


def page_examples(page: str = PAGE) -> Iterator[PageExample]:
    """Put the blocks of a page together."""
    example: PageExample | None = None
    replies: list[Any] = []
    for block in blocks(page):
        if block.language == "yaml":
            if example is not None:
                yield example
            example, replies = PageExample(block), []
            continue
        assert example is not None, f"{page}:{block.line}: there is no YAML yet"
        if block.words == "settings":
            example.settings = json.loads(block.text)
        elif block.words == "replies":
            replies = json.loads(block.text)
        elif block.words == "event":
            example.events.append(Shown(json.loads(block.text), replies))
            replies = []
        elif block.words == "problem":
            example.problem = block.text
        else:
            assert block.words in RESULTS, f"{page}:{block.line}: what is a block of {block.words!r}?"
            example.events[-1].results[block.words] = block.text
    assert example is not None
    yield example


def loaded(example: PageExample) -> Loaded:
    """Make the mapping that an example is a piece of."""
    kind, _, _ = example.yaml.words.partition(" ")
    document = reader.parse(example.yaml.text, "example.yaml")
    assert not document.problems, [str(problem) for problem in document.problems]
    if kind != "file":
        mapping = json.dumps(_whole(kind, document.value, example), ensure_ascii=False)
        document = reader.parse(mapping, "mappings/example.yaml")
    return Library([]).of(document, ROOT / "mappings" / f"{document.value['name']}.yaml")


def _whole(kind: str, value: Any, example: PageExample) -> dict[str, Any]:
    if kind == "mapping":
        base = {key: BASE[key] for key in ("mapping", "name", "title")} if "extends" in value else BASE
        return {**base, **value}
    call = example.events[0].event.get("type", "track") if example.events else "track"
    return {**BASE, "calls": {call: [{"request": "send", "fields": value}]}}


def problems(example: PageExample) -> list[str]:
    """Return what `validate-mappings` says of an example, without the places."""
    found = (str(problem) for problem in validate(loaded(example)))
    return [text.partition("\n")[2] for text in found]


def plan(example: PageExample, shown: Shown) -> DryRun:
    """Plan one event of an example."""
    event = {**EVENT, **shown.event}
    if event["type"] == "track":
        event.setdefault("event", "Tested")
    whole = {key: value for key, value in event.items() if value is not None}
    connected = connection(example)
    made = connected.plan(whole, now=NOW, replies=shown.replies)
    return dry_run(ConfiguredConnection(name="example", connection=connected), made, NOW)


def connection(example: PageExample) -> Connection:
    """Connect an example's mapping with the settings shown."""
    return Destination(loaded(example)).connect(example.settings, {})


def outcomes(example: PageExample, run: DryRun) -> dict[str, Any]:
    """Return what came out, in the forms a page can show."""
    plan = run.plan
    writer = LineWriter(NamedConnection("example", connection(example)), NO_SECRETS)
    requests = json.loads(writer.line({}, run))["requests"]
    return {
        "requests": requests,
        "body": requests[0]["body"] if len(requests) == 1 else None,
        "outcome": f"{plan.outcome}: {plan.reason}",
        "reports": [report_text(report) for report in plan.reports],
    }


def schema() -> dict[str, Any]:
    """Read the schema of mapping files."""
    return json.loads((ROOT / "schemas" / "mapping.schema.json").read_text(encoding="utf-8"))


def text_of(page: str | Path) -> str:
    """Read a page."""
    return (ROOT / page).read_text(encoding="utf-8")
