"""The contract of an outbox: what delivery, the collector and the commands may rely on, and the records they attempt.

`SqliteOutbox` implements it. Another implementation has to pass `tests/delivery/test_outbox.py`. Three promises matter
most. What a call has returned from is durable. An event has one *state* per connection, and a state's *place* orders
the queue: a new or replayed state gets a place behind every place ever given, so a worker can read on from the last
place it saw. And only the owner of a connection's lease can write its states.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.location import Location
from engine.delivery.outbox.reports import NO_REPORTS, EventReports
from engine.errors import WaybillError
from engine.records import Outcome, Report

WINDOW = 24 * 3600.0
"""How long a messageId is remembered, in seconds."""

DEFAULT_FILE = Path("outbox.db")
"""The file of commands that name no other."""

CLOCK_SLACK = 3600.0
"""A lease or pause this much longer than anyone sets it comes from a clock that jumped, and is ignored."""

AUDIENCES, DELETION = "audiences", "deletion"
OWN_SOURCES = (AUDIENCES, DELETION)
"""Sources of the events that the engine itself makes: no source of a file has these names, no archive these events."""

NOT_SENT_YET = "not sent yet"
QUEUED_AGAIN = "queued again by a person"
DUPLICATE = "a duplicate: its source has sent this messageId before"


class EventIntake(Protocol):
    """Where events are stored: what the collector, imports and audiences need of an outbox."""

    @property
    def path(self) -> Location:
        """Return the file or the address, as it was named."""
        ...

    def take_in(
        self, events: Sequence[NewEvent], connections: Sequence[str], now: float, *, again: bool = False
    ) -> TakenIn:
        """Store events for every connection.

        An event ends as a duplicate where the connection had its messageId from its source within the window, unless
        `again` is set. One that every connection has had, byte for byte, is not stored a second time: its states refer
        to the stored one. Events of suppressed users are discarded, but not their delete calls.
        """
        ...

    def keep_discards(
        self, discards: Sequence[Discarded], counts: Mapping[str, int], now: float, *, all_of_them: bool = False
    ) -> None:
        """Keep discarded events for looking at, and count by source how many there were, kept or not.

        At most `DISCARDS_A_SECOND` of a source are kept of one second, unless `all_of_them` is set.
        """
        ...

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        """Return the number of unfinished states, and when the oldest was queued."""
        ...

    def close(self) -> None:
        """Release the outbox's resources."""
        ...


class DeliveryQueue(Protocol):
    """What delivery needs of an outbox. Times are unix seconds; `after` and `limit` page through places."""

    @property
    def path(self) -> Location:
        """Return the file or the address, as it was named."""
        ...

    def waiting(self, connection: str, after: int, limit: int) -> list[Waiting]:
        """Return unfinished states behind a place, in the order of the queue."""
        ...

    def waiting_at(self, connection: str, places: Sequence[int]) -> list[Waiting]:
        """Return the unfinished states at these places."""
        ...

    def write(
        self, connection: str, fence: int, changes: Sequence[Change], now: float, attempts: Sequence[Attempt] = ()
    ) -> list[Change]:
        """Write changes of unfinished states and return those written; raise `LeaseLost` if `fence` is not the lease's.

        The fence is stored with each state. `attempts` are the requests that led to the changes, which name them.
        """
        ...

    def last_attempt(self, connection: str) -> int:
        """Return the number of a connection's last attempt, 0 if it had none."""
        ...

    def keep_version(self, digest: str, name: str, files: bytes, now: float) -> None:
        """Keep the files of a mapping's version, unless they are there already."""
        ...

    def version_files(self, digest: str) -> tuple[str, bytes] | None:
        """Return the name and the files of a mapping's version; None if it was not kept."""
        ...

    def lease(self, connection: str, owner: str, now: float, seconds: float) -> int | None:
        """Take or renew a connection's lease until `now + seconds`; return its fence, None if another worker has it.

        The fence is a number that grows each time the lease changes hands, so an owner that gets another one than
        before has not had the lease all the time.
        """
        ...

    def leased_until(self, connection: str, fence: int) -> float:
        """Return until when a lease is known to last without asking anybody, 0 if no more is known than at its renewal.

        It may be called in any thread, and waits for nothing.
        """
        ...

    def release(self, connection: str, owner: str) -> None:
        """Give up a connection's lease."""
        ...

    def hold(self, connection: str, reason: str, hint: str, now: float) -> None:
        """Stop a connection until a person resumes it."""
        ...

    def pause(self, connection: str, due: float | None, reason: str) -> None:
        """Record until when a connection pauses, None if it no longer does."""
        ...

    def set_alarm(self, connection: str, alarm: str) -> None:
        """Record what is unusual about a connection's refusals, '' if nothing is."""
        ...

    def connections(self, name: str | None = None) -> list[ConnectionRow]:
        """Return all connections, or the one with this name."""
        ...

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        """Return the number of unfinished states, and when the oldest was queued."""
        ...

    def close(self) -> None:
        """Release the outbox's resources."""
        ...


class Outbox(EventIntake, DeliveryQueue, Protocol):
    """The queue between intake and the vendors, with what people ask of it."""

    def stored_at(self, places: Sequence[int]) -> list[Waiting]:
        """Return the states at these places as they would wait, whichever way they ended, in the order of the queue.

        One that is no longer at its place, because it was purged or queued again, is left out.
        """
        ...

    def forget_discards(self, older_than: float) -> int:
        """Remove discarded events that came before a time; return how many."""
        ...

    def key_some(self) -> int:
        """Add the keys of some events that an older version stored; return how many are left, about."""
        ...

    def resume(self, connection: str) -> bool:
        """End the hold or pause of a connection; False if the outbox does not know it."""
        ...

    def standings(self, now: float) -> list[Standing]:
        """Return how every connection stands."""
        ...

    def overview(self, reasons: int) -> Overview:
        """Return counts, the commonest reasons and reports (at most `reasons` each), connections and queues.

        All are of one moment. The reasons are of what was set aside or ignored, and of what was tried and still waits.
        """
        ...

    def counts(self) -> dict[tuple[str, Outcome], int]:
        """Count states by connection and outcome."""
        ...

    def retried(self, reasons: int) -> list[Reason]:
        """Return why events that were tried still wait: the commonest reasons, at most `reasons`."""
        ...

    def listed(self, chosen: Chosen, after: int, limit: int) -> list[Listed]:
        """Return the chosen states behind a place, in the order of the queue."""
        ...

    def last_place(self) -> int:
        """Return the last place that was given, 0 before the first."""
        ...

    def count(self, chosen: Chosen) -> int:
        """Count the chosen states."""
        ...

    def event(self, number: int) -> NewEvent | None:
        """Return an event by its number."""
        ...

    def replay(self, places: Sequence[int], reason: str, now: float) -> int:
        """Queue finished states again, behind everything that is there; return how many."""
        ...

    def purge(self, older_than: float, outcomes: Sequence[Outcome] = ()) -> Purged:
        """Remove states that finished before a time (with one of `outcomes`, if given), and events without states."""
        ...

    def purgeable(self, older_than: float, outcomes: Sequence[Outcome] = ()) -> Purged:
        """Return what `purge` would remove."""
        ...


class OutboxError(WaybillError):
    """The outbox cannot be used: locked, full, damaged, or made by another version; the message says what to do."""


class OutboxDamaged(OutboxError):  # noqa: N818  reads as what happened
    """The file is damaged or is not an outbox; retrying cannot help."""


class OutboxFull(OutboxError):  # noqa: N818  reads as what happened
    """No space is left on the disk of the file."""


class OutboxMoved(OutboxError):  # noqa: N818  reads as what happened
    """The file that is open no longer has its name, so what is written to it would be lost."""


class LeaseLost(WaybillError):  # noqa: N818  reads as what happened
    """Another worker took the connection over; that one sends again what was not written yet."""


class NewEvent(NamedTuple):
    """An event at intake. `message_id` and `received_at` are fixed here for good: later planning reads them.

    `reports` say what was changed before it was stored, so that `raw` no longer shows it. `keys` are those by which it
    is found; None if they are not known yet, so that they are read from `raw` later.
    """

    source: str
    message_id: str
    received_at: str
    raw: bytes
    reports: tuple[Report, ...] = ()
    keys: tuple[int, ...] | None = None


class Discarded(NamedTuple):
    """An event that the collector discarded, without secrets; `raw` is JSON, times are Unix seconds."""

    source: str
    discarded_at: float
    code: str
    reason: str
    message_id: str
    raw: bytes


class TakenIn(NamedTuple):
    """How many events were new to at least one connection, and how many were duplicates for all.

    `ignored` counts duplicates by connection: an event new to one may be a duplicate to another. `suppressed` counts by
    source those that were discarded, because their user is suppressed; the other numbers leave them out.
    """

    new: int = 0
    duplicates: int = 0
    ignored: Mapping[str, int] = {}
    suppressed: Mapping[str, int] = {}

    def fresh(self, connection: str) -> int:
        """Return how many were new to one of the connections."""
        return self.new + self.duplicates - self.ignored.get(connection, 0)

    def plus(self, other: TakenIn) -> TakenIn:
        """Return the sum of both."""
        ignored = Counter(self.ignored) + Counter(other.ignored)
        suppressed = Counter(self.suppressed) + Counter(other.suppressed)
        return TakenIn(self.new + other.new, self.duplicates + other.duplicates, ignored, suppressed)


class Waiting(NamedTuple):
    """One unfinished state with its event; `digest` identifies the mapping under which `progress` was made.

    `reports` are those of intake, `kept` those that were kept with the state. `attempts` are the numbers of earlier
    requests (`AttemptNumbers.of`). `replayed` is whether nothing was written since a person queued it again.
    """

    place: int
    event: int
    message_id: str
    received_at: str
    raw: bytes
    progress: str | None
    digest: str | None
    tried_at: float | None
    queued_at: float
    reports: tuple[Report, ...] = ()
    attempts: str | None = None
    kept: EventReports = NO_REPORTS
    replayed: bool = False


class Change(NamedTuple):
    """What became of one state; with outcome `waiting` it stays queued, with its progress.

    `error` is the vendor's message, here and in the records below. `attempts` are the numbers of all requests the
    event had so far, as text (`AttemptNumbers.text`).
    """

    place: int
    outcome: Outcome
    reason: str
    error: str = ""
    digest: str | None = None
    progress: str | None = None
    tried_at: float | None = None
    reports: EventReports = NO_REPORTS
    attempts: str | None = None


class ConnectionRow(NamedTuple):
    """A connection as the outbox knows it.

    `held` is why it is stopped, '' if it is not; `due` is the time until which it pauses, `pause` is why.
    `alarm` says what is unusual about its refusals.
    """

    name: str
    held: str = ""
    hint: str = ""
    held_at: float | None = None
    due: float | None = None
    pause: str = ""
    owner: str | None = None
    leased_until: float | None = None
    alarm: str = ""


def as_of(row: ConnectionRow, now: float) -> ConnectionRow:
    """Return a row without the lease and the pause that a process left behind when it ended."""
    if row.owner is not None and (row.leased_until is None or row.leased_until <= now):
        row = row._replace(owner=None, leased_until=None)
    if row.owner is None and row.due is not None and row.due <= now:
        row = row._replace(due=None, pause="")
    return row


class Standing(NamedTuple):
    """How a connection stands; `rate` is events that ended a second, over the last minute.

    `lag` is for how many seconds the oldest event has waited, `drain` in how many all that wait would be sent at that
    rate; None if nothing waits, nothing ended, or the connection is held or paused. `hour` has how many events ended
    in the last hour by outcome, `set_aside` how many are rejected, invalid or ignored in all. `digest` is the mapping
    version of its last event.
    """

    row: ConnectionRow
    waiting: int
    lag: float | None
    rate: float
    drain: float | None
    hour: Mapping[Outcome, int]
    set_aside: Mapping[Outcome, int]
    digest: str | None

    @property
    def state(self) -> str:
        """One word: held, paused, delivering, waiting or idle."""
        if self.row.held:
            return "held"
        if self.row.due is not None:
            return "paused"
        if self.row.owner is None:
            return "waiting" if self.waiting else "idle"
        return "delivering" if self.waiting or self.rate else "idle"


def advice(hint: str, connection: str, outbox: Location) -> str:
    """Return what to do about a held connection, including the command that resumes it."""
    first = f"{hint.rstrip(' .')}. Then" if hint else "After fixing the cause"
    return f"{first}: {resume_command(connection, outbox)}"


def resume_command(connection: str, outbox: Location) -> str:
    """Return the command that resumes a connection."""
    return outbox_command(f"resume {shlex.quote(connection)}", outbox)


def outbox_command(words: str, outbox: Location) -> str:
    """Return a command of `engine outbox` for this outbox, to be pasted into a shell."""
    return f"engine outbox {words}" + ("" if outbox == DEFAULT_FILE else f" --outbox {shlex.quote(str(outbox))}")


def delivering_commands(outbox: Location) -> str:
    """Return the commands that deliver from this outbox, to be named in a sentence."""
    return "engine send or engine serve" if isinstance(outbox, Path) else "engine serve"


class Listed(NamedTuple):
    """One state as commands list it; `event` is the number that `show` and `replay` accept as an ID."""

    event: int
    message_id: str
    source: str
    connection: str
    outcome: Outcome
    reason: str
    error: str
    changed_at: float
    place: int
    reports: EventReports = NO_REPORTS


class Reason(NamedTuple):
    """Why `events` events of a connection ended with an outcome; `error` is one example."""

    connection: str
    outcome: Outcome
    reason: str
    events: int
    error: str


class ReportCount(NamedTuple):
    """How many reports of a connection's events have this code and place."""

    connection: str
    code: str
    place: str
    reports: int


class Overview(NamedTuple):
    """A summary of an outbox; `unfinished` has the number of events and when the oldest was queued.

    `reported` has how many events of a connection have reports, `reports` the commonest of these.
    """

    counts: Mapping[tuple[str, Outcome], int]
    reasons: list[Reason]
    connections: list[ConnectionRow]
    unfinished: Mapping[str, tuple[int, float | None]]
    reported: Mapping[str, int] = {}
    reports: Sequence[ReportCount] = ()


class Purged(NamedTuple):
    """What a purge removes: states by outcome, and events of which no state is left."""

    outcomes: Mapping[Outcome, int]
    events: int


class Chosen(NamedTuple):
    """Which states are meant: all conditions given must hold; no outcomes means all.

    `since` and `until` are about when a state last changed. `event` is a messageId or a number. `user` is any id of a
    person or group, or an email; `name` and `call` are the event's name and type. `reason` is text within the reason
    or the vendor's message, of any case.
    """

    connection: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    since: float | None = None
    event: str | None = None
    until: float | None = None
    user: str | None = None
    name: str | None = None
    call: str | None = None
    reason: str | None = None
