"""Rows of planned events beside the lines of `engine run --format ndjson`, as the same kind of object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from engine.commands import main
from engine.language.texts import text_of
from engine.mapping import bundled
from engine.mapping.load import Library
from engine.plan import Destination
from engine.records import JsonObject
from tests.spark.events import TIME

NAMES = sorted(path.stem for path in bundled("mappings").glob("*.yaml"))


def example_settings(name: str) -> JsonObject:
    """Return the settings that --example-settings gives a mapping."""
    return Destination(Library([]).load(name)).example_settings()


def of_run(name: str, file: Path, *options: str) -> Iterator[JsonObject]:
    """Yield what `engine run` prints of a file of events."""
    output = file.with_suffix(f".{name}.out")
    words = ["run", name, "--example-settings", "--format", "ndjson", "--received-at", TIME, *options]
    with output.open("w") as stream, redirect_stdout(stream):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--events", str(file)])
        assert ended.value.code in {0, 1}
    with output.open("rb") as lines:
        for line in lines:
            yield of_line(json.loads(line))


def of_line(line: dict[str, Any]) -> JsonObject:
    """Return a line of `engine run` with what a row has of it: of a batch its name, and lists of a query's values."""
    line["messageId"], line["type"] = text_of(line["messageId"]), text_of(line["type"])
    for request in line["requests"]:
        request["query"] = {
            name: value if isinstance(value, list) else [value] for name, value in request["query"].items()
        }
        request["batch"] = request["batch"]["name"] if "batch" in request else None
    return line


def of_rows(rows: Iterable[dict[str, Any]]) -> Iterator[JsonObject]:
    """Yield rows as `of_line` has lines; `maps_as_pydicts` makes the maps of a table dictionaries."""
    for row in rows:
        requests = [
            {**each, "body": None if each["body"] is None else json.loads(each["body"])} for each in row["requests"]
        ]
        names = {"messageId": row["message_id"], "requests": requests}
        yield {**{name: row[name] for name in ("type", "destination", "outcome", "reason", "reports")}, **names}
