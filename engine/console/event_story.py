"""One event with what became of it for each connection, as its page shows it."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import orjson

from engine.console.folding import FoldedValue, fold
from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Chosen, ConnectionRow
from engine.delivery.outbox.looking import (
    Found,
    attempts_of,
    connection_rows,
    newest,
    stored_at,
    title_of,
    version_files,
)
from engine.language.texts import shortened
from engine.records import Outcome, Report

MOST_STATES = 100
"""States of one event that are shown: one for each connection, and duplicates."""
MOST_UNREADABLE = 2000
"""Bytes that are shown of an event that is no JSON."""
LONGEST_TITLE = 120
UNFINISHED = (Outcome.WAITING, Outcome.HELD)


class AttemptStory(NamedTuple):
    """A request that was sent: when (Unix seconds), and what came back; `answer` is JSON, `text` any other answer."""

    at: float
    attempt: Attempt
    answer: FoldedValue | None
    text: str

    @property
    def kind(self) -> str:
        """The badge: good, bad, or warn for what may be tried again."""
        status = self.attempt.status
        if 200 <= status < 300:
            return "warn" if self.attempt.refused else "good"
        return "bad" if 400 <= status < 500 and status not in (408, 429) else "warn"


class StateStory(NamedTuple):
    """What became of an event for one connection; `row` says how that one stands, None if it is gone."""

    found: Found
    row: ConnectionRow | None
    attempts: tuple[AttemptStory, ...]
    missing: int
    kept: bool

    @property
    def finished(self) -> bool:
        """Whether it can be replayed."""
        return self.found.outcome not in UNFINISHED

    @property
    def sent_at(self) -> float | None:
        """When its last request that is kept began."""
        return self.attempts[-1].at if self.attempts else None


class EventStory(NamedTuple):
    """One event; `tree` is its payload, None where it is no JSON, of which `text` is the beginning.

    `reports` are of intake, and of reading the event.
    """

    number: int
    message_id: str
    source: str
    received_at: str
    taken_at: float
    call: str
    name: str
    user: str
    size: int
    tree: FoldedValue | None
    text: str
    reports: tuple[Report, ...]
    states: tuple[StateStory, ...]

    @property
    def title(self) -> str:
        """What the event is called."""
        return shortened(f"{self.call or 'event'} {self.name}".strip(), LONGEST_TITLE)


def read_event(db: sqlite3.Connection, number: int) -> EventStory | None:
    """Return an event by its number, None if there is none; a function for `OutboxFile.look`."""
    states = states_of(db, number)
    if not states:
        return None
    first = states[0]
    value, readable = first.value, _is_json(first.raw)
    rows = {each.name: each for each in connection_rows(db)}
    waiting = {each.place: each for each in stored_at(db, [each.place for each in states])}
    reports = [report for each in waiting.values() for report in each.reports]
    reports += [report for each in states for report in each.reports.event]
    return EventStory(
        number,
        first.message_id,
        first.source,
        first.received_at,
        first.taken_at,
        *title_of(value),
        size=len(first.raw),
        tree=fold(value) if readable else None,
        text="" if readable else first.raw[:MOST_UNREADABLE].decode(errors="replace"),
        reports=tuple(dict.fromkeys(reports)),
        states=tuple(_state(db, each, rows.get(each.connection)) for each in states),
    )


def states_of(db: sqlite3.Connection, number: int) -> list[Found]:
    """Return the states of an event by its number, by connection."""
    found = newest(db, Chosen(event=str(number)), MOST_STATES)
    own = [each for each in found if each.event == number]  # the number may also be another one's messageId
    return sorted(own, key=lambda each: (each.connection, each.place))


def _is_json(raw: bytes) -> bool:
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True


def _state(db: sqlite3.Connection, found: Found, row: ConnectionRow | None) -> StateStory:
    numbers = found.attempts.numbers
    attempts = attempts_of(db, found.connection, numbers) if numbers else []
    kept = found.digest is not None and version_files(db, found.digest) is not None
    missing = found.attempts.earlier + len(numbers) - len(attempts)
    return StateStory(found, row, tuple(map(_attempt, attempts)), missing, kept)


def _attempt(attempt: Attempt) -> AttemptStory:
    text, answer = attempt.answer, None
    if not attempt.cut and text.lstrip()[:1] in ("{", "["):
        try:
            answer = fold(orjson.loads(text))
        except orjson.JSONDecodeError:
            answer = None
    return AttemptStory(attempt.number / 1e6, attempt, answer, "" if answer is not None else text)
