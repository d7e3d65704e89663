"""The events of an outbox for those who only look: nothing is created, migrated or written, also while it is in use.

Few events are read at a time, so that no reader keeps a process that writes from tidying up its `-wal`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from engine.delivery.outbox import file
from engine.delivery.outbox import statements as sql
from engine.delivery.outbox.base import OutboxDamaged, OutboxError
from engine.delivery.outbox.file import VERSIONS
from engine.delivery.outbox.identity import recognize
from engine.errors import UsageError

AT_ONCE = 500
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
    if not path.exists() and not Path(f"{path}-wal").exists():
        raise UsageError(f"There is no outbox {path}; name one with --outbox.")
    with _errors(path), closing(_connect(path)) as db:
        if int(db.execute(sql.VERSION).fetchone()[0]) > len(VERSIONS):
            raise OutboxError(f"{path} was created by a newer version of the engine; update the engine.")
        last = db.execute(sql.LAST_EVENT).fetchone()[0]
        after = (db.execute(sql.FIRST_EVENT_SINCE, (0.0 if since is None else since,)).fetchone()[0] or last + 1) - 1
        while rows := db.execute(sql.STORED_EVENTS, (after, last, AT_ONCE)).fetchall():
            for row in rows:
                if tuple(map(type, row)) != (int, str, str, bytes):
                    raise OutboxDamaged(file.damage_text(path, f"event {row[0]}"))
                yield StoredEvent(*row)
            after = rows[-1][0]


def _connect(path: Path) -> sqlite3.Connection:
    recognize(path)
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE, isolation_level=None)


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise file.raised(path, error, PATIENCE) from error
