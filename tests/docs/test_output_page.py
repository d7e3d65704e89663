"""docs/output.md and schemas/plan.schema.json say what `engine run` writes, of every sample and every mapping."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engine.commands import main
from engine.mapping import bundled
from tests.docs.blocks import ROOT, Block, blocks
from tests.docs.console import Console
from tests.docs.pages import text_of

PAGE = "docs/output.md"
SCHEMA = json.loads((ROOT / "schemas" / "plan.schema.json").read_text(encoding="utf-8"))
NAMES = sorted(path.stem for path in bundled("mappings").glob("*.yaml"))
SAMPLES = sorted(path.name for path in (ROOT / "samples").iterdir() if path.name.endswith(("json", ".gz")))


def written(capsys: pytest.CaptureFixture[str], *files: str) -> Iterator[dict[str, Any]]:
    words = [word for file in files for word in ("--events", file)]
    with pytest.raises(SystemExit):
        main(["run", *NAMES, "--example-settings", "--format", "ndjson", *words])
    for line in capsys.readouterr().out.rstrip("\n").split("\n"):  # a line separator inside a text is no line end
        yield json.loads(line)


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_becomes_of_a_sample_fits_the_schema(sample: str, capsys: pytest.CaptureFixture[str]) -> None:
    validator = jsonschema.Draft7Validator(SCHEMA)
    lines = list(written(capsys, str(ROOT / "samples" / sample)))
    assert lines
    for line in lines:
        assert [error.message for error in validator.iter_errors(line)] == []


ODD: list[Any] = [
    None,
    7,
    "text",
    {},
    {"messageId": [1], "type": {"a": 1}},
    {"messageId": 5, "type": True, "userId": "u"},
]


def test_what_becomes_of_odd_events_fits_the_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    validator = jsonschema.Draft7Validator(SCHEMA)
    (tmp_path / "odd.json").write_text("\n".join(json.dumps(event) for event in ODD))
    lines = list(written(capsys, str(tmp_path / "odd.json")))
    assert len(lines) == len(ODD) * len(NAMES)
    for line in lines:
        assert [error.message for error in validator.iter_errors(line)] == []
        assert line["outcome"] == "invalid"


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from ((key, each) for key, each in schema.get("properties", {}).items() if "$ref" not in each)
    for part in schema.get("definitions", {}).values():
        yield from properties(part)


@pytest.mark.parametrize(("key", "schema"), list(properties(SCHEMA)), ids=[key for key, _ in properties(SCHEMA)])
def test_every_key_is_described_twice(key: str, schema: dict[str, Any]) -> None:
    assert schema.get("description"), f"the schema does not say what {key} is"
    assert re.search(rf"^\| (`\w+` )*`{key}`( `\w+`)* \| \S", text_of(PAGE), flags=re.MULTILINE), (
        f"{PAGE} does not say what {key} is"
    )


def test_every_key_of_a_problem_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.yaml").write_text("")
    with pytest.raises(SystemExit):
        main(["validate-mappings", "--format", "json", str(tmp_path / "bad.yaml")])
    [problem] = json.loads(capsys.readouterr().out)
    section = text_of(PAGE).partition("## validate-mappings")[2]
    named = [name for row in re.findall(r"^\| (`.*?`) \|", section, flags=re.MULTILINE) for name in row.split()]
    assert named == [f"`{key}`" for key in problem]


@pytest.mark.parametrize(
    "block", [block for block in blocks(PAGE) if block.words == "run"], ids=lambda block: block.heading
)
def test_what_is_shown_is_what_happens(block: Block, tmp_path: Path) -> None:
    console = Console(tmp_path)
    console.folder = ROOT
    console.play(block)
