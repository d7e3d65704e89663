"""Persons leave the state of audiences: the files of who was sent, of members and of changes, and words of runs.

It holds the lock of syncs, so a run that is under way ends first: the events it feeds reach the vendors before the
deletion does, and none comes after it. Doing it again finds what is left.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.audiences.changes import write
from engine.audiences.state import SYNC_PATIENCE, AudienceState, Run
from engine.events.persons import DELETED, PersonIds

if TYPE_CHECKING:
    import pyarrow as pa

ABANDONED = 3600.0
"""Seconds after which the folder of a preview is taken for one of a process that was killed."""
BATCH = 50_000
_BETWEEN_WORDS = re.compile(r"[\s'\"(),;<>`]+")


def erase(directory: Path, persons: PersonIds, *, patience: float = SYNC_PATIENCE) -> int:
    """Remove persons from a state of audiences (`DIR/audiences`); return how many memberships and values there were.

    The next sync of somebody who comes back as a member sends `true` again. A row of another user with the email of a
    person is removed too: it says what was sent under that email. Raises SyncBusy if a sync does not end in time, and
    AudienceStateError.
    """
    if not (directory / "state.db").exists():
        return 0
    state = AudienceState(directory)
    try:
        with state.lock(patience):
            return _erased(state, persons)
    finally:
        state.close()


def _erased(state: AudienceState, persons: PersonIds) -> int:
    keys = [each.key for each in state.definitions()]
    for key in keys:
        state.tidy(key)
    current = {state.sent_file(key) for key in keys}
    _remove_leftovers(state.directory)
    found = 0
    for path in sorted(state.directory.glob("*/*.parquet")):
        removed = _rewritten(path, persons)
        found += removed if path in current else 0
    for run in state.unended():
        _shortened(state, run)
    _mask_words(state, keys, persons)
    return found


def _remove_leftovers(directory: Path) -> None:
    """Remove what processes that were killed left."""
    for path in directory.glob("*/.*.tmp"):
        path.unlink(missing_ok=True)
    for folder in directory.glob(".preview-*"):
        with suppress(OSError):
            if folder.stat().st_mtime < time.time() - ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


def _rewritten(path: Path, persons: PersonIds) -> int:
    """Write a file again without the persons, unless it has none of them; return how many rows they had."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    sets = _value_sets(persons)
    with pq.ParquetFile(path) as reader:
        names = [name for name in sets if name in reader.schema_arrow.names]
        found = sum(
            pc.sum(_theirs(batch, sets)).as_py() or 0 for batch in reader.iter_batches(BATCH, columns=names)
        )  # fmt: skip
        if found:
            rest = (
                pa.RecordBatch.from_arrays(kept.columns, schema=reader.schema_arrow)
                for batch in reader.iter_batches(BATCH)
                for kept in [batch.filter(pc.invert(_theirs(batch, sets)))]
            )
            write(path, reader.schema_arrow, rest)
    return int(found)


def _value_sets(persons: PersonIds) -> dict[str, pa.Array]:
    """Return for each column which values are those of the persons; `id` is a person_id, or has its kind before it."""
    import pyarrow as pa

    either = persons.users | persons.anonymous
    kinds = {"u": persons.users, "a": either, "t": persons.emails}
    identities = either.union(*(frozenset(f"{kind}:{each}" for each in values) for kind, values in kinds.items()))
    columns = {
        "person_id": either,
        "user_id": persons.users,
        "anonymous_id": either,
        "email": persons.emails,
        "id": identities,
    }
    return {name: pa.array(values, pa.string()) for name, values in columns.items()}


def _theirs(batch: pa.RecordBatch, sets: dict[str, pa.Array]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pa.array([False] * batch.num_rows, pa.bool_())
    for name in batch.schema.names:
        if name in sets:
            values = batch.column(name)
            if name == "email":
                values = pc.utf8_lower(pc.utf8_trim_whitespace(values))
            found = pc.or_(found, pc.is_in(values, value_set=sets[name]))
    return found


def _shortened(state: AudienceState, run: Run) -> None:
    """Let a run end where its last change is now: those after it were of the persons."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = state.file("changes", run.key, run.number)
    if path.exists():
        last = pc.max(pq.read_table(path, columns=["ordinal"])["ordinal"]).as_py()
        total = max(run.fed, 0 if last is None else last + 1)
        if total < run.total:
            state.note(run._replace(total=total))


def _mask_words(state: AudienceState, keys: list[str], persons: PersonIds) -> None:
    """Remove the message of a run, such as the reason why it failed, if it names one of the persons."""
    for key in keys:
        for run in state.runs(key):
            words = set(_BETWEEN_WORDS.split(run.message))
            named = words & (persons.users | persons.anonymous) or {each.lower() for each in words} & persons.emails
            if named - {""}:
                state.note(run._replace(message=DELETED))
    # The `-wal` has pages as they were before, until it is emptied.
    with closing(sqlite3.connect(state.directory / "state.db")) as db, suppress(sqlite3.Error):
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
