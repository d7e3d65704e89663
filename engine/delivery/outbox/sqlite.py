"""The durable outbox: one SQLite file in WAL mode with `synchronous=FULL`, so every commit waits for the disk.

Each method is one transaction (a large purge is several, so that other processes can write in between).
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import Any, TypeVar

from engine.delivery.outbox import file, keeping, looking, outcomes
from engine.delivery.outbox import statements as sql
from engine.delivery.outbox.attempts import Attempt, AttemptNumbers
from engine.delivery.outbox.base import (
    CLOCK_SLACK,
    DUPLICATE,
    NOT_SENT_YET,
    WINDOW,
    Change,
    Chosen,
    ConnectionRow,
    Discarded,
    LeaseLost,
    Listed,
    NewEvent,
    OutboxDamaged,
    OutboxError,
    OutboxFull,
    Overview,
    Purged,
    Reason,
    ReportCount,
    Standing,
    TakenIn,
    Waiting,
)
from engine.delivery.outbox.deletions import Suppression
from engine.delivery.outbox.file import VERSIONS
from engine.delivery.outbox.identity import APPLICATION_ID, FileIdentity, recognize
from engine.delivery.outbox.location import Location
from engine.delivery.outbox.reports import NO_REPORTS, EventReports, as_text, from_text
from engine.delivery.outbox.spare import Spare
from engine.records import Outcome

PURGED_AT_ONCE = 1000
PATIENCE = 10.0
"""Seconds to wait while another process writes."""
NEVER_TRIED = (None, None, None, 0)
"""The last columns of most states that wait: reports of intake, attempts, reports of the mapping, half done."""
HIGHEST = 2**63 - 1
"""The highest number that SQLite can give a row."""


T = TypeVar("T")


class SqliteOutbox:
    """An outbox in a file. Several threads may share one object: a lock lets one call in at a time."""

    def __init__(
        self,
        path: Path | str,
        *,
        window: float = WINDOW,
        patience: float = PATIENCE,
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect,
        durable: bool = True,
    ) -> None:
        """Open or create the file, and migrate it; raises OutboxError.

        One that is not `durable` may lose its last changes with the power, because all of it can be made again.
        """
        self.file = Path(path)
        self.path: Location = self.file
        self._window = window
        self._patience, self._durable = patience, durable
        self._lock = threading.Lock()
        self._ids: dict[str, int] = {}
        self._suppression = Suppression()
        with self._errors():
            recognize(self.file)
        file.make(self.file)
        self._spare = Spare(self.file, wanted=durable)
        self._identity = FileIdentity(self.file)
        try:
            self._open(connect)
        except OutboxFull:  # even reading needs a little room, for `-shm`
            if not self._spare.give_up():
                raise
            self._open(connect)

    def _open(self, connect: Callable[..., sqlite3.Connection]) -> None:
        with self._errors():
            self._db = connect(self.file, timeout=self._patience, isolation_level=None, check_same_thread=False)
        try:
            with self._errors():
                file.in_turn(self._prepare, self._patience)
            self._identity.opened()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._refuse_newer(self._version())  # before anything is changed
        self._db.execute(sql.PAGE_SIZE)
        if self._db.execute(sql.APPLICATION_ID).fetchone()[0] != APPLICATION_ID:
            # In a new file before WAL mode, so that it is in the file itself even after a crash.
            self._db.execute(sql.SET_APPLICATION_ID.format(APPLICATION_ID))
        for pragma in (*sql.PRAGMAS, *sql.NOT_DURABLE * (not self._durable)):
            self._db.execute(pragma)
        if self._version() == len(VERSIONS):
            return
        try:
            self._migrate()
        except OutboxFull as error:
            if not self._version():  # a new file
                raise
            raise OutboxFull(file.no_space_to_migrate(self.file, self._all(sql.LAST_PLACE)[0][0])) from error

    def _migrate(self) -> None:
        with self._transaction():
            done = self._version()  # read again: another process may have migrated it meanwhile
            self._refuse_newer(done)
            for statements in VERSIONS[done:]:
                for statement in statements:
                    self._db.execute(statement)
            self._db.execute(sql.SET_VERSION.format(len(VERSIONS)))

    def _version(self) -> int:
        return int(self._db.execute(sql.VERSION).fetchone()[0])

    def _refuse_newer(self, version: int) -> None:
        if version > len(VERSIONS):
            raise OutboxError(
                f"{self.file} was created by a newer version of the engine (schema {version}; this one supports "
                f"{len(VERSIONS)}); update the engine."
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise file.raised(self.file, error, self._patience) from error
        except UnicodeDecodeError as error:  # in SQLite's own message, which quotes the file
            raise OutboxDamaged(file.damage_text(self.file, "malformed database schema")) from error

    @contextmanager
    def _transaction(self, begin: str = sql.BEGIN_WRITE) -> Iterator[sqlite3.Connection]:
        with self._lock_and_errors():
            self._db.execute(begin)
            try:
                yield self._db
                self._db.execute(sql.COMMIT)
            except BaseException:
                if self._db.in_transaction:  # SQLite rolls back by itself when the disk is full
                    self._db.execute(sql.ROLLBACK)
                raise
        if begin == sql.BEGIN_WRITE:  # before anyone learns that it is on disk
            self._identity.check()
            self._spare.keep()

    @contextmanager
    def _lock_and_errors(self) -> Iterator[None]:
        with self._lock, self._errors():
            yield

    def _all(self, statement: str, given: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        with self._lock_and_errors():
            return self._db.execute(statement, given).fetchall()

    def take_in(
        self, events: Sequence[NewEvent], connections: Sequence[str], now: float, *, again: bool = False
    ) -> TakenIn:
        """Store events for every connection.

        Those whose messageId is nowhere in the file go in many at a time; only the others are looked at one by one.
        """
        duplicates = 0
        ignored: Counter[int] = Counter()
        with self._transaction() as db:
            events, suppressed = self._suppression.passing(db, events, now)
            numbers = [self._id(db, name) for name in connections]
            known = set() if again else _known_ids(db, [event.message_id for event in events])
            for is_known, group in groupby(events, lambda event: event.message_id in known):
                if not is_known:
                    self._add_new(db, list(group), numbers, now)
                    continue
                for event in group:
                    had = self._add_known(db, event, numbers, now)
                    duplicates += bool(numbers) and had == set(numbers)
                    ignored.update(had)
            self._count(db, events, dict(zip(numbers, connections, strict=True)), ignored, now)
        names = dict(zip(numbers, connections, strict=True))
        by_name = {names[each]: count for each, count in ignored.items()}
        return TakenIn(len(events) - duplicates, duplicates, by_name, suppressed)

    @staticmethod
    def _count(
        db: sqlite3.Connection,
        events: Sequence[NewEvent],
        names: Mapping[int, str],
        ignored: Mapping[int, int],
        now: float,
    ) -> None:
        """Count what came in, and the duplicates, which end at once."""
        keeping.count_arrived(db, [event.source for event in events], now)
        for number, count in ignored.items():
            keeping.count_ended(db, names[number], [Outcome.IGNORED] * count, now)

    def _add_new(self, db: sqlite3.Connection, events: Sequence[NewEvent], numbers: Sequence[int], now: float) -> None:
        """Add events whose messageIds are nowhere in the file, in two statements for each `AT_ONCE` rows.

        The numbers of events are given here, for their states: one higher than the highest, as SQLite would.
        """
        first = db.execute(sql.LAST_EVENT).fetchone()[0] + 1
        if first + len(events) > HIGHEST:
            raise OutboxDamaged(file.damage_text(self.file, "an impossible number of an event"))
        _add(db, sql.ADD_EVENTS, [(n, *_event_values(event, now)) for n, event in enumerate(events, first)])
        keeping.add_keys(db, first, events)
        state = _first_state(duplicate=False)
        homes = range(first, first + len(events))
        _add(db, sql.ADD_STATES, [(home, number, *state, now, now) for home in homes for number in numbers])

    def _add_known(self, db: sqlite3.Connection, event: NewEvent, numbers: Sequence[int], now: float) -> set[int]:
        """Add an event that may be a duplicate; return the connections to which it is one."""
        seen = self._seen_by(db, event, now)
        homes = {each: seen.get(each) for each in numbers}
        if not numbers or None in homes.values():
            added = db.execute(sql.ADD_EVENTS[1], (None, *_event_values(event, now))).lastrowid
            keeping.add_keys(db, added or 0, [event])
            homes = dict.fromkeys(numbers, added)
        _add(db, sql.ADD_STATES, [(homes[n], n, *_first_state(duplicate=n in seen), now, now) for n in numbers])
        return seen.keys() & set(numbers)

    def _seen_by(self, db: sqlite3.Connection, event: NewEvent, now: float) -> dict[int, int | None]:
        """Return the connections that have had the event, each with the number of an equal one (byte for byte) or None.

        A duplicate that was ignored does not count.
        """
        given = (event.raw, event.message_id, event.source, now - self._window, DUPLICATE)
        return dict(db.execute(sql.SEEN_BY, given))

    @staticmethod
    def _id(db: sqlite3.Connection, name: str) -> int:
        found = db.execute(sql.CONNECTION_ID, (name,)).fetchone()
        return int(found[0]) if found else int(db.execute(sql.ADD_CONNECTION, (name,)).lastrowid or 0)

    def _known(self, name: str) -> int | None:
        if name not in self._ids:
            rows = self._all(sql.CONNECTION_ID, (name,))
            if not rows:
                return None
            self._ids[name] = rows[0][0]
        return self._ids[name]

    def waiting(self, connection: str, after: int, limit: int) -> list[Waiting]:
        """Return unfinished states behind a place."""
        number = self._known(connection)
        rows = [] if number is None else self._all(sql.WAITING, (number, after, limit))
        self._check_order([row[0] for row in rows], after)
        return self._waiting(rows)

    def waiting_at(self, connection: str, places: Sequence[int]) -> list[Waiting]:
        """Return the unfinished states at these places."""
        return self._waiting(self._all(sql.WAITING_AT, (str(list(places)), self._known(connection))))

    def stored_at(self, places: Sequence[int]) -> list[Waiting]:
        """Return the states at these places, whichever way they ended."""
        return self._waiting(self._all(sql.STORED_AT, (str(list(places)),)))

    def _waiting(self, rows: Iterable[Any]) -> list[Waiting]:
        # Most rows were never tried and have no reports: making these takes 0.4 us instead of 2.
        return [Waiting(*row[:-4]) if row[-4:] == NEVER_TRIED else self._one_waiting(row) for row in rows]

    def _one_waiting(self, row: Sequence[Any]) -> Waiting:
        *values, intake, attempts, kept, replayed = row
        reports = () if intake is None else self._reports(intake).event
        noted = NO_REPORTS if kept is None else self._reports(kept)
        try:
            AttemptNumbers.of(attempts)
        except ValueError as error:
            raise OutboxDamaged(file.damage_text(self.file, "impossible values")) from error
        return Waiting._make((*values, reports, attempts, noted, replayed == 1))

    def _reports(self, text: str | None) -> EventReports:
        try:
            return from_text(text)
        except ValueError as error:
            raise OutboxDamaged(file.damage_text(self.file, "impossible reports")) from error

    def write(
        self, connection: str, fence: int, changes: Sequence[Change], now: float, attempts: Sequence[Attempt] = ()
    ) -> list[Change]:
        """Write changes of unfinished states, and return those written."""
        with self._transaction() as db:
            if db.execute(sql.FENCE, (connection,)).fetchone() != (fence,):
                raise LeaseLost(f"Another worker has taken over {connection}.")
            written = outcomes.written(db, changes, now, fence)
            keeping.add_attempts(db, connection, outcomes.attempts_kept(db, attempts, changes, written))
            keeping.count_ended(db, connection, [change.outcome for change in written], now)
            return written

    def last_attempt(self, connection: str) -> int:
        """Return the number of a connection's last attempt."""
        return int(self._all(sql.LAST_ATTEMPT, (connection,))[0][0])

    def keep_version(self, digest: str, name: str, files: bytes, now: float) -> None:
        """Keep the files of a mapping's version."""
        if self.version_files(digest) is None:
            self._run(sql.ADD_VERSION, (digest, name, files, now))

    def version_files(self, digest: str) -> tuple[str, bytes] | None:
        """Return the name and the files of a mapping's version."""
        return next(iter(self._all(sql.VERSION_FILES, (digest,))), None)

    def keep_discards(
        self, discards: Sequence[Discarded], counts: Mapping[str, int], now: float, *, all_of_them: bool = False
    ) -> None:
        """Keep discarded events for looking at, and count by source how many there were, kept or not."""
        with self._transaction() as db:
            keeping.add_discards(db, discards, all_of_them=all_of_them)
            for source, count in counts.items():
                keeping.count_arrived(db, [source], now, discarded=count)

    def forget_discards(self, older_than: float) -> int:
        """Remove discarded events that came before a time; return how many."""
        return self._run(sql.FORGET_OLD_DISCARDS, (older_than,))

    def key_some(self) -> int:
        """Add the keys of some events that an older version stored; return how many are left, about."""
        if not self._all(sql.UNKEYED)[0][0]:
            return 0
        with self._transaction() as db:
            return keeping.key_some(db)

    def look(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a function of `looking` finds, in one read transaction."""
        with self._transaction(sql.BEGIN_READ) as db, looking.values_are_ours(db, self.file):
            return function(db)

    def change(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a function of `deletions` or `removal` does, in one write transaction."""
        with self._transaction() as db:
            return function(db)

    def empty_wal(self) -> bool:
        """Move all of the `-wal` into the file and empty it; False if another process kept it from that."""
        with self._lock_and_errors():
            self._db.execute(sql.CHECKPOINT)  # the most, without a lock
            self._db.execute(sql.SHORT_PATIENCE)
            try:
                return bool(self._db.execute(sql.EMPTY_WAL).fetchone()[0] == 0)
            finally:
                self._db.execute(sql.PATIENCE.format(int(self._patience * 1000)))

    def lease(self, connection: str, owner: str, now: float, seconds: float) -> int | None:
        """Take or renew a connection's lease, and return its fence."""
        with self._transaction() as db:
            self._id(db, connection)
            latest = now + seconds + CLOCK_SLACK
            if not db.execute(sql.LEASE, (owner, now, now + seconds, connection, latest)).rowcount:
                return None
            return int(db.execute(sql.FENCE, (connection,)).fetchone()[0])

    def leased_until(self, connection: str, fence: int) -> float:  # noqa: ARG002
        """Return 0: only the file knows."""
        return 0.0

    def release(self, connection: str, owner: str) -> None:
        """Give up a connection's lease."""
        self._run(sql.RELEASE, (connection, owner))

    def hold(self, connection: str, reason: str, hint: str, now: float) -> None:
        """Stop a connection."""
        self._run(sql.HOLD, (reason, hint, now, connection))

    def pause(self, connection: str, due: float | None, reason: str) -> None:
        """Record until when a connection pauses."""
        self._run(sql.PAUSE, (due, reason, connection))

    def set_alarm(self, connection: str, alarm: str) -> None:
        """Record what is unusual about a connection's refusals."""
        self._run(sql.ALARM, (alarm, connection))

    def resume(self, connection: str) -> bool:
        """End the hold or pause of a connection."""
        return self._run(sql.RESUME, (connection,)) == 1

    def _run(self, statement: str, given: Sequence[Any]) -> int:
        with self._transaction() as db:
            return db.execute(statement, given).rowcount

    def connections(self, name: str | None = None) -> list[ConnectionRow]:
        """Return all connections, or the one with this name."""
        return [ConnectionRow._make(row) for row in self._all(sql.CONNECTIONS, (name,))]

    def standings(self, now: float) -> list[Standing]:
        """Return how every connection stands."""
        return self.look(lambda db: looking.standings(db, now))

    def overview(self, reasons: int) -> Overview:
        """Return a summary, read in one transaction."""
        with self._transaction(sql.BEGIN_READ) as db:
            counts = looking.counts(db)
            commonest = _reasons(db.execute(sql.REASONS, (reasons,))) + _reasons(db.execute(sql.RETRIED, (reasons,)))
            connections = [ConnectionRow._make(row) for row in db.execute(sql.CONNECTIONS, (None,))]
            unfinished = {name: (count, oldest) for name, count, oldest in db.execute(sql.ALL_UNFINISHED) if count}
            reported = dict(db.execute(sql.REPORTED))
            reports = [ReportCount._make(row) for row in db.execute(sql.REPORTS, (reasons,))]
        return Overview(counts, commonest, connections, unfinished, reported, reports)

    def counts(self) -> dict[tuple[str, Outcome], int]:
        """Count states by connection and outcome."""
        return self.look(looking.counts)

    def retried(self, reasons: int) -> list[Reason]:
        """Return why events that were tried still wait."""
        return _reasons(self._all(sql.RETRIED, (reasons,)))

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        """Return the number of unfinished states, and when the oldest was queued."""
        count, oldest = self._all(sql.UNFINISHED, (connection,))[0]
        return count, oldest

    def listed(self, chosen: Chosen, after: int, limit: int) -> list[Listed]:
        """Return the chosen states behind a place."""
        rows = self._listed(self._all(sql.LISTED, {**_chosen_values(chosen), "after": after, "limit": limit}))
        self._check_order([row.place for row in rows], after)
        return rows

    def _listed(self, rows: Iterable[Any]) -> list[Listed]:
        return [Listed._make(row)._replace(outcome=Outcome(row[4]), reports=self._reports(row[-1])) for row in rows]

    def last_place(self) -> int:
        """Return the last place that was given."""
        return int(self._all(sql.LAST_PLACE)[0][0])

    def count(self, chosen: Chosen) -> int:
        """Count the chosen states."""
        return int(self._all(sql.COUNT, _chosen_values(chosen))[0][0])

    def event(self, number: int) -> NewEvent | None:
        """Return an event by its number."""
        rows = self._all(sql.EVENT, (number,))
        if not rows:
            return None
        source, message_id, received_at, raw, reports = rows[0]
        return NewEvent(source, message_id, received_at, raw, self._reports(reports).event)

    def replay(self, places: Sequence[int], reason: str, now: float) -> int:
        """Queue finished states again, in the order of their places."""
        with self._transaction() as db:
            return sum(db.execute(sql.REQUEUE, (reason, now, now, place)).rowcount for place in sorted(places))

    def purge(self, older_than: float, outcomes: Sequence[Outcome] = ()) -> Purged:
        """Remove finished states, `PURGED_AT_ONCE` events per transaction so that no writer waits long."""
        given: dict[str, Any] = {"older_than": older_than, "outcomes": looking.outcome_list(outcomes)}
        given |= {"after": 0, "limit": PURGED_AT_ONCE}
        ended = Counter(self._purge_step(self._purge_last_state, given))
        events = 0
        while (last := self._all(sql.NEXT_OLD_EVENTS, given)[0][0]) is not None:
            self._check_order([last], given["after"])
            given["last"] = last
            try:
                found, removed = self._purge_step(self._purge_part, given)
            except OutboxFull:
                if given["limit"] == 1:
                    raise
                given["limit"] //= 2  # less to write before something is free
                continue
            ended.update(found)
            events += removed
            given["after"] = last
        events += self._purge_step(self._purge_last_event, given)
        self._purge_attempts(older_than, refused=not outcomes or not {Outcome.REJECTED, Outcome.INVALID} - {*outcomes})
        if not outcomes:
            self._purge_step(self.forget_discards, older_than)
        self._spare.restore()
        return Purged(dict(ended), events)

    def _purge_last_state(self, given: Mapping[str, Any]) -> dict[Outcome, int]:
        with self._transaction() as db:
            ended = _outcomes(db.execute(sql.LAST_STATE, given))
            db.execute(sql.EMPTY_LAST_STATE, given)
        return ended

    def _purge_part(self, given: Mapping[str, Any]) -> tuple[dict[Outcome, int], int]:
        with self._transaction() as db:
            ended = _outcomes(db.execute(sql.OLD_STATES, given))
            db.execute(sql.PURGE_STATES, given)
            keeping.remove_keys(db, db.execute(sql.OLD_EVENTS_IN_PART, given))
            return ended, db.execute(sql.PURGE_EVENTS, given).rowcount

    def _purge_last_event(self, given: Mapping[str, Any]) -> int:
        with self._transaction() as db:
            events = db.execute(sql.EMPTY_LAST_EVENT, given).rowcount
            db.execute(sql.PURGE_STATE_MARKS)
            db.execute(sql.PURGE_EVENT_MARKS)
        return events

    def _purge_attempts(self, older_than: float, *, refused: bool) -> None:
        given: dict[str, Any] = {"before": int(older_than * 1e6), "older_than": older_than}
        given |= {"refused": refused, "limit": PURGED_AT_ONCE}
        for (number,) in self._all(sql.CONNECTIONS_WITH_OLD_ATTEMPTS, given):
            while self._purge_step(self._purge_some_attempts, given | {"connection": number}) == PURGED_AT_ONCE:
                pass

    def _purge_some_attempts(self, given: Mapping[str, Any]) -> int:
        with self._transaction() as db:
            return db.execute(sql.PURGE_ATTEMPTS, given).rowcount

    def _purge_step(self, step: Callable[[Any], T], given: Any) -> T:
        """Run a transaction; on a full disk once more, with the room of the spare file and of the `-wal`."""
        try:
            return step(given)
        except OutboxFull:
            self._spare.give_up()
        with suppress(OutboxFull), self._lock_and_errors():
            self._db.execute(sql.CHECKPOINT)
        return step(given)

    def purgeable(self, older_than: float, outcomes: Sequence[Outcome] = ()) -> Purged:
        """Return what a purge would remove, read in one transaction."""
        given = {"older_than": older_than, "outcomes": looking.outcome_list(outcomes)}
        with self._transaction(sql.BEGIN_READ) as db:
            ended = _outcomes(db.execute(sql.PURGEABLE_STATES, given))
            return Purged(ended, db.execute(sql.PURGEABLE_EVENTS, given).fetchone()[0])

    def verify(self) -> None:
        """Raise OutboxDamaged if the file is damaged, also where SQLite took damage for a value; reads all of it."""
        [reason] = self._all(sql.QUICK_CHECK)[0]
        wrong = self._all(sql.WRONG_VALUES, {"outcomes": looking.outcome_list(Outcome)}) if reason == "ok" else []
        if reason != "ok" or wrong:
            reason = f"impossible values in {wrong[0][0]}" if wrong else " ".join(reason.split())
            raise OutboxDamaged(file.damage_text(self.file, reason))

    def _check_order(self, numbers: Sequence[int], after: int) -> None:
        """Raise OutboxDamaged for numbers that do not grow, with which a reader would never get to the end."""
        if any(later <= earlier for earlier, later in pairwise([after, *numbers])):
            raise OutboxDamaged(file.damage_text(self.file, "rows out of order"))

    def close(self) -> None:
        """Close the file."""
        with self._lock_and_errors():
            self._db.close()
        self._spare.restore()


def _reasons(rows: Iterable[Any]) -> list[Reason]:
    return [Reason(*row)._replace(outcome=Outcome(row[1])) for row in rows]


def _known_ids(db: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    """Return the messageIds that an event of the file has, of whatever source and time, or that are given twice."""
    known = set() if len(set(ids)) == len(ids) else {each for each, count in Counter(ids).items() if count > 1}
    for start in range(0, len(ids), sql.AT_ONCE):
        part = ids[start : start + sql.AT_ONCE]
        known.update(row[0] for row in db.execute(sql.STORED_IDS[len(part)], part))
    return known


def _add(db: sqlite3.Connection, statements: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    for start in range(0, len(rows), sql.AT_ONCE):
        part = rows[start : start + sql.AT_ONCE]
        db.execute(statements[len(part)], [*chain.from_iterable(part)])


def _event_values(event: NewEvent, now: float) -> tuple[Any, ...]:
    reports = as_text(EventReports(event.reports)) if event.reports else None
    keys = None if event.keys is None else len(event.keys)
    return event.source, event.message_id, event.received_at, now, event.raw, reports, keys


def _first_state(*, duplicate: bool) -> tuple[str, str]:
    """Return the outcome and reason of a new state."""
    return (Outcome.IGNORED.value, DUPLICATE) if duplicate else (Outcome.WAITING.value, NOT_SENT_YET)


def _chosen_values(chosen: Chosen) -> dict[str, Any]:
    return looking.search_values(chosen)


def _outcomes(rows: Iterable[Any]) -> dict[Outcome, int]:
    return {Outcome(outcome): count for outcome, count in rows}
