"""`engine import`: files enter like a source's calls, and starting again doubles nothing."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from engine.delivery.sqlite import SqliteOutbox
from engine.sources.segment import normalise_json
from tests.collector.running import ROOT

CONNECTIONS = """
shop: {destination: exponea, settings: {api_key: "a:b", project_token: t, hard_id: registered, soft_id: cookie}}
crm: {destination: exponea, enabled: false, settings: {api_key: "a:b", project_token: t, hard_id: h, soft_id: c}}
sources:
  web: {write_keys: k}
  nowhere: {write_keys: l, connections: [crm]}
"""
EVENTS = [
    {"type": "track", "userId": "u", "event": "A", "messageId": "m1", "timestamp": "2020-01-01T00:00:00Z"},
    {
        "type": "track",
        "userId": "u",
        "event": "B",
        "originalTimestamp": "2020-01-02T00:00:00Z",
        "sentAt": "2020-01-02T00:00:01Z",
    },
    {
        "type": "track",
        "userId": "u",
        "event": "B",
        "originalTimestamp": "2020-01-02T00:00:00Z",
        "sentAt": "2020-01-02T00:00:01Z",
    },
    {"type": "identify", "userId": "u"},
]
LINES = b"\n".join(map(orjson.dumps, EVENTS)) + b"\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "connections.yaml").write_text(CONNECTIONS)
    (tmp_path / "events.ndjson").write_bytes(LINES)
    (tmp_path / "events.json.gz").write_bytes(gzip.compress(orjson.dumps(EVENTS)))
    return tmp_path


def run(folder: Path, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    command = [sys.executable, str(ROOT / "cli.py"), "import", *arguments]
    done = subprocess.run(command, cwd=folder, input=stdin, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def kept(folder: Path) -> list[tuple[str, str | None]]:
    outbox = SqliteOutbox(folder / "outbox.db")
    rows = outbox.waiting("shop", 0, 1000)
    outbox.close()
    events = [normalise_json(row.raw, received_at=row.received_at).event for row in rows]
    return [(event["type"], event["timestamp"][:10]) for event in events]  # type: ignore[index,misc]


def test_starting_again_doubles_nothing(folder: Path) -> None:
    assert run(folder, "events.ndjson", "--source", "web") == (0, "4 new, 0 were there before.\n", "")
    assert [time for _, time in kept(folder)[:3]] == ["2020-01-01", "2020-01-02", "2020-01-02"]
    (folder / "events.ndjson").write_bytes(LINES + orjson.dumps(EVENTS[0] | {"messageId": "m9"}))
    assert run(folder, "events.ndjson", "--source", "web") == (0, "1 new, 4 were there before.\n", "")
    assert len(kept(folder)) == 5


def test_an_import_cut_short_goes_on(folder: Path) -> None:
    many = b"".join(orjson.dumps(EVENTS[0] | {"messageId": f"m{n}"}) + b"\n" for n in range(1000))
    (folder / "many.ndjson").write_bytes(many[: len(many) // 2])
    assert run(folder, "many.ndjson", "--source", "web")[0] == 1
    (folder / "many.ndjson").write_bytes(many)
    assert run(folder, "many.ndjson", "--source", "web")[0] == 0
    assert len(kept(folder)) == 1000


def test_lists_gzip_and_standard_input(folder: Path) -> None:
    assert run(folder, "events.json.gz", "--source", "web") == (0, "4 new, 0 were there before.\n", "")
    assert run(folder, "-", "--source", "web", stdin=orjson.dumps(EVENTS[0] | {"messageId": "m2"}))[0] == 0
    assert len(kept(folder)) == 5


def test_what_is_no_event_is_told(folder: Path) -> None:
    (folder / "bad.ndjson").write_bytes(b'{"type":"track"}\n7\n{"a":\n' + orjson.dumps(EVENTS[0]))
    code, out, err = run(folder, "bad.ndjson", "--source", "web")
    assert code == 1
    assert err.splitlines()[:2] == [
        "bad.ndjson:1: there is neither userId nor anonymousId (no_user_anon_id)",
        "bad.ndjson:2: an event is a JSON object; this is a number (bad_request)",
    ]
    assert out == "1 new, 0 were there before, 1 could not be read, 2 discarded.\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("wb", 'connections.yaml has no source "wb". There are: web, nowhere.\n'),
        (
            "nowhere",
            "Every connection of the source nowhere is disabled in connections.yaml; its events would go nowhere.\n",
        ),
    ],
)
def test_wrong_sources(folder: Path, source: str, message: str) -> None:
    assert run(folder, "events.ndjson", "--source", source) == (2, "", message)
    assert not (folder / "outbox.db").exists()
