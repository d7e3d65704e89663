"""The sample events and the schema of events: they agree with each other, with the rules, and with what is said of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from jsonschema import Draft7Validator

from engine.events.normalizing import normalize, normalize_parsed
from engine.events.reading import read_events
from engine.events.spec import FIELDS
from engine.language.times import read_time
from tests.events.cases import INVALID, UNCHANGED
from tests.events.strategies import EVENTS
from tests.tables import each

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
FILES = sorted(file for file in SAMPLES.iterdir() if file.suffix in {".json", ".ndjson"})
LINES = [line for file in FILES for line in read_events(file)]

SCHEMA = json.loads((ROOT / "schemas" / "event.schema.json").read_text("utf-8"))
VALIDATOR = Draft7Validator(SCHEMA)


def name(line):
    return f"{Path(line.file).name}:{line.line}"


@each("line", LINES, ids=name)
def test_every_sample_is_an_event(line):
    assert line.error is None
    normalized = normalize_parsed(line.value, line.raw)

    assert normalized.invalid is None
    assert normalized._replace(size=normalize(line.value).size) == normalize(line.value)
    assert [error.message for error in VALIDATOR.iter_errors(line.value)] == []
    assert normalized.reports == () or Path(line.file).name == "edge.ndjson"


@each("line", LINES, ids=name)
def test_the_times_of_a_sample_follow_segment_s_formula(line):
    event = line.value
    times = [event.get(name) for name in ("timestamp", "receivedAt", "sentAt", "originalTimestamp")]
    if None not in times:
        timestamp, received, sent, original = map(read_time, times)
        assert timestamp == pytest.approx(received - (sent - original), abs=0.002)


def test_samples_are_many_and_none_is_there_twice():
    assert len(LINES) >= 70
    assert len({line.value["messageId"] for line in LINES}) == len(LINES)
    assert {line.value["type"] for line in LINES} == set(FIELDS)


@pytest.mark.parametrize("file", ["web", "mobile", "ecommerce"])
def test_samples_are_as_large_as_real_events(file):
    sizes = [len(line.raw) for line in LINES if Path(line.file).stem == file]

    assert 1000 < mean(sizes) < 2000


def test_the_table_of_samples_counts_them():
    text = (SAMPLES / "README.md").read_text("utf-8")
    told = {file: int(count) for file, count in re.findall(r"^\| `(\S+)` \| (\d+) \|", text, re.MULTILINE)}

    assert told == {file.name: sum(line.file == str(file) for line in LINES) for file in FILES}


def test_samples_hold_only_addresses_set_aside_for_documentation():
    text = "".join(file.read_text("utf-8") for file in FILES if file.stem != "documents")
    hosts = set(re.findall(r"https?://([^/\"?]+)", text)) | set(re.findall(r"@([\w.-]+\.\w+)\"", text))
    networks = {address.rsplit(".", 1)[0] for address in re.findall(r"\"ip\":\s?\"([^\"]+)\"", text)}

    assert {host for host in hosts if host != "example.com" and not host.endswith(".example.com")} == set()
    assert networks <= {"192.0.2", "198.51.100", "203.0.113"}


# the schema


def keys_of(schema, path=()):
    for key, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if key == "properties" and "description" in schema:
            yield from (((*path, name), described) for name, described in value.items())
        if isinstance(value, dict | list):
            yield from keys_of(value, (*path, key))


def test_every_key_of_the_schema_is_described():
    Draft7Validator.check_schema(SCHEMA)
    described = dict(keys_of(SCHEMA))
    for rule in SCHEMA["allOf"]:
        described |= {("then", key): value for key, value in rule["then"].get("properties", {}).items()}

    assert len(described) > 100
    assert [path for path, value in described.items() if not value.get("description", "").endswith(".")] == []


@pytest.mark.parametrize("call", FIELDS)
def test_the_schema_knows_the_fields_of_a_call(call):
    known = set(SCHEMA["properties"])
    for rule in SCHEMA["allOf"]:
        kind = rule["if"]["properties"]["type"]
        if call in kind.get("enum", [kind.get("const")]):
            known |= set(rule["then"].get("properties", {}))

    assert set(FIELDS[call]) <= known


@each("event", UNCHANGED)
def test_the_schema_takes_what_is_right(event):
    assert [error.message for error in VALIDATOR.iter_errors(event)] == []


@each("event", [event for event, _ in INVALID])
def test_the_schema_refuses_what_is_no_event(event):
    assert not VALIDATOR.is_valid(event)


@given(EVENTS)
def test_what_the_schema_takes_is_never_invalid(event):
    if VALIDATOR.is_valid(event):
        assert normalize(event).invalid is None
