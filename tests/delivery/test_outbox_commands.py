"""The commands of `engine outbox` one by one: columns, filters, hostile events, an outbox of an older version, `top`."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
from contextlib import chdir, closing
from pathlib import Path

import orjson
import pytest

from engine.commands.output.columns import Column, table, width_of
from engine.commands.output.standings import rate_text, shares_text, standing_lines
from engine.commands.output.text import Display, duration
from engine.delivery.outbox.base import Change, ConnectionRow, NewEvent, Standing
from engine.delivery.outbox.keeping import Discarded, keys_of_raw
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome
from tests.operating import said

ROOT = Path(__file__).parents[2]


def display(width: int = 80, *, terminal: bool = True) -> Display:
    made = Display(sys.stdout)
    made.terminal, made.width = terminal, width
    return made


HOSTILE = ["\x1b[2J", "\u202eevil", "a\nb", "x" * 100_000, "\U0001f600" * 50, "漢字" * 40, "é" * 60, ""]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_row_never_is_wider_than_the_terminal(width: int) -> None:
    columns = (Column("id", right=True), Column("user", least=6, share=2), Column("reason", least=12, share=3))
    rows = [("1", text, other) for text in HOSTILE for other in HOSTILE]
    for line in table(display(width), columns, rows):
        assert width_of(line) <= width
        assert line.isprintable()


def test_into_a_pipe_texts_are_whole_and_one_long_text_does_not_move_the_others() -> None:
    columns = (Column("user", least=6, share=1), Column("reason", least=6, share=1))
    lines = list(table(display(terminal=False), columns, [("u" * 500, "no"), ("v", "yes")]))
    assert lines[1] == f"{'u' * 500}  no"
    assert lines[2] == f"{'v':<40}  yes"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.4, "0s"), (12, "12s"), (60, "1m"), (200, "3m 20s"), (7500, "2h 5m"), (86400 * 3 + 59, "3d")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rates_and_shares() -> None:
    assert [rate_text(each) for each in (0, 0.05, 1.25, 14, 5000)] == ["-", "3/min", "1.2/s", "14/s", "5,000/s"]
    assert shares_text({}) == "-"
    assert shares_text({Outcome.DELIVERED: 1}) == "1: 100 % delivered"
    counts = {Outcome.REJECTED: 1, Outcome.DELIVERED: 100_000}
    assert shares_text(counts) == "100,001: >99 % delivered, <1 % rejected"


def test_how_a_connection_stands() -> None:
    row = ConnectionRow("shop", owner="me", leased_until=10.0)
    stands = Standing(row, 1204, 12.0, 14.0, 86.0, {Outcome.DELIVERED: 50}, {}, None)
    assert list(standing_lines(display(terminal=False), [stands])) == [
        "connection  state       waiting  lag  rate  drains in  last hour",
        "shop        delivering    1,204  12s  14/s     1m 26s  50: 100 % delivered",
    ]


@pytest.fixture
def here(tmp_path: Path):
    with chdir(tmp_path):
        yield tmp_path


def stored(*raw: bytes) -> None:
    """Make an outbox with these events, of which the first was refused with a hostile message."""
    with closing(SqliteOutbox("outbox.db")) as outbox:
        events = [
            NewEvent("web", f"m{n}\x1b]0;x\x07", "2026-01-01T00:00:00Z", each, (), keys_of_raw(each))
            for n, each in enumerate(raw, 1)
        ]
        outbox.take_in(events, ["shop"], 1_000_000.0)
        fence = outbox.lease("shop", "w", 1_000_000.0, 10.0)
        change = Change(1, Outcome.REJECTED, "refused \x1b[2J", "no\u202e\nnever")
        outbox.write("shop", fence or 0, [change], 1_000_001.0)


def test_hostile_events_steer_no_terminal(here: Path) -> None:
    event = {"type": "track", "event": "\x1b[2J", "userId": "\u202eu", "properties": {"x": "y" * 1_000_000}}
    stored(orjson.dumps(event), b"\x1b[2J no JSON \xff", b'["a list"]', b'{"type": {"a": 1}, "userId": [1]}')
    for command in ("list", "list --format ndjson", "show 1", "show 2", "show 1 --format json", "status"):
        code, text = said("outbox", *command.split())
        assert (command, code, re.findall(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)) == (command, 0, [])
    lines = said("outbox", "list")[1].splitlines()
    assert [line.split()[0] for line in lines] == ["id", "1", "2", "3", "4"]
    assert lines[1].endswith(r"refused \u001b[2J | no\u202e\u000anever")


def test_an_export_is_what_came_and_can_be_run_and_imported_again(here: Path) -> None:
    event = b'{\n "type": "track", "event": "A",\r\n "userId": "u", "messageId": "m1", "properties": {"n": 1.50}}'
    stored(event, b'{"type":"identify","userId":"u","messageId":"m2"}')
    code, text = said("outbox", "export", "--output", "out.ndjson")
    assert (code, text) == (0, "2 events written to out.ndjson.\n")
    lines = Path("out.ndjson").read_bytes().splitlines()
    assert lines == [
        event.replace(b"\n", b" ").replace(b"\r", b" "),
        b'{"type":"identify","userId":"u","messageId":"m2"}',
    ]
    assert oct(Path("out.ndjson").stat().st_mode & 0o777) == "0o600"
    code, text = said("run", "exponea", "--events", "out.ndjson", "--example-settings")
    assert (code, "exponea      planned       2" in text) == (0, True)
    Path("connections.yaml").write_text(
        "shop: { destination: extole, settings: { api_key: k } }\nsources: { web: { write_keys: [k] } }\n"
    )
    code, text = said("import", "out.ndjson", "--source", "web", "--outbox", "other.db")
    assert (code, text.startswith("2 new, 0 already in the outbox")) == (0, True), text
    assert said("outbox", "export", "--outbox", "other.db", "--type", "track")[1].encode() == lines[0] + b"\n"


def test_what_is_no_json_is_exported_as_it_came_and_said(here: Path) -> None:
    stored(b"\xff\nno JSON")
    code, text = said("outbox", "export", "--output", "out.ndjson")
    assert (code, Path("out.ndjson").read_bytes()) == (0, b"\xff no JSON\n")
    assert text == (
        "1 event of these are not JSON. They are written as they came; `engine run` and `engine import` report such "
        "lines and go on.\n1 event written to out.ndjson.\n"
    )


def test_an_export_of_nothing_fails_and_leaves_a_file_alone_that_is_none(here: Path) -> None:
    stored(b"{}")
    code, text = said("outbox", "export", "--user", "nobody")
    assert (code, text.splitlines()[0]) == (1, "No event was found.")
    os.mkfifo("pipe")
    assert said("outbox", "export", "--output", "pipe") == (2, "--output: pipe is a named pipe, not a file.\n")


WRONG = {
    "list --type trak": "--type: there is no call trak. Did you mean track?\n",
    "list --user=": "--user is empty; leave it out to see all events.\n",
    "list --connection shpo": "This outbox has no connection shpo. Did you mean shop?\n",
    "list --since 1h --until 2h": "--since 1h is later than --until 2h, so nothing can be between.\n",
    "show 1 --example-settings": "Settings are for --requests: add it.\n",
    "show 1 --connection shpo": "This outbox has no connection shpo. Did you mean shop?\n",
    "top": "engine outbox top needs a terminal; engine outbox status prints the same once.\n",
    "discards --source wbe": "No discarded event was found.\nNone of source wbe is kept. Did you mean web?\n",
    "discards --code event": "No discarded event was found.\nNone has the code event. Available: event_not_defined.\n",
}


def test_wrong_usage_is_explained(here: Path) -> None:
    stored(b"{}")
    with closing(SqliteOutbox("outbox.db")) as outbox:
        outbox.keep_discards([Discarded("web", 1.0, "event_not_defined", "no event", "m", b"{cut")], {"web": 1}, 1.0)
    for command, message in WRONG.items():
        code, text = said("outbox", *command.split())
        assert (command, code, text) == (command, 0 if "discards" in command else 2, message)
    assert orjson.loads(said("outbox", "discards", "--format", "ndjson")[1]) == {
        "source": "web",
        "code": "event_not_defined",
        "reason": "no event",
        "messageId": "m",
        "discardedAt": "1970-01-01T00:00:01.000Z",
        "payload": None,
        "raw": "{cut",
    }


def test_events_of_an_older_version_become_searchable_at_the_first_search(here: Path) -> None:
    stored(*(orjson.dumps({"type": "track", "event": "A", "userId": f"u{n}"}) for n in range(700)))
    with closing(sqlite3.connect("outbox.db", isolation_level=None)) as older:
        older.execute("DELETE FROM event_keys")
        older.execute("UPDATE keyed_from SET event = (SELECT max(id) + 1 FROM events)")
    code, text = said("outbox", "list", "--user", "u3")
    prepared = (
        "This outbox is from an older version: its events are prepared for searching, once. Ctrl-C stops it, and the "
        "next search goes on.\n"
    )
    assert (code, text.startswith(prepared), text.count("\n")) == (0, True, 3)
    assert not said("outbox", "list", "--user", "u3")[1].startswith(prepared)


@pytest.mark.parametrize("way", ["q", "Ctrl-C"])
def test_top_fills_the_terminal_until_it_is_ended(here: Path, way: str) -> None:
    stored(b"{}", b"{}")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    environment.pop("COLUMNS", None)
    command = [sys.executable, "-m", "engine", "outbox", "top"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as running:
        os.close(theirs)
        text = b""
        while b"q quits" not in text:
            text += os.read(ours, 65536)
        if way == "q":
            os.write(ours, b"q")
        else:
            running.send_signal(signal.SIGINT)
        while chunk := _read(ours):
            text += chunk
        assert running.wait(20) == 0
    os.close(ours)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.decode())
    assert "connection  state" in shown
    assert "1 event of shop: no process delivers them. Run engine send or engine serve." in " ".join(shown.split())
    assert text.count(b"\x1b[?1049l") == 1, "the screen that was there before comes back"


def _read(number: int) -> bytes:
    try:
        return os.read(number, 65536)
    except OSError:  # Linux, once nobody has the other end
        return b""
