"""An operator's questions, each answered by one command: on an outbox delivered for real, with ordered faults.

docs/operating.md shows the same outbox; all that it shows is run here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.docs.blocks import blocks
from tests.docs.console import check, commands
from tests.operating import OperatorShell, operated, said, steady

PAGE = "docs/operating.md"


@pytest.fixture(scope="module")
def outbox(tmp_path_factory) -> Iterator[Path]:
    with operated(tmp_path_factory.mktemp("operated")) as folder:
        yield folder


SENT = (
    "POST http://127.0.0.1:8900/user_com/api/public/users-by-id/bob/events/\n"
    "                       400, not accepted, in 12 ms (add_event)\n"
)
QUESTIONS = {
    "what happened to this person's events?": (
        "outbox list --user BOB",
        "3 track Order Completed bob crm rejected the vendor answered 400",
        "4 track bob shop invalid no event: a track call must name what happened",
    ),
    "why was this event refused, and what did the vendor say?": (
        "outbox show m3",
        "rejected: the vendor answered 400: User.com rejected the data; 1 of 2 accepted",
        'the vendor: {"detail": "total must be text"}',
    ),
    "what was sent, when, and how long did it take?": ("outbox show m3", SENT, "2026-01-31 10:15:30 POST"),
    "what exactly was sent?": (
        "outbox show m3 --requests --connections connections.yaml",
        '{ "name": "Order Completed", "timestamp": 1709633730, "data": {"total": 40} }',
        "as sent: the digest is that of a request above",
    ),
    "is a connection behind, and for how long?": ("outbox status", "mail held 4", "crm paused 1"),
    "what is to be done about it?": (
        "outbox status",
        "mail has been held since 2026-01-31 10:15:30: the vendor answered 401",
        "Once the cause is fixed, run: engine outbox resume mail",
    ),
    "when is the next try?": (
        "outbox show m5",
        "2026-01-31 10:15:30 next try: when the pause of crm ends (the vendor answered 429:",
        "engine outbox resume crm",
    ),
    "which events were set aside for this reason?": (
        "outbox list --reason quota",
        "2 track Signed Up ada shop rejected the vendor refused this item of a batch (status 200) | quota exceeded",
    ),
    "what was discarded at the door, and why?": (
        "outbox discards",
        "web event_not_defined 1 2023-11-14 2023-11-14 track calls require event",
    ),
    "which version of the mapping planned it, and is it the current one?": (
        "outbox show m1 --connections connections.yaml",
        "planned by exponea, version ",
        "the current one",
    ),
    "why does it look like that?": (
        "explain --message-id m3 --connection crm --connections connections.yaml",
        "data.total 40 ← properties.total",
    ),
    "what will a replay do?": (
        "outbox replay --dry-run --connections connections.yaml --user bob --event 'Order Completed'",
        "now: planned, 1 request: POST /user_com/api/public/users-by-id/bob/events/",
        "crm: 1 event would be queued again.",
    ),
    "which events are these, to try a corrected mapping on?": (
        "outbox export --connection crm --outcome rejected",
        '"messageId":"m3"',
    ),
}


def words(text: str) -> str:
    return " ".join(text.split())


def test_each_question_has_one_command(outbox: Path) -> None:
    for question, (command, *answers) in QUESTIONS.items():
        _, text = said(*shlex.split(command))
        for answer in answers:
            found = re.sub(r"\b\d\d:\d\d:\d\d identify|(?<=\d )10:15:30 (?=track)", "", words(steady(text)))
            assert words(answer) in words(found), (question, text)


def test_programs_get_the_same_numbers(outbox: Path) -> None:
    code, text = said("outbox", "status", "--format", "json")
    assert code == 0
    mail = orjson.loads(text)["connections"][1]
    assert (mail["name"], mail["state"], mail["unfinished"]) == ("mail", "held", 4)
    assert mail["lag_seconds"] > 0
    assert mail["last_hour"] == {"invalid": 1}


def test_the_page_shows_what_happens(outbox: Path) -> None:
    for block in blocks(PAGE):
        if block.words == "run":
            for command, shown in commands(block):
                check(block, command, OperatorShell.run(command).splitlines(), shown)
