"""What became of events, written to their states; runs inside the transaction of its caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import orjson

from engine.delivery.outbox import statements as sql
from engine.delivery.outbox.attempts import Attempt, AttemptNumbers
from engine.delivery.outbox.base import Change
from engine.delivery.outbox.reports import as_text


def written(db: sqlite3.Connection, changes: Sequence[Change], now: float, fence: int) -> list[Change]:
    """Write changes of unfinished states; return those of states that were still there and unfinished."""
    # Events that ended alike are written by one statement: 3.3 us an event instead of 7.5.  Those of a batch have the
    # same attempt, too; those that were sent alone have one each.
    alike = [list(run) for _, run in groupby(changes, _all_but_place)]
    if len(alike) > len(changes) // 4:
        alike = [list(run) for _, run in groupby(changes, _what_became)]
    db.execute(sql.SAVEPOINT)
    if all(_finish(db, run, now, fence) == len(run) for run in alike):
        return list(changes)
    db.execute(sql.UNDO)  # some had ended before; written one by one, they show which
    return [each for each in changes if _finish(db, [each], now, fence)]


def _finish(db: sqlite3.Connection, alike: Sequence[Change], now: float, fence: int) -> int:
    """Write changes that differ in nothing but their place and attempts; return how many states still waited."""
    _, outcome, *others, reports, attempts = alike[0]
    given = (outcome.value, *others, as_text(reports), now, fence)
    if all(change.attempts == attempts for change in alike):
        return db.execute(sql.FINISH, (*given, attempts, str([change.place for change in alike]))).rowcount
    pairs = orjson.dumps([(change.place, change.attempts) for change in alike]).decode()
    return db.execute(sql.FINISH_EACH, (*given, pairs)).rowcount


def _all_but_place(change: Change) -> tuple[Any, ...]:
    return change[1:]


def _what_became(change: Change) -> tuple[Any, ...]:
    return change[1:-1]


def attempts_kept(
    db: sqlite3.Connection, attempts: Sequence[Attempt], changes: Sequence[Change], done: Sequence[Change]
) -> Sequence[Attempt]:
    """Return the requests without those of events alone that are no longer there: a deletion removed them meanwhile."""
    if len(done) == len(changes):
        return attempts
    places = str([change.place for change in changes])
    there = {place for (place,) in db.execute(sql.PLACES_THERE, (places,))}
    named = _numbers(change for change in changes if change.place in there)
    gone = _numbers(change for change in changes if change.place not in there) - named
    return [each for each in attempts if each.number not in gone]


def _numbers(changes: Iterable[Change]) -> set[int]:
    return {number for change in changes for number in AttemptNumbers.of(change.attempts).numbers}
