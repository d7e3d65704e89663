"""A damaged outbox ends every command with exit code 4, unless the command does not need what is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from engine.commands import main
from engine.delivery.outbox.base import Change, NewEvent
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome

PAGE = 8192
COMMANDS = {
    "status": "outbox status",
    "list": "outbox list --first --limit 1000",
    "show": "outbox show m150",
    "replay": "outbox replay --dry-run",
    "resume": "outbox resume exponea",
    "purge": "outbox purge --older-than 1d",
    "send": "send exponea --sandbox --events new.ndjson --patience 0s",
    "import": "import new.ndjson --source web",
    "serve": "serve exponea --sandbox --port 0 --no-log",
}
TEXT = (
    "o.db is damaged or not an outbox ({}). It was left unchanged: move it away to start a new one, or try to recover "
    "its content with: sqlite3 o.db .recover\n"
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """Return the file of an outbox with events of all kinds."""
    path = tmp_path_factory.mktemp("outbox") / "whole.db"
    raw = b'{"type":"track","event":"E","userId":"u%d","messageId":"m%d","properties":{"a":"%s"}}'
    with closing(SqliteOutbox(path)) as outbox:
        text = "2026-01-01T00:00:00Z"
        outbox.take_in([NewEvent("s", f"m{n}", text, raw % (n, n, b"x" * 400)) for n in range(300)], ["exponea"], 1.0)
        fence = outbox.lease("exponea", "w", 1.0, 1.0)
        rows = outbox.waiting("exponea", 0, 1000)
        outbox.write("exponea", fence, [Change(row.place, Outcome.REJECTED, "no") for row in rows[:200]], 1.0)
        outbox.hold("exponea", "the vendor answered 401", "Check the key.", 1.0)
    return path.read_bytes()


def page_with(text: bytes) -> Callable[[bytes], bytes]:
    """Return what overwrites the last page that contains a text."""

    def damage(whole: bytes) -> bytes:
        start = whole.rindex(text) // PAGE * PAGE
        return whole[:start] + b"\xff" * PAGE + whole[start + PAGE :]

    return damage


def root_of(name: str) -> Callable[[bytes], bytes]:
    """Return what overwrites the root of a table or an index."""

    def damage(whole: bytes) -> bytes:
        with closing(sqlite3.connect(":memory:")) as db:
            db.deserialize(whole[:18] + b"\1\1" + whole[20:])  # not in WAL mode, which needs a file
            number = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
        start = (number - 1) * PAGE
        return whole[:start] + b"\xff" * PAGE + whole[start + PAGE :]

    return damage


def after(*statements: str) -> Callable[[bytes], bytes]:
    """Return what changes values in a way that SQLite does not notice."""

    def damage(whole: bytes) -> bytes:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
            db.deserialize(whole[:18] + b"\1\1" + whole[20:])
            for statement in statements:
                db.execute(statement)
            changed = db.serialize()
        return changed[:18] + b"\2\2" + changed[20:]

    return damage


NOT_SQLITE, MALFORMED = "file is not a database", "database disk image is malformed"
OPENING = {
    "header": (lambda whole: b"\0" * 100 + whole[100:], NOT_SQLITE),
    "first page": (lambda whole: whole[:100] + b"\xff" * (PAGE - 100) + whole[PAGE:], MALFORMED),
    "half of it": (lambda whole: whole[: len(whole) // 2], MALFORMED),
}
# What is overwritten, and which commands do not read it.
READING: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "events": (root_of("events"), "status resume"),
    "one event": (page_with(b'"m150"'), "status resume send import"),
    "a waiting event": (page_with(b'"m299"'), "status show replay resume"),
    "states": (root_of("states"), ""),
    "connections": (root_of("connections"), "purge import"),
    "index of messageIds": (root_of("events_by_message"), "status list replay resume"),
    "index of times": (root_of("events_by_time"), "status list show replay resume"),
    "index of states": (root_of("states_by_event"), "status replay resume"),
    "index of the queue": (root_of("states_unfinished"), "list show replay purge"),
}
# What SQLite takes for a value, and which commands come upon it.
VALUES: dict[str, tuple[str, str, str]] = {
    "a missing table": ("DROP TABLE states", "no such table: states", "status list show replay resume purge"),
    "an outcome": (
        "UPDATE states SET outcome = 'lost' WHERE place = 151",
        "impossible values in state 151",
        "list show purge",
    ),
    "a text": ("UPDATE events SET message_id = CAST(x'1bff' AS TEXT) WHERE id = 151", "text that is not UTF-8", "list"),
    "a time": ("UPDATE states SET changed_at = 'now' WHERE place = 151", "impossible values in state 151", "show"),
}
OUTBOX, WRITING = ("status", "list", "show", "replay", "resume", "purge"), ("send", "import", "serve")


@pytest.fixture
def ended(tmp_path, monkeypatch, capsys):
    """Return what runs a command on a file with this content, and returns its exit code and output."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.ndjson").write_text('{"type":"track","event":"E","userId":"u","messageId":"m1"}\n')
    (tmp_path / "connections.yaml").write_text(
        "exponea: { settings: { api_key: k, project_token: p, hard_id: r, soft_id: c } }\n"
        "sources: { web: { write_keys: [key] } }\n"
    )

    def run(name: str, content: bytes) -> tuple[int, str, str]:
        for file in tmp_path.glob("o.db*"):
            file.unlink()
        Path("o.db").write_bytes(content)
        with pytest.raises(SystemExit) as end:
            main([*COMMANDS[name].split(), "--outbox", "o.db"])
        return end.value.code or 0, *capsys.readouterr()

    return run


@pytest.mark.parametrize("damage", OPENING)
def test_damage_that_is_seen_at_once(ended, whole, damage) -> None:
    check_opening(ended, whole, damage, OUTBOX)


@pytest.mark.slow
@pytest.mark.parametrize("damage", OPENING)
def test_damage_that_is_seen_at_once_by_commands_that_write(ended, whole, damage) -> None:
    check_opening(ended, whole, damage, WRITING)


def check_opening(ended, whole: bytes, damage: str, names: Iterable[str]) -> None:
    spoil, reason = OPENING[damage]
    for name in names:
        assert (name, *ended(name, spoil(whole))) == (name, 4, "", TEXT.format(reason))
        assert Path("o.db").read_bytes() == spoil(whole)


def check_reading(ended, whole: bytes, damage: str, names: Iterable[str]) -> None:
    spoil, fine = READING[damage]
    for name in names:
        code, out, err = ended(name, spoil(whole))
        if name in fine.split():
            assert (damage, name, code, out, err) == (damage, name, *ended(name, whole))
        else:
            assert (damage, name, code, err) == (damage, name, 4, TEXT.format(MALFORMED))


def test_damage_that_is_seen_by_the_commands_that_read_there(ended, whole) -> None:
    for damage in READING:
        check_reading(ended, whole, damage, OUTBOX)


@pytest.mark.slow
@pytest.mark.parametrize("damage", READING)
def test_damage_that_is_seen_by_commands_that_write(ended, whole, damage) -> None:
    check_reading(ended, whole, damage, ("send", "import"))


def test_values_that_only_damage_explains(ended, whole) -> None:
    for damage, (statement, reason, names) in VALUES.items():
        for name in names.split():
            code, _, err = ended(name, after(statement)(whole))
            assert (damage, name, code, err) == (damage, name, 4, TEXT.format(reason))


@pytest.mark.slow
def test_no_damage_is_an_internal_error(ended, whole) -> None:
    chance = Random(7)
    for _ in range(150):
        content = bytearray(whole)
        first, second = (chance.randrange(1, len(whole) // PAGE) * PAGE for _ in range(2))
        kind = chance.choice(["bytes", "noise", "zeros", "swapped", "cut"])
        if kind == "bytes":
            for _ in range(chance.choice([1, 5, 50])):
                content[chance.randrange(100, len(whole))] = chance.randrange(256)
        elif kind == "cut":
            del content[chance.randrange(1, len(whole)) :]
        elif kind == "swapped":
            content[first : first + PAGE], content[second : second + PAGE] = whole[second:][:PAGE], whole[first:][:PAGE]
        else:
            content[first : first + PAGE] = chance.randbytes(PAGE) if kind == "noise" else bytes(PAGE)
        for name in OUTBOX:
            code, _, err = ended(name, bytes(content))
            assert code in (0, 2, 4), (kind, name, err)
