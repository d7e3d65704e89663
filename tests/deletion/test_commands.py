"""`engine delete`: what is shown, asked, refused, and with which exit code."""

from __future__ import annotations

import re
from contextlib import chdir, closing
from pathlib import Path

import orjson
import pytest

from engine.delivery.outbox.base import Change
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome
from tests.deletion.filled import NOW, new
from tests.operating import said

CONNECTIONS = """\
mail: { destination: extole, settings: { api_key: a-secret-key } }
crm: { destination: user_com, settings: { api_key: a-secret-key, app_url: "https://example.user.com" } }
idle: { destination: extole, settings: { api_key: a-secret-key }, calls: [track] }
"""
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


@pytest.fixture
def folder(tmp_path: Path) -> object:
    with chdir(tmp_path):
        Path("connections.yaml").write_text(CONNECTIONS)
        with closing(SqliteOutbox("outbox.db")) as outbox:
            person = {"type": "identify", "userId": "ann-1", "traits": {"email": "ann@example.com"}}
            events = [new(1, person), new(2, {"userId": "ann-1"}), new(3, {"userId": "bob-1"})]
            outbox.take_in(events, ["mail", "crm"], NOW)
            outbox.hold("mail", "the vendor answered 401", "Check the key.", NOW)
        yield tmp_path


def run(*words: str) -> tuple[int, str]:
    code, text = said("delete", *words)
    return code, TIME.sub("TIME", text)


def test_from_the_question_to_the_end(folder: Path) -> None:
    assert run("--user", "ann-1") == (
        2,
        "This removes users for good, and asks before it does so on a terminal; elsewhere add --yes.\n",
    )
    assert run("--user", "ann-1", "--dry-run") == (
        0,
        (
            "ann-1: 2 events in the outbox, 2 not sent yet; also known as ann@example.com\n"
            "mail: gets a delete event\n"
            "crm: a person has to delete the user there: the mapping user_com has no delete call\n"
            "idle: a person has to delete the user there: `calls` of the connection leaves out delete\n"
            "Nothing was removed.\n"
        ),
    )
    report = (
        "Deletion 1: {state} (requested TIME by command)\n"
        "  outbox  2 events removed; 2 not sent yet\n"
        "  mail    {mail}\n"
        "  crm     a person has to delete the user there: the mapping user_com has no delete call\n"
        "  idle    a person has to delete the user there: `calls` of the connection leaves out delete\n"
    )
    held = "a delete event waits, and the connection is held: the vendor answered 401"
    code, text = run("--user", "ann-1", "--yes")
    assert code == 1
    assert text.startswith(report.format(state="waiting", mail=held))
    with closing(SqliteOutbox("outbox.db")) as outbox:
        outbox.resume("mail")
        fence = outbox.lease("mail", "w", NOW, 10) or 0
        rows = outbox.waiting("mail", 0, 9)
        outbox.write("mail", fence, [Change(row.place, Outcome.DELIVERED, "1 request accepted") for row in rows], NOW)
    assert run("resume") == (0, "1 deletion ended, 0 not done yet.\n")
    assert run("status", "--user", "ann-1") == (
        1,
        report.format(state="attention", mail="delivered: 1 request accepted"),
    )
    assert run("status") == (1, "     1  TIME  command  attention  2 events\n")
    code, text = run("status", "1", "--json")
    assert orjson.loads(text)["removed"] == {"events": 2, "waited": 2}
    assert [file.name for file in folder.iterdir() if b"ann" in file.read_bytes()] == []


def test_suppressed_and_no_longer(folder: Path) -> None:
    Path("connections.yaml").unlink()
    code, text = run("--user", "ann-1", "--yes", "--suppress")
    assert (code, text.splitlines()[0]) == (0, "Deletion 1: done (suppressed, requested TIME by command)")
    assert text.splitlines()[-1].startswith("No delete events are sent to vendors: name the connections")
    assert run("unsuppress", "--user", "ann-1") == (0, "ann-1 is no longer suppressed.\n")
    assert run("unsuppress", "--user", "ann-1") == (1, "ann-1 is not suppressed.\n")
    assert run("unsuppress", "--user", "\x1b[2J") == (1, "\\u001b[2J is not suppressed.\n")


def test_a_file_of_users(folder: Path) -> None:
    Path("users.txt").write_text("﻿ann-1\r\n\nbob-1\nann-1\nnobody-1\n")
    Path("users.json").write_text('["u1", {"userId": "u2"}, 3]')
    code, text = run("--file", "users.txt", "--dry-run")
    assert (code, text.splitlines()[:3]) == (
        0,
        [
            "ann-1: 2 events in the outbox, 2 not sent yet; also known as ann@example.com",
            "bob-1: 1 event in the outbox, 1 not sent yet",
            "nobody-1: 0 events in the outbox, 0 not sent yet",
        ],
    )
    assert run("--file", "users.json", "--dry-run")[1].count(": 0 events in the outbox") == 3


@pytest.mark.parametrize(
    ("words", "content", "message"),
    [
        ([], None, "Name users: --user ID, or --file FILE with an ID per line."),
        (["--user", ""], None, '--user: "" is no user\'s ID.'),
        (["--user", "null"], None, '--user: "null" is no user\'s ID.'),
        (["--file", "f"], b"", "f names no user."),
        (["--file", "f"], b"a\nundefined\n", 'f:2: "undefined" is no user\'s ID.'),
        (["--file", "f"], b"a\n\xff", "f is not UTF-8 (byte 2)."),
        (["--file", "f"], b'["a", null]', "f: [1]: this is no user's ID."),
        (["--file", "f"], b'["a", {"id": "b"}]', "f: [1]: this is no user's ID."),
        (["--file", "f"], b'["a"', "f:1:5: unexpected end of data."),
        (["--user", "a", "--outbox", "no.db"], None, "There is no outbox no.db; name one with --outbox."),
        (["--user", "a", "--archive", "no"], None, "There is no archive no; name one with --archive."),
        (["status", "7"], None, "No deletion 7; one that ended more than two years ago is not listed."),
        (["status", "--user", "x"], None, "No deletion of x; one that ended more than two years ago is not listed."),
    ],
)
def test_what_is_refused(folder: Path, words: list[str], content: bytes | None, message: str) -> None:
    if content is not None:
        Path("f").write_bytes(content)
    assert run(*words, *(() if words[:1] == ["status"] else ("--yes",))) == (2, f"{message}\n")


def test_many_users_are_shown_together(folder: Path) -> None:
    Path("users.txt").write_text("\n".join(["ann-1", *(f"user-{n}" for n in range(20))]))
    code, text = run("--file", "users.txt", "--yes")
    assert code == 1
    assert "21 deletions: 21 waiting\n  outbox   2 events removed; 2 not sent yet\n" in text
    assert "  mail  21 x a delete event waits to be sent\n" in text
    assert "suppression" not in text, "nobody asked for it"
    assert "\n21 users: removed\n" in text
