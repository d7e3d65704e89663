"""The events of an outbox for those who only look: nothing is created, migrated or written, also while it is in use.

Few events are read at a time, so that no reader keeps a process that writes from tidying up its `-wal`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from engine.delivery.outbox import file, looking
from engine.delivery.outbox import statements as sql
from engine.delivery.outbox.base import NewEvent, OutboxDamaged, OutboxError, outbox_command
from engine.delivery.outbox.file import VERSIONS
from engine.delivery.outbox.identity import recognize
from engine.delivery.outbox.reports import from_text
from engine.errors import UsageError

T = TypeVar("T")
AT_ONCE = 500
WITH_REPORTS = 3
"""The first version of the file that has the reports of events."""
_TYPES = (int, str, str, str, bytes)
PACK_NUMBERS = 64
"""Numbers that each pack of a stream has for its events."""
PATIENCE = 10.0
"""Seconds to wait for a lock."""


class StoredEvent(NamedTuple):
    """An event as it was stored; `message_id` and `received_at` were fixed at intake."""

    number: int
    message_id: str
    received_at: str
    raw: bytes


def stored_events(path: Path, since: float | None) -> Iterator[StoredEvent]:
    """Yield the events that came in since a time (Unix seconds, None for all), in their order, up to the last now.

    Raises UsageError if there is no outbox, and OutboxError.
    """
    with _opened(path) as db:
        last = db.execute(sql.LAST_EVENT).fetchone()[0]
        after = (db.execute(sql.FIRST_EVENT_SINCE, (0.0 if since is None else since,)).fetchone()[0] or last + 1) - 1
        while rows := db.execute(sql.STORED_EVENTS, (after, last, AT_ONCE)).fetchall():
            for row in rows:
                if tuple(map(type, row)) != (int, str, str, bytes):
                    raise OutboxDamaged(file.damage_text(path, f"event {row[0]}"))
                yield StoredEvent(*row)
            after = rows[-1][0]


class TakenEvents(NamedTuple):
    """Some events of an outbox in their order, for those who follow it: what each has of a kind is in one tuple."""

    numbers: tuple[int, ...]
    sources: tuple[str, ...]
    message_ids: tuple[str, ...]
    received_at: tuple[str, ...]
    raws: tuple[bytes, ...]

    def first(self, count: int) -> TakenEvents:
        """Return the first ones."""
        return TakenEvents(*(each[:count] for each in self))  # type: ignore[arg-type]


class FollowedPlace(NamedTuple):
    """What an outbox says of the place up to which it was followed.

    `message_id` is that of the event there, '' if it is gone; `last` is the highest number that was given to an event.
    """

    message_id: str
    last: int


def followed_place(path: Path, number: int) -> FollowedPlace:
    """Return it for the number of an event; raises as `stored_events`, and for a view that is being built."""
    with _opened(path) as db:
        if _is_view(db) and not db.execute(sql.VIEW_COMPLETE).fetchone()[0]:
            raise OutboxError(f"The view {path} is being built; it can be followed once all of the streams was read.")
        [message_id], [last] = (db.execute(sql.MESSAGE_ID, (number,)).fetchone(), db.execute(sql.LAST_EVENT).fetchone())
        return FollowedPlace(str(message_id), int(last))


def missing_between(path: Path, after: int, first: int) -> int:
    """Return how many events there were between two that are followed one after the other, and are gone; at least.

    Numbers of a view leave gaps within packs: there the packs that are gone are counted.
    """
    with _opened(path) as db:
        if not _is_view(db):
            return first - after - 1
        between = (after // PACK_NUMBERS, first // PACK_NUMBERS)
        known = int(db.execute(sql.PACKS_BETWEEN, between).fetchone()[0])
        return max(0, between[1] - between[0] - 1 - known)


def events_behind(path: Path, number: int) -> int:
    """Return how many events there are behind a number, about; raises as `stored_events`."""
    with _opened(path) as db:
        if _is_view(db):
            return int(db.execute(sql.EVENTS_BEHIND, (number,)).fetchone()[0])
        return max(0, int(db.execute(sql.LAST_EVENT).fetchone()[0]) - number)


def _is_view(db: sqlite3.Connection) -> bool:
    """Whether a file is a view of streams (engine/stream/view_tables.py)."""
    return db.execute(sql.VIEW_THERE).fetchone() is not None


def taken_events(path: Path, after: int) -> Iterator[TakenEvents]:
    """Yield the events behind a number, in their order, up to `AT_ONCE` at a time; raises as `stored_events`."""
    with _opened(path) as db:
        while rows := db.execute(sql.TAKEN_EVENTS, (after, AT_ONCE)).fetchall():
            columns = tuple(zip(*rows, strict=True))
            is_right = all({kind}.issuperset(map(type, column)) for column, kind in zip(columns, _TYPES, strict=True))
            if not is_right:
                odd = next(row[0] for row in rows if tuple(map(type, row)) != _TYPES)
                raise OutboxDamaged(file.damage_text(path, f"event {odd}"))
            if rows[0][0] <= after:
                raise OutboxDamaged(file.damage_text(path, f"event {rows[0][0]}"))
            after = rows[-1][0]
            yield TakenEvents(*columns)


def stored_event(path: Path, wanted: str) -> tuple[list[int], NewEvent | None]:
    """Return the numbers of the events with an ID or a number, and the newest of them; raises as `stored_events`."""
    with _opened(path) as db:
        numbers = [row[0] for row in db.execute(sql.EVENT_NUMBERS, {"event": wanted})]
        if not numbers:
            return [], None
        has_reports = _version(db) >= WITH_REPORTS
        row = db.execute(sql.EVENT if has_reports else sql.BEFORE_REPORTS, (numbers[-1],)).fetchone()
        if row is None or tuple(map(type, row[:4])) != (str, str, str, bytes):
            raise OutboxDamaged(file.damage_text(path, f"event {numbers[-1]}"))
        source, message_id, received_at, raw, reports = row
        try:
            return numbers, NewEvent(source, message_id, received_at, raw, from_text(reports).event)
        except ValueError as error:
            raise OutboxDamaged(file.damage_text(path, "impossible reports")) from error


class OutboxFile:
    """An outbox that is only looked at: it may be in use, and may be in a file that this process cannot write.

    Each `look` opens the file, so it finds one that was moved back or replaced.  Raises as `stored_events`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def look(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a function of `looking` finds, in one read transaction."""
        with _opened(self.path) as db:
            if _version(db) < len(VERSIONS):
                shown = outbox_command("status", self.path)
                raise OutboxError(f"{self.path} was made by an older version of the engine; `{shown}` brings it up.")
            db.execute(sql.BEGIN_READ)
            with looking.values_are_ours(db, self.path):
                return function(db)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.exists() and not Path(f"{path}-wal").exists():
        raise UsageError(f"There is no outbox {path}; name one with --outbox.")
    if path.is_file() and not path.stat().st_size and not Path(f"{path}-wal").exists():
        raise UsageError(f"{path} is empty, so it is no outbox; name one with --outbox.")
    with _errors(path), closing(_connect(path)) as db:
        if _version(db) > len(VERSIONS):
            raise OutboxError(f"{path} was created by a newer version of the engine; update the engine.")
        yield db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute(sql.VERSION).fetchone()[0])


def _connect(path: Path) -> sqlite3.Connection:
    recognize(path)
    return file.connect_to_read(path, timeout=PATIENCE, isolation_level=None)


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise file.raised(path, error, PATIENCE) from error
