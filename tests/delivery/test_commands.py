"""`engine send`, `engine outbox` and `engine connections`, as a person runs them."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from engine.commands import main
from engine.commands.outbox import command as outbox_command
from engine.commands.output.text import local_time
from engine.delivery.outbox.base import Change, NewEvent
from engine.delivery.outbox.file import VERSIONS
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.status import delivery_status
from engine.records import JsonObject, Outcome
from engine.sandbox.server import Sandbox

ROOT = Path(__file__).parents[2]
SOURCES = """
shop: { destination: extole, settings: { api_key: k } }
sources: { web: { write_keys: [key], connections: [shop] } }
"""
EVENTS: list[JsonObject] = [
    {"type": "identify", "messageId": "m1", "userId": "u1", "traits": {"email": "a@example.com"}},
    {"type": "track", "messageId": "m2", "userId": "u1", "event": "Signed Up"},
    {"type": "group", "messageId": "m3", "userId": "u1", "groupId": "g1", "traits": {"name": "Initech"}},
    {"type": "alias", "messageId": "m4", "userId": "u1"},
    {"type": "track", "messageId": "m5", "userId": "u2"},
]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(map(orjson.dumps, EVENTS)))
    return tmp_path


@pytest.fixture
def engine(capsys):
    def run(line: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(line.split())
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def connections(here: Path, url: str, key: str = "public-key", more: str = "") -> None:
    settings = f"{{ api_key: {key}, project_token: project-token, hard_id: registered, soft_id: cookie }}"
    text = f"shop:\n  destination: exponea\n  base_url: {url}\n  settings: {settings}\n{more}"
    (here / "connections.yaml").write_text(text)


SENT = """\
connection  outcome    events  reason
exponea     delivered       3
            ignored         1  1 x nothing to send: calls.alias[0]: when userId
            invalid         1  1 x track needs an event name
"""


def test_send_into_the_sandbox_says_how_events_ended_and_what_vendors_hold(here, engine) -> None:
    code, out, err = engine("send exponea --events events.ndjson --sandbox")
    assert (code, err) == (1, "")
    counts, state = out.split("\n\n")
    assert counts.splitlines()[:3] == SENT.splitlines()[:3]
    assert "exponea (sandbox)\n  1 customer, 1 event, 3 commands" in state
    assert "ids (registered u1), properties (email a@example.com" in state
    assert list(here.glob("*.db*")) == [], "the passing outbox is gone"


def test_what_was_sent_is_not_sent_again_unless_it_is_said(here, engine) -> None:
    assert engine("send extole --events events.ndjson --sandbox --outbox o.db")[0] == 1
    code, out, _ = engine("send extole --events events.ndjson --sandbox --outbox o.db")
    assert (code, "5 x a duplicate" in out) == (0, True)
    assert "delivered       2" in engine("send extole --events events.ndjson --sandbox --outbox o.db --again")[1]
    assert "delivered       2" in engine("send extole --events events.ndjson --sandbox --outbox o.db --source b")[1]


def test_a_file_of_connections_and_a_person_who_puts_things_right(here, engine) -> None:
    with Sandbox() as sandbox:
        connections(here, sandbox.url, "wrong-key")
        code, out, _ = engine("send --connections connections.yaml --events events.ndjson")
        assert code == 1, "one is invalid"
        assert "held          3  the vendor answered 401: access key not found." in out
        assert engine("send --connections connections.yaml")[0] == 3
        _, out, _ = engine("outbox status")
        assert "\n  Once the cause is fixed, run: engine outbox resume shop\n" in out
        connections(here, sandbox.url)
        assert engine("outbox resume shop")[:2] == (0, "shop resumed; 3 events to send.\n")
        code, out, _ = engine("send --connections connections.yaml")
        assert (code, out.splitlines()[1]) == (0, "shop        delivered       3")
        assert sandbox.counts()["exponea"]["commands"] == 3


REFUSED_ITEM = "the vendor refused this item of a batch (status 200)"


def test_what_was_set_aside_is_listed_shown_and_sent_again(here, engine) -> None:
    with Sandbox() as sandbox:
        connections(here, sandbox.url)
        sandbox.inject({"kind": "items", "nth": [2], "errors": ["not today"]})
        assert engine("send --connections connections.yaml --events events.ndjson")[0] == 1
        _, out, _ = engine("outbox list --outcome rejected")
        assert [line[:4] + line[14:] for line in out.splitlines()] == [
            "id  type   event      user  connection  outcome   reason",
            f" 2  track  Signed Up  u1    shop        rejected  {REFUSED_ITEM} | not today",
        ]
        assert "not today" in engine("outbox show m2")[1]
        assert "\nshop: 1 event would be queued again.\n" in engine("outbox replay --only-rejected --dry-run")[1]
        assert "\nshop: 2 events would be queued again.\n" in engine("outbox replay --dry-run")[1]
        assert engine("outbox replay --only-rejected --since 1h")[1] == "shop: 1 event queued again.\n"
        code, out, _ = engine("send --connections connections.yaml")
        assert (code, out.splitlines()[1]) == (0, "shop        delivered       1")


REPORTED: list[JsonObject] = [
    {"type": "track", "messageId": "r1", "userId": 7, "event": "A", "timestamp": "2024-03-05T10:15:30Z"},
    {"type": "track", "messageId": "r2", "userId": "u", "event": "B", "timestamp": "2024-03-05T10:15:30Z"},
    {"type": "track", "messageId": "r3", "userId": "u", "event": "C", "timestamp": "2024-03-05T10:15:30Z"},
]
REPORTED[1]["integrations"] = {"All": "no"}
COUNTED = """\
! exponea: 2 events have reports: 1 x id-converted at userId, 1 x
  integration-unknown-value at integrations.All
"""


def test_what_was_converted_or_left_out_is_counted_and_shown(here, engine) -> None:
    (here / "reported.ndjson").write_bytes(b"\n".join(map(orjson.dumps, REPORTED)))
    code, out, _ = engine("send exponea --events reported.ndjson --sandbox --outbox o.db")
    assert (code, COUNTED in out) == (0, True)
    assert COUNTED in engine("outbox --outbox o.db status")[1]
    shown = engine("outbox --outbox o.db show r1")[1].splitlines()
    assert shown[2] == "  ! userId is the number 7; it was converted to text [id-converted]"
    assert "exponea  delivered  1 request accepted" in shown
    shown = engine("outbox --outbox o.db show r2")[1].splitlines()
    assert (
        shown[2:4]
        != shown[-3:-1]
        == [
            "  ! integrations.All must be true or false; it is text and was treated as true",
            "    [integration-unknown-value]",
        ]
    )
    with closing(SqliteOutbox(here / "o.db")) as outbox:
        assert delivery_status(outbox, 1.0)["reports"] == [
            {"connection": "exponea", "code": "id-converted", "place": "userId", "reports": 1},
            {"connection": "exponea", "code": "integration-unknown-value", "place": "integrations.All", "reports": 1},
        ]


def test_what_was_repaired_in_a_file_is_shown_with_the_event(here, engine) -> None:
    (here / "half.ndjson").write_bytes(orjson.dumps(REPORTED[0]).replace(b'"A"', b'"\\ud83d"') + b"\n")
    assert engine("send exponea --events half.ndjson --sandbox --outbox o.db")[0] == 0
    assert engine("outbox --outbox o.db show r1")[1].splitlines()[2:5] == [
        "  ! message: half characters (lone surrogates) were replaced by U+FFFD: 1",
        "    [json-repaired]",
        "  ! userId is the number 7; it was converted to text [id-converted]",
    ]


def test_outbox_list_show_and_purge(here, engine) -> None:
    engine("send exponea --events events.ndjson --sandbox --outbox o.db")
    assert len(engine("outbox --outbox o.db list")[1].splitlines()) == 6
    assert engine("outbox --outbox o.db list --connection exponeo")[0::2] == (2, UNKNOWN_CONNECTION)
    assert engine("outbox --outbox o.db replay --connection exponeo")[0::2] == (2, UNKNOWN_CONNECTION)
    code, out, error = engine("outbox --outbox o.db replay nobody")
    assert (code, out) == (2, "")
    assert "There is no event nobody in this outbox; engine outbox list --outbox o.db shows the events." in error
    assert engine("outbox --outbox o.db show nothing")[0::2] == (
        2,
        "There is no event nothing in this outbox; engine outbox list --outbox o.db shows the events.\n",
    )
    assert engine("outbox --outbox o.db purge --older-than 1d")[1] == "0 events removed.\n"
    assert engine("outbox --outbox o.db purge --older-than 0d --outcome ignored --outcome invalid --dry-run")[1] == (
        "2 events would be removed: 1 ignored, 1 invalid.\n"
    )
    ended = "3 delivered, 1 ignored, 1 invalid"
    assert engine("outbox --outbox o.db purge --older-than 0d --dry-run")[1] == f"5 events would be removed: {ended}.\n"
    assert engine("outbox --outbox o.db purge --older-than 0d")[1] == f"5 events removed: {ended}.\n"
    assert engine("outbox --outbox o.db purge --older-than soon")[2] == (
        '"soon" is not a time: write how long ago (30m, 2h, 7d), a time of day (14:30), or a date such as 2026-01-31 or '
        "2026-01-31T12:00:00Z.\n"
    )
    assert engine("outbox --outbox o.db resume exponeo")[0::2] == (2, UNKNOWN_CONNECTION)


PAGES = {
    "": [1, 2, 3, 4, 5],
    "--limit 2": ["3 earlier events not shown; --skip 2 shows the page before, --first the oldest.", 4, 5],
    "--limit 2 --skip 2": ["1 earlier event not shown; --skip 4 shows the page before, --first the oldest.", 2, 3],
    "--limit 2 --skip 4": [1],
    "--limit 2 --first": [1, 2, "3 later events not shown; --first --skip 2 shows the next page."],
    "--limit 2 --first --skip 2": [3, 4, "1 later event not shown; --first --skip 4 shows the next page."],
    "--limit 2 --first --skip 4": [5],
    "--since 1h --limit 1 --outcome delivered": [
        "2 earlier events not shown; --skip 1 shows the page before, --first the oldest.",
        3,
    ],
    "--skip 9": ["No event is left behind the first 9."],
    "--user U1 --limit 3": ["1 earlier event not shown; --skip 3 shows the page before, --first the oldest.", 2, 3, 4],
    "--user g1": [3],
    "--user A@example.com": [1],
    "--user u1 --type track": [2],
    "--event Signed": [
        "No event was found.",
        "--event is the whole name of a track call, a page or a screen, in its own case.",
        "Did you mean --event 'Signed Up'?",
    ],
    "--reason HOLD": [4],
    "--reason NAME --until 0h": [5],
    "--until 1h --user u1": [
        "No event was found.",
        "--user u1 alone finds 4 events.",
        "--until 1h alone finds 0 events.",
    ],
}


def test_the_newest_are_listed_last_and_the_others_page_by_page(here, engine) -> None:
    engine("send exponea --events events.ndjson --sandbox --outbox o.db")
    for given, expected in PAGES.items():
        lines = engine(f"outbox list --outbox o.db {given}")[1].splitlines()
        rows = [line for line in lines if not line.startswith("id ")]
        found = [int(line.split()[0]) if line.startswith(" ") else line for line in rows]
        assert (given, found) == (given, expected)


@pytest.mark.parametrize(
    "line", ["outbox --outbox o.db {}", "outbox {} --outbox o.db", "outbox --outbox x {} --outbox o.db"]
)
def test_the_outbox_is_named_before_or_behind_the_command(here, engine, line) -> None:
    engine("send exponea --events events.ndjson --sandbox --outbox o.db")
    given = {
        "status": "",
        "top": "",
        "list": "",
        "show": "m1",
        "export": "",
        "discards": "",
        "replay": "--dry-run",
        "resume": "exponea",
        "purge": "--older-than 1d",
    }
    assert [*given, "forget"] == list(outbox_command.commands)  # which is about streams alone
    del given["top"]  # needs a terminal
    for name, more in given.items():
        assert (name, engine(line.format(f"{name} {more}"))[0::2]) == (name, (0, ""))


def test_a_purge_counts_for_each_connection(here, engine) -> None:
    engine("send exponea extole --events events.ndjson --sandbox --outbox o.db")
    assert engine("outbox purge --outbox o.db --older-than 0d")[1] == (
        "5 events removed: 5 delivered, 3 ignored, 2 invalid (counted for each connection and duplicate).\n"
    )


def test_of_a_file_that_is_none_some_lines_are_reported_and_all_counted(here, engine) -> None:
    (here / "bad.ndjson").write_bytes(b"\x00\x1b[2J\n" * 70 + orjson.dumps(EVENTS[0]) + b"\n" + b'{"a"}\n' * 7)
    (here / "connections.yaml").write_text(SOURCES)
    for line, count in (
        ("send exponea --events bad.ndjson --sandbox", "77 could not be read."),
        ("run exponea --events bad.ndjson --example-settings", "77 lines that could not be read"),
        ("import bad.ndjson --source web", "1 new, 0 already in the outbox, 77 could not be read."),
    ):
        code, out, err = engine(line)
        shown = [each for each in err.splitlines() if each.startswith(("bad.ndjson:", "More"))]
        assert (line, code, count in out + err, len(shown)) == (line, 1, True, 51)
        assert shown[0].startswith("bad.ndjson:1:1: ")
        assert shown[50] == "More lines of bad.ndjson could not be read; they are counted but not shown."


def test_a_duplicate_is_listed_with_the_event_that_is_there_and_not_replayed_beside_it(here, engine) -> None:
    for _ in range(2):
        engine("send exponea --events events.ndjson --sandbox --outbox o.db")
    out = engine("outbox --outbox o.db list")[1]
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["1", "1", "2", "2", "3", "3", "4", "4", "5", "5"]
    shown = engine("outbox --outbox o.db show m1")[1]
    assert shown.count("a duplicate: its source has sent this messageId") == 1
    assert shown.endswith("  a duplicate of event 1; it is not sent\n")
    assert engine("outbox --outbox o.db replay m1 2 m1")[1] == "exponea: 2 events queued again.\n"
    assert engine("outbox --outbox o.db replay 1")[1].splitlines()[0] == (
        "event 1  m1  exponea  not queued: it is still waiting"
    )


UNKNOWN_CONNECTION = "This outbox has no connection exponeo. Did you mean exponea?\n"
WRONG = {
    "send": "Name at least one mapping, or a file of connections with --connections.\n",
    "send exponea --connections c.yaml": (
        "--connections cannot be combined with mappings or settings; the file names them.\n"
    ),
    "send exponea --sandbox --patience long": (
        '--patience: "long" is not a duration; write a whole number and ms, s, m, h or d, e.g. 30s.\n'
    ),
    "send exponea --sandbox --events none.ndjson": (
        "File none.ndjson does not exist; name a file of events, or - for standard input.\n"
    ),
    "outbox --outbox none.db status": "There is no outbox none.db; name one with --outbox.\n",
}


@pytest.mark.parametrize(("line", "message"), WRONG.items(), ids=WRONG)
def test_wrong_usage(here, engine, line, message) -> None:
    assert engine(line)[0::2] == (2, message)


def test_who_forgets_connections_learns_that_there_is_a_file_of_them(here, engine) -> None:
    (here / "connections.yaml").write_text(SOURCES)
    assert engine("send")[0::2] == (
        2,
        (
            "Name at least one mapping, or a file of connections with --connections. There is one here: "
            "--connections connections.yaml.\n"
        ),
    )


def test_a_damaged_outbox_is_reported(here, engine) -> None:
    (here / "o.db").write_bytes(b"nothing of the kind" * 100)
    (here / "connections.yaml").write_text(SOURCES)
    for line in (
        "outbox --outbox o.db status",
        "send exponea --sandbox --outbox o.db --events events.ndjson",
        "serve exponea --sandbox --outbox o.db --port 0",
        "import events.ndjson --source web --outbox o.db",
    ):
        code, _, err = engine(line)
        assert (line, code) == (line, 4)
        assert err == (
            "o.db is damaged or not an outbox (file is not a database). It was left unchanged: move it away to start a "
            "new one, or try to recover its content with: sqlite3 o.db .recover\n"
        )
    assert (here / "o.db").read_bytes() == b"nothing of the kind" * 100


def test_an_outbox_of_a_newer_engine_is_reported_apart_from_rejections_too(here, engine) -> None:
    path = here / "o.db"
    SqliteOutbox(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 99")
        code, _, err = engine("outbox --outbox o.db status")
        newer = f"schema 99; this one supports {len(VERSIONS)}"
        assert (code, err) == (4, f"o.db was created by a newer version of the engine ({newer}); update the engine.\n")


HELD_HINT = "engine outbox resume shop --outbox 'my box.db'"


def test_the_command_that_resumes_names_the_outbox(here, capsys) -> None:
    with Sandbox() as sandbox:
        connections(here, sandbox.url, "wrong-key")

        def run(*words: str) -> tuple[str, str]:
            with pytest.raises(SystemExit):
                main([*words, "--outbox", "my box.db"])
            return capsys.readouterr()

        out, err = run("send", "--connections", "connections.yaml", "--events", "events.ndjson", "--log")
        assert out.splitlines()[-1] == f"shop is held. Once the cause is fixed, run: {HELD_HINT}"
        assert orjson.loads(err.splitlines()[0])["hint"] == (
            f"Check the API key, the project token and the permissions of the API group. Then: {HELD_HINT}"
        )
        assert f"  Once the cause is fixed, run: {HELD_HINT}" in run("outbox", "status")[0].splitlines()
        with closing(SqliteOutbox(here / "my box.db")) as outbox:
            [shown] = delivery_status(outbox, 1.0)["connections"]
            assert shown["hint"].endswith(f"Then: engine outbox resume shop --outbox '{here / 'my box.db'}'")
        assert run("outbox", "resume", "shop") == ("shop resumed; 3 events to send.\n", "")
        assert run("outbox", "resume", "shop") == ("shop was not held or paused; 3 events to send.\n", "")


NO_OUTBOX = "There is no outbox outbox.db; name one with --outbox.\n"
WRONG = {
    "outbox status": NO_OUTBOX,
    "outbox list": NO_OUTBOX,
    "outbox purge --older-than 1d": NO_OUTBOX,
    "send exponea --example-settings": NO_OUTBOX,
    "send exponea --example-settings --events none.ndjson": (
        "File none.ndjson does not exist; name a file of events, or - for standard input.\n"
    ),
    "send exponea --example-settings --events events.ndjson --patience soon": (
        '--patience: "soon" is not a duration; write a whole number and ms, s, m, h or d, e.g. 30s.\n'
    ),
    "import events.ndjson none.ndjson --source web": (
        "File none.ndjson does not exist; name a file of events, or - for standard input.\n"
    ),
    "serve --connections connections.yaml --port {port}": (
        "The collector (--host, --port) cannot listen on 127.0.0.1:{port}: Address already in use.\n"
    ),
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage_leaves_no_outbox(here, engine, line) -> None:
    (here / "connections.yaml").write_text(SOURCES)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        code, out, err = engine(f"{line.replace('{port}', port)}")
    without = err.replace("The admin address (/metrics, /status) is off: it needs --admin-token.\n", "")
    assert (code, out, without) == (2, "", WRONG[line].replace("{port}", port))
    assert list(here.glob("*.db*")) == []


def test_a_link_to_nothing_is_no_outbox_and_a_lost_wal_is_not_nothing(here, engine) -> None:
    (here / "outbox.db").symlink_to(here / "target.db")
    assert engine("outbox status") == (2, "", NO_OUTBOX)
    assert not (here / "target.db").exists()
    (here / "outbox.db").unlink()
    (here / "outbox.db-wal").write_bytes(b"events")
    code, out, err = engine("outbox status")
    assert (code, out) == (4, "")
    assert err == (
        "outbox.db is missing or empty, but outbox.db-wal is not: events are in there. Move the outbox back to outbox.db, "
        "or move outbox.db-wal away to start a new one.\n"
    )


@pytest.mark.parametrize("line", ["outbox status", "send exponea --sandbox --events events.ndjson"])
def test_a_directory_is_no_outbox(here, engine, line) -> None:
    (here / "o.db").mkdir()
    text = "o.db is a directory, not an outbox. It was left unchanged; name another file with --outbox.\n"
    assert engine(f"{line} --outbox o.db") == (4, "", text)


@pytest.mark.parametrize("name", ["", *outbox_command.commands])
def test_help_needs_no_outbox(here, engine, name) -> None:
    code, out, err = engine(f"outbox {name} --help")
    assert (code, err) == (0, "")
    assert f" outbox {name}".rstrip() in out.splitlines()[0]
    assert list(here.glob("*.db*")) == []


def test_connections_are_checked_also_at_the_vendor(here, engine) -> None:
    with Sandbox() as sandbox:
        connections(
            here,
            sandbox.url,
            more="off: { destination: exponea, enabled: false, settings: { api_key: k, project_token: p, hard_id: r, soft_id: c } }\n",
        )
        assert engine("connections check")[:2] == (0, "shop (Exponea): settings are valid.\noff: disabled.\n")
        assert engine("connections check --live")[:2] == (0, "off: disabled.\nshop: Exponea accepts the credentials.\n")
        connections(here, sandbox.url, "wrong-key")
        code, out, _ = engine("connections check --live")
        assert code == 1
        assert out == (
            "shop: the vendor answered 401: access key not found. Check the API key, the project token and the "
            "permissions of the API group.\n"
        )
        (here / "connections.yaml").write_text("extole: { settings: { api_key: k } }")
        assert engine("connections check --live")[:2] == (
            0,
            "extole: settings are valid; Extole Platform has no request to check credentials.\n",
        )


DELETIONS = """
strict: { destination: extole, settings: { api_key: access-token }, when: context.consent.categoryPreferences.Advertising }
typed: { destination: extole, settings: { api_key: access-token }, when: "type != 'delete' && userId" }
most: { destination: extole, settings: { api_key: access-token }, calls: [identify, track] }
all: { destination: extole, settings: { api_key: access-token }, calls: [identify, delete] }
none: { destination: user_com, settings: { app_url: "https://example.user.com", api_key: api-key }, calls: [track] }
"""
LEFT_OUT = (
    "`calls` leaves out delete, which the mapping has, so people who ask to be deleted stay at the vendor; add delete "
    "to `calls`"
)


def test_deletions_reach_the_vendor_despite_a_filter_and_are_missed_where_calls_leave_them_out(here, engine) -> None:
    (here / "connections.yaml").write_text(DELETIONS)
    code, out, _ = engine("connections check")
    assert (code, [line for line in out.splitlines() if "warning" in line]) == (0, [f"most: warning: {LEFT_OUT}."])
    (here / "deletion.ndjson").write_text('{"type":"delete","messageId":"del-1","userId":"never-seen"}\n')
    code, out, err = engine("send --connections connections.yaml --events deletion.ndjson --sandbox --log")
    logged = [line for line in map(orjson.loads, err.splitlines()) if line["event"] == "check the connection"]
    assert (code, [(line["connection"], line["reason"]) for line in logged]) == (0, [("most", LEFT_OUT)])
    assert [line.split()[:3] for line in out.splitlines() if line[:1].isalpha()][1:6] == [
        ["all", "delivered", "1"],
        ["most", "ignored", "1"],
        ["none", "ignored", "1"],
        ["strict", "delivered", "1"],
        ["typed", "ignored", "1"],
    ]


CHECKED = """
shop: { destination: extole, settings: { api_key: k } }
off: { destination: user_com, enabled: false, settings: { app_url: "${env:NO_URL}", api_key: "${env:NO_KEY}" } }
sources:
  web: { write_keys: [web-key] }
  app: { write_keys: [app-key], connections: [shop, off], enabled: false }
  old: { write_keys: [old-key], connections: [off] }
"""


def test_sources_are_checked_too(here, engine) -> None:
    file = here / "connections.yaml"
    file.write_text(CHECKED)
    sources = (
        "off: disabled; not checked: NO_URL, NO_KEY are not set.\n"
        "source web: its events go to shop.\n"
        "source app: disabled; its write keys are refused.\n"
        "source old: its events go nowhere, because all its connections are disabled.\n"
    )
    assert engine("connections check") == (0, f"shop (Extole Platform): settings are valid.\n{sources}", "")
    live = "shop: settings are valid; Extole Platform has no request to check credentials.\n"
    assert engine("connections check --live") == (0, sources + live, "")
    file.write_text(CHECKED.replace("api_key: k ", "api_kye: k ").replace("[web-key]", '"${env:NO_KEY}"'))
    wrong = (
        "connections.yaml:2:40  shop.settings\n  API Key (api_key) is not set.\n"
        'connections.yaml:2:42  shop.settings.api_kye\n  There is no setting "api_kye"; did you mean api_key?\n'
        "connections.yaml:5:22  sources.web.write_keys\n  The environment variable NO_KEY is not set.\n"
    )
    assert engine("connections check") == (2, "", wrong)
    assert engine("serve --connections connections.yaml") == (2, "", wrong)
    assert engine("import --source web events.ndjson") == (2, "", wrong)


@pytest.mark.parametrize("key", ["", "a b", "a:b", "ä", "k" * 513])
def test_a_write_key_that_nobody_could_send(here, capsys, key) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "exponea", "--sandbox", "--write-key", "fine", "--write-key", key])
    captured = capsys.readouterr()
    wrong = "--write-key: A write key must have 1 to 512 printable ASCII characters, without spaces and colons.\n"
    assert (ended.value.code, captured.out, captured.err) == (2, "", wrong)


def test_logs_and_metrics(here, engine) -> None:
    with Sandbox() as sandbox:
        connections(here, sandbox.url, "wrong-key")
        line = "send --connections connections.yaml --events events.ndjson --log --metrics metrics.txt"
        _, _, err = engine(line)
        logged = [orjson.loads(each) for each in err.splitlines()]
        assert [each["event"] for each in logged] == ["held", "worker ended"]
        assert logged[0] | {"time": ""} == {
            "time": "",
            "level": "error",
            "event": "held",
            "connection": "shop",
            "reason": "the vendor answered 401: access key not found",
            "hint": "Check the API key, the project token and the permissions of the API group. Then: engine outbox "
            "resume shop",
        }
        text = (here / "metrics.txt").read_text()
        assert 'waybill_requests_total{connection="shop",status="401"} 1.0' in text
        assert 'waybill_queue_depth{connection="shop"} 3.0' in text
        assert "wrong-key" not in text + err


def test_status_says_why_a_connection_pauses_and_until_when(here, engine) -> None:
    outbox, now = SqliteOutbox(here / "outbox.db"), time.time()
    outbox.take_in([NewEvent("s", "m1", "2026-01-01T00:00:00Z", b"{}")], ["shop"], now - 125.0)
    for name in ("shop", "crm", "old"):
        outbox.lease(name, "me", now - 1000.0, 10.0)
        outbox.pause(name, now - 500.0 if name == "old" else now + 3000.0, "ValueError: no.")
    outbox.close()
    _, out, _ = engine("outbox status")
    due = local_time(now + 3000.0)
    assert out == (
        "connection  state   waiting    lag  rate  drains in  last hour\n"
        "crm         paused        0      -     -          -  -\n"
        "old         idle          0      -     -          -  -\n"
        "shop        paused        1  2m 5s     -          -  -\n"
        f"crm is paused: ValueError: no. Next try: {due}.\n"
        f"shop is paused: ValueError: no. Next try: {due}.\n"
        "\n"
        "connection  outcome  events  reason\n"
        f"shop        waiting       1  ValueError: no; next try {due}\n"
    )


def test_sigterm_ends_in_order_and_nothing_is_lost(here, engine) -> None:
    events = [{"type": "identify", "messageId": f"m{n}", "userId": f"u{n}", "traits": {"n": n}} for n in range(400)]
    (here / "events.ndjson").write_bytes(b"\n".join(map(orjson.dumps, events)))
    with Sandbox() as sandbox:
        sandbox.inject({"kind": "latency", "seconds": 0.2})
        connections(here, sandbox.url)
        text = (here / "connections.yaml").read_text()
        (here / "connections.yaml").write_text(text + "  ordered_batches: true\n  rate_limit: 2/s\n")
        command = [
            sys.executable,
            "-m",
            "engine",
            "send",
            "--connections",
            "connections.yaml",
            "--events",
            "events.ndjson",
        ]
        running = subprocess.Popen(command, cwd=here, env={"PYTHONPATH": str(ROOT), "PATH": ""}, stdout=subprocess.PIPE)
        while not sandbox.requests():
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=20)
        assert running.returncode == 3
        delivered = int(next(line.split()[-1] for line in out.decode().splitlines() if "delivered" in line))
        assert 0 < delivered < 400
        assert sandbox.counts()["exponea"]["commands"] == delivered, "what was on its way was waited for"
        sandbox.remove_faults()
        (here / "connections.yaml").write_text(text)
        assert engine("send --connections connections.yaml")[0] == 0
        assert sandbox.counts()["exponea"]["commands"] == 400


ELSEWHERE = """\
connection  outcome    events  reason
shop        delivered       1
            ignored         1  1 x a duplicate: its source has sent this
                                   messageId before
Another process finished at least 1 of the events queued for shop; engine outbox status counts them too.
"""


def test_a_run_beside_another_process_speaks_of_itself(here, engine) -> None:
    (here / "events.ndjson").write_bytes(b"\n".join(map(orjson.dumps, [EVENTS[0], EVENTS[1], EVENTS[0]])))
    with Sandbox() as sandbox, closing(SqliteOutbox(here / "outbox.db")) as outbox:
        connections(here, sandbox.url)
        outbox.take_in([NewEvent("other", "m0", "2026-01-01T00:00:00Z", b"{}")], ["shop"], time.time())
        until = time.time() + 60
        fence = outbox.lease("shop", "other", until - 60, 60)

        def finish() -> None:
            while outbox.unfinished("shop")[0] < 3:
                time.sleep(0.01)
            first, second, _ = outbox.waiting("shop", 0, 10)
            changes = [Change(first.place, Outcome.REJECTED, "no"), Change(second.place, Outcome.DELIVERED, "")]
            outbox.write("shop", fence, changes, time.time())
            outbox.release("shop", "other")

        other = threading.Timer(1.5, finish)
        other.start()
        code, out, err = engine("send --connections connections.yaml --events events.ndjson")
        assert (code, out) == (0, ELSEWHERE)
        assert err == (
            "Another process is delivering to shop; this one waits and takes over when it ends (at "
            f"{local_time(until)} at the latest if it has died).\n"
        )
        other.join()
        assert "rejected        1" in engine("outbox status")[1]


def test_a_file_that_cannot_be_read_is_reported_before_anything_is_sent(here, engine) -> None:
    code, _, err = engine("send extole --events events.ndjson --events none.ndjson --sandbox --outbox o.db")
    assert (code, err) == (2, "File none.ndjson does not exist; name a file of events, or - for standard input.\n")
    assert list(here.glob("*.db*")) == []


ACME = """
mapping: 1
name: acme
title: Acme
settings: { key: { title: Key, type: string, example: acme-key } }
http: { base_url: "https://api.acme.example/v2" }
requests: { note: { path: "/notes/${settings.key}/${userId}" } }
calls: { track: [ { request: note, fields: { name: event } } ] }
"""
MADE = "acme is answered by a vendor made from its mapping (engine docs sandbox).\n"
NO_ADDRESS = "acme: the URL needs a value that is missing (http.base_url). Check the connection's settings.\n"


@pytest.mark.parametrize("version", ["v2", "v4"], ids=["a path nobody has", "a path of a vendor that lacks the rest"])
def test_what_the_sandbox_does_not_emulate_goes_to_a_vendor_made_from_the_mapping(here, engine, version) -> None:
    (here / "acme.yaml").write_text(ACME.replace("example/v2", f"example/{version}"))
    code, out, err = engine("send acme.yaml --events events.ndjson --sandbox")
    assert (code, err) == (1, MADE), "one is invalid"
    assert "acme        delivered       1\n" in out
    assert f"acme (sandbox)\n  1 request of note\n  newest note:\n    id 1, path /{version}/notes/acme-key/" in out


@pytest.mark.parametrize(
    "line", ["send acme.yaml exponea --events events.ndjson --sandbox", "serve exponea acme.yaml --sandbox --port 0"]
)
def test_a_connection_without_an_address_is_reported_before_anything_is_taken_in(here, engine, line) -> None:
    site = "settings: { site: { title: Site, type: url, optional: true },"
    (here / "acme.yaml").write_text(
        ACME.replace("https://api.acme.example/v2", "${settings.site}").replace("settings: {", site)
    )
    assert engine(f"{line} --outbox o.db") == (2, "", NO_ADDRESS)
    assert list(here.glob("*.db*")) == []


def test_a_secret_address_is_not_shown_where_the_sandbox_does_not_have_it(here, engine) -> None:
    acme = ACME.replace("https://api.acme.example/v2", "${settings.url}").replace(
        "settings: {", "settings: { url: { title: URL, type: url, secret: true, sent_in: url },"
    )
    (here / "acme.yaml").write_text(acme)
    given = "--set url=https://hooks.acme.example/s3cret/v2 --set key=k"
    code, out, err = engine(f"send acme.yaml --events events.ndjson --sandbox {given}")
    assert (code, err, "s3cret" in out) == (1, MADE, False)
    assert "id 1, path /notes/k/" in out


MINE = {
    "bloomreach_engagement": "mapping: 1\nname: mine\ntitle: Mine\nextends: exponea\n",
    "exponea": "mapping: 1\nname: mine\ntitle: Mine\nextends: exponea\n"
    "http: { base_url: https://proxy.example.com/eu/crm }\n",
    "extole": "mapping: 1\nname: mine\ntitle: Mine\nextends: extole\nhttp: { base_url: https://extole.example.com/x }\n",
    "user_com": "mapping: 1\nname: mine\ntitle: Mine\nextends: user_com\n"
    "http: { base_url: https://crm.example.com/gateway/api/public }\n",
}


DELIVERED = {"extole": "2"}


@pytest.mark.parametrize(
    "vendor", [pytest.param(each, marks=[] if each in ("exponea", "user_com") else pytest.mark.slow) for each in MINE]
)
def test_a_mapping_of_ones_own_for_a_vendor_of_the_sandbox_goes_there(here, engine, vendor) -> None:
    (here / "mine.yaml").write_text(MINE[vendor])
    code, out, err = engine(f"send {vendor} mine.yaml --events events.ndjson --sandbox")
    assert (code, err) == (1, "")
    assert "rejected" not in out
    assert [line.split()[-1] for line in out.splitlines() if "delivered" in line] == 2 * [DELIVERED.get(vendor, "3")]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_events_go_out_while_others_come_in_and_a_signal_ends_both(here, engine, number) -> None:
    lines = [orjson.dumps({**EVENTS[0], "messageId": f"m{n}", "userId": f"u{n}"}) + b"\n" for n in range(100)]
    with Sandbox() as sandbox:
        connections(here, sandbox.url)
        command = [sys.executable, "-m", "engine", "send", "--connections", "connections.yaml", "--events", "-"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, cwd=here, env={"PYTHONPATH": str(ROOT), "PATH": ""}, **pipes) as running:
            running.stdin.write(b"".join(lines))
            running.stdin.flush()
            while sandbox.counts()["exponea"]["customers"] < 100 and running.poll() is None:
                time.sleep(0.02)
            running.send_signal(number)
            assert running.wait(20) == 130, "though the pipe is still open"
            assert running.stdout.read().decode().splitlines()[1:] == ["shop        delivered     100"]
            assert running.stderr.read().decode() == (
                "Interrupted after queuing 100 events; the rest of the input was not read.\n"
            )
        assert engine("outbox status")[1].splitlines()[-1:] == ["shop        delivered     100"]


@pytest.mark.slow
def test_a_second_signal_ends_at_once_and_nothing_is_lost(here, engine) -> None:
    with Sandbox() as sandbox:
        sandbox.inject({"kind": "latency", "seconds": 3, "count": 1})
        connections(here, sandbox.url)
        command = [sys.executable, "-m", "engine", "send", "--connections", "connections.yaml"]
        running = subprocess.Popen([*command, "--events", "events.ndjson"], cwd=here, env={"PYTHONPATH": str(ROOT)})
        while not sandbox._world.faults.all()[0].matched and running.poll() is None:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=2) == 130
        assert engine("outbox list --outcome waiting")[1].count("\n") == 4, "the header and three events"
        time.sleep(3)
        took = time.monotonic()
        assert engine("send --connections connections.yaml")[0] == 0, "once the lease of the one that died is over"
        assert time.monotonic() - took < 15
