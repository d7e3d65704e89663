"""What an outbox does, and the records that go in and come out: the contract that delivery and commands rely on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from engine.errors import WaybillError
from engine.records import Outcome

WINDOW = 24 * 3600.0
"""For how long a messageId is known, in seconds."""

CLOCK_SLACK = 3600.0
"""A lease or a pause that lies further ahead than anyone would set it is the work of a clock that jumped."""


class Outbox(Protocol):
    """The queue between intake and the vendors."""

    def take_in(
        self, events: Sequence[NewEvent], connections: Sequence[str], now: float, *, again: bool = False
    ) -> TakenIn:
        """Keep events for every connection; ignored where it had this messageId of this source within the window.

        What every connection has had, byte for byte, is not kept again: its states belong to the event that is there.
        """
        ...

    def waiting(self, connection: str, after: int, limit: int) -> list[Waiting]:
        """Return unfinished states behind a place, in the queue's order."""
        ...

    def write(self, connection: str, owner: str, changes: Sequence[Change], now: float) -> list[Change]:
        """Keep what became of unfinished states, and give those; raises `LeaseLost` where `owner` has no lease."""
        ...

    def lease(self, connection: str, owner: str, now: float, seconds: float) -> bool:
        """Take or renew a connection; false where another worker has it."""
        ...

    def release(self, connection: str, owner: str) -> None:
        """Return a connection back."""
        ...

    def hold(self, connection: str, reason: str, hint: str, now: float) -> None:
        """Stop a connection until a person resumes it."""
        ...

    def pause(self, connection: str, due: float | None, reason: str) -> None:
        """Note until when a connection pauses, or that it does not."""
        ...

    def resume(self, connection: str) -> bool:
        """Let a held or pausing connection go on; false where there is no such connection."""
        ...

    def connections(self, name: str | None = None) -> list[ConnectionRow]:
        """Return the connections the outbox knows, or one of them."""
        ...

    def overview(self, reasons: int) -> Overview:
        """Return counts, so many of the commonest reasons, the connections and what is unfinished, all of one moment."""
        ...

    def counts(self) -> dict[tuple[str, Outcome], int]:
        """Count states by connection and outcome."""
        ...

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        """Return how many states are unfinished, and since when the oldest is queued."""
        ...

    def listed(self, chosen: Chosen, after: int, limit: int) -> list[Listed]:
        """Return states behind a place, in the queue's order."""
        ...

    def newest(self, chosen: Chosen, skip: int, limit: int) -> list[Listed]:
        """Return the last states but `skip`, in the queue's order."""
        ...

    def count(self, chosen: Chosen) -> int:
        """Count states."""
        ...

    def event(self, number: int) -> NewEvent | None:
        """Return an event by its number."""
        ...

    def replay(self, places: Sequence[int], reason: str, now: float) -> int:
        """Queue finished states again, behind everything that is there; gives how many."""
        ...

    def purge(self, older_than: float, outcomes: Sequence[Outcome] = ()) -> Purged:
        """Remove what was finished before a time, all of it or what ended so; gives what went."""
        ...

    def purgeable(self, older_than: float, outcomes: Sequence[Outcome] = ()) -> Purged:
        """Return what a purge would remove."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


NOT_SENT_YET = "not sent yet"
DUPLICATE = "a duplicate: its source has sent this messageId before"


class OutboxError(WaybillError):
    """The outbox cannot be used: locked, full, damaged, or made by another version; the text says what to do."""


class OutboxDamaged(OutboxError):  # noqa: N818  reads as what happened
    """The file is damaged or is no outbox: trying again helps nobody."""


class LeaseLost(WaybillError):  # noqa: N818  reads as what happened
    """Another worker has the connection now; what was not written yet will be sent again by that one."""


class NewEvent(NamedTuple):
    """An event at intake. What `message_id` and `received_at` say here holds for ever: planning later reads them."""

    source: str
    message_id: str
    received_at: str
    raw: bytes


class TakenIn(NamedTuple):
    """How many of the events given were new to a connection, and how many to none.

    `ignored` are the duplicates by connection: what is new to one may be a duplicate to another.
    """

    new: int = 0
    duplicates: int = 0
    ignored: Mapping[str, int] = {}

    def fresh(self, connection: str) -> int:
        """Return how many were new to one of the connections they were given for."""
        return self.new + self.duplicates - self.ignored.get(connection, 0)

    def plus(self, other: TakenIn) -> TakenIn:
        """Return both together."""
        ignored = Counter(self.ignored) + Counter(other.ignored)
        return TakenIn(self.new + other.new, self.duplicates + other.duplicates, ignored)


class Waiting(NamedTuple):
    """One unfinished state with its event; `digest` is of the mapping under which `progress` was made."""

    place: int
    event: int
    message_id: str
    received_at: str
    raw: bytes
    progress: str | None
    digest: str | None
    tried_at: float | None
    queued_at: float


class Change(NamedTuple):
    """What became of one state. `outcome` waiting keeps it in the queue, with its progress."""

    place: int
    outcome: Outcome
    reason: str
    words: str = ""
    digest: str | None = None
    progress: str | None = None
    tried_at: float | None = None


class ConnectionRow(NamedTuple):
    """A connection as the outbox knows it.

    `held` is why it is stopped ('' where it is not); `due` the time until which it pauses, `pause` why.
    """

    name: str
    held: str = ""
    hint: str = ""
    held_at: float | None = None
    due: float | None = None
    pause: str = ""
    owner: str | None = None
    leased_until: float | None = None


def advice(hint: str, connection: str) -> str:
    """Say what to do about a held connection, down to the command that lets it go on."""
    first = f"{hint.rstrip(' .')}. Then" if hint else "When it is put right"
    return f"{first}: engine outbox resume {connection}"


class Listed(NamedTuple):
    """One state as people see it; `event` is its number, the id that `show` and `replay` take."""

    event: int
    message_id: str
    source: str
    connection: str
    outcome: Outcome
    reason: str
    words: str
    changed_at: float
    place: int


class Reason(NamedTuple):
    """Why so many events of a connection ended as they did; `words` is an example of what the vendor said."""

    connection: str
    outcome: Outcome
    reason: str
    events: int
    words: str


class Overview(NamedTuple):
    """What an outbox shows of itself; `unfinished`: how many, and since when the oldest is queued."""

    counts: Mapping[tuple[str, Outcome], int]
    reasons: list[Reason]
    connections: list[ConnectionRow]
    unfinished: Mapping[str, tuple[int, float | None]]


class Purged(NamedTuple):
    """What goes in a purge: ends of events by outcome, one for each connection, and events of which nothing is left."""

    outcomes: Mapping[Outcome, int]
    events: int


class Chosen(NamedTuple):
    """Which states are meant: every condition given must hold. Without outcomes: all."""

    connection: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    since: float | None = None
    event: str | None = None
    places: tuple[int, ...] | None = None
