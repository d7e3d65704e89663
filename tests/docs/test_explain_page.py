"""docs/explain.md shows what `engine explain` prints, and schemas/explanation.schema.json describes its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engine.compiler.recording import Recorder
from engine.events.normalizing import normalize
from engine.events.reading import read_events
from engine.explaining.explanation import explain
from engine.explaining.original import OriginalEvent
from engine.mapping.load import Library
from engine.plan import Destination
from tests.docs.blocks import ROOT, Block, blocks
from tests.docs.console import Console

PAGE = "docs/explain.md"
NOW = 1709633730.0
SCHEMA = json.loads((ROOT / "schemas" / "explanation.schema.json").read_text(encoding="utf-8"))
BY_COMMAND = {"event": {"source": "stdin:1"}, "settings": {"api_key": "example"}}
"""What the command adds to an explanation."""


def explanations(name: str, sample: str) -> Iterator[Any]:
    target = Destination(Library([]).load(name), Recorder())
    connection = target.connect(target.example_settings())
    with read_events(ROOT / "samples" / sample) as reader:
        for line in reader:
            original = OriginalEvent(line.value, normalize(line.value, now=NOW), None, NOW)
            yield explain(connection, original, connection.secrets) | BY_COMMAND


@pytest.mark.parametrize(("name", "sample"), [("user_com", "edge.ndjson"), ("exponea", "mobile.ndjson")])
def test_what_is_written_fits_the_schema(name: str, sample: str) -> None:
    validator = jsonschema.Draft7Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    for explanation in explanations(name, sample):
        assert [error.message for error in validator.iter_errors(explanation)] == []
        requests = [request for step in explanation["steps"] for request in step["requests"]]
        absent = [field for request in requests for field in request["absent"]]
        assert [field["output"] for field in absent if not any(map(has_reason, field["details"]))] == []


def has_reason(detail: Any) -> bool:
    return bool(detail["note"]) or any(map(has_reason, detail["inner"]))


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield from ([schema] if schema.get("type") == "object" and "properties" in schema else [])
        for each in schema.values():
            yield from objects(each)


def test_the_schema_describes_every_key() -> None:
    bare = [key for each in objects(SCHEMA) for key, part in each["properties"].items() if not part.get("description")]
    assert bare == []


@pytest.mark.parametrize(
    "block", [block for block in blocks(PAGE) if block.words == "run"], ids=lambda block: block.heading
)
def test_what_is_shown_is_what_happens(block: Block, tmp_path: Path) -> None:
    console = Console(tmp_path)
    console.folder = ROOT
    console.play(block)
