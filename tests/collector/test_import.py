"""`engine import`: files are stored like a source's calls, and a second run adds no duplicates."""

from __future__ import annotations

import gzip
import io
import signal
import subprocess
import sys
import time
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import orjson
import pytest

from engine.commands import main
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.events.json_repairs import HALVES, NO_NUMBERS, WITHOUT_MARK
from engine.events.normalizing import normalize_json
from tests.collector.running import ROOT

CONNECTIONS = """
shop: {destination: exponea, settings: {api_key: "a:b", project_token: t, hard_id: registered, soft_id: cookie}}
crm: {destination: exponea, enabled: false, settings: {api_key: "a:b", project_token: t, hard_id: h, soft_id: c}}
sources:
  web: {write_keys: k}
  nowhere: {write_keys: l, connections: [crm]}
  old: {write_keys: o, enabled: false}
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
    """Run `engine import` here, without the start of a process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    given = io.TextIOWrapper(io.BytesIO(stdin))
    here = chdir(folder), patch("sys.stdin", given), redirect_stdout(out), redirect_stderr(err)
    with here[0], here[1], here[2], here[3], pytest.raises(SystemExit) as ended:
        main(["import", *arguments])
    printed, errors = (each.buffer.getvalue().decode() for each in (out, err))  # type: ignore[attr-defined]
    return int(ended.value.code or 0), printed, errors


def kept(folder: Path) -> list[tuple[str, str | None]]:
    outbox = SqliteOutbox(folder / "outbox.db")
    rows = outbox.waiting("shop", 0, 1000)
    outbox.close()
    events = [normalize_json(row.raw, received_at=row.received_at).event for row in rows]
    return [(event["type"], event["timestamp"][:10]) for event in events]  # type: ignore[index,misc]


def test_a_second_run_adds_no_duplicates(folder: Path) -> None:
    assert run(folder, "events.ndjson", "--source", "web") == (0, "4 new, 0 already in the outbox.\n", "")
    assert [time for _, time in kept(folder)[:3]] == ["2020-01-01", "2020-01-02", "2020-01-02"]
    (folder / "events.ndjson").write_bytes(LINES + orjson.dumps(EVENTS[0] | {"messageId": "m9"}))
    assert run(folder, "events.ndjson", "--source", "web") == (0, "1 new, 4 already in the outbox.\n", "")
    assert len(kept(folder)) == 5


def test_an_import_cut_short_goes_on(folder: Path) -> None:
    many = b"".join(orjson.dumps(EVENTS[0] | {"messageId": f"m{n}"}) + b"\n" for n in range(1000))
    (folder / "many.ndjson").write_bytes(many[: len(many) // 2])
    assert run(folder, "many.ndjson", "--source", "web")[0] == 1
    (folder / "many.ndjson").write_bytes(many)
    assert run(folder, "many.ndjson", "--source", "web")[0] == 0
    assert len(kept(folder)) == 1000


def test_lists_gzip_and_standard_input(folder: Path) -> None:
    assert run(folder, "events.json.gz", "--source", "web") == (0, "4 new, 0 already in the outbox.\n", "")
    assert run(folder, "-", "--source", "web", stdin=orjson.dumps(EVENTS[0] | {"messageId": "m2"}))[0] == 0
    assert len(kept(folder)) == 5


def test_discards_and_unreadable_lines_are_reported(folder: Path) -> None:
    (folder / "bad.ndjson").write_bytes(b'{"type":"track"}\n7\n{"a":\n' + orjson.dumps(EVENTS[0]))
    code, out, err = run(folder, "bad.ndjson", "--source", "web")
    assert code == 1
    assert err.splitlines()[:2] == [
        "bad.ndjson:1: userId or anonymousId is required (no_user_anon_id)",
        "bad.ndjson:2: an event must be an object; this is a number (bad_request)",
    ]
    assert out == "1 new, 0 already in the outbox, 1 could not be read, 2 discarded.\n"


def test_of_many_discarded_events_some_are_reported(folder: Path) -> None:
    (folder / "bad.ndjson").write_bytes(b"7\n" * 60)
    code, out, err = run(folder, "bad.ndjson", "--source", "web")
    assert (code, out) == (1, "0 new, 0 already in the outbox, 60 discarded.\n")
    assert err.splitlines()[49:] == [
        "bad.ndjson:50: an event must be an object; this is a number (bad_request)",
        "More events of bad.ndjson were discarded; they are counted but not shown.",
    ]


def test_what_was_repaired_is_added_and_shown(folder: Path) -> None:
    (folder / "half.ndjson").write_bytes(
        b'\xef\xbb\xbf{"type":"track","userId":"u","event":"Half","properties":{"t":"hi \\ud83d"}}\n'
        b'{"type":"track","userId":12345.0,"event":"NaN","properties":{"t":NaN}}\n'
    )
    code, out, err = run(folder, "half.ndjson", "--source", "web")
    assert (code, out) == (0, "2 new, 0 already in the outbox.\n")
    assert err == (
        "half.ndjson:1: repaired: a byte order mark was left out; "
        "half characters (lone surrogates) were replaced by U+FFFD: 1\n"
        "half.ndjson:2: repaired: "
        "numbers that JSON cannot represent (NaN, Infinity, too large) became null: 1\n"
    )
    with closing(SqliteOutbox(folder / "outbox.db")) as outbox:
        stored = [outbox.event(number) for number in (1, 2)]
    assert [[report.message for report in row.reports] for row in stored if row] == [
        [WITHOUT_MARK, HALVES.format(1)],
        [NO_NUMBERS.format(1)],
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_import_that_is_interrupted_says_how_far_it_came(folder: Path, number: signal.Signals) -> None:
    lines = [orjson.dumps(EVENTS[0] | {"messageId": f"m{n}"}) + b"\n" for n in range(250)]
    command = [sys.executable, str(ROOT / "cli.py"), "import", "-", "--source", "web"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, **pipes) as running:  # type: ignore[call-overload]
        running.stdin.write(b"".join(lines))
        running.stdin.flush()
        deadline = time.monotonic() + 30
        while not (folder / "outbox.db").exists() or len(kept(folder)) < 200:
            assert running.poll() is None, running.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.send_signal(number)
        assert running.wait(20) == 130, "though the pipe is still open"
        assert running.stdout.read() == b"250 new, 0 already in the outbox.\n"
        assert running.stderr.read().decode() == (
            "Interrupted after adding 250 events; the rest of the input was not read. Run the same command to continue.\n"
        )
    assert len(kept(folder)) == 250


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("wb", 'connections.yaml has no source "wb". Did you mean web?\n'),
        (
            "nowhere",
            "Every connection of the source nowhere is disabled in connections.yaml: nothing would be delivered.\n",
        ),
        (
            "old",
            "The source old is disabled in connections.yaml (enabled: false) and accepts no events. Enable it, or name another one with --source.\n",
        ),
    ],
)
def test_wrong_sources(folder: Path, source: str, message: str) -> None:
    assert run(folder, "events.ndjson", "--source", source) == (2, "", message)
    assert not (folder / "outbox.db").exists()
