"""What every outbox can do: the durable one (`sqlite`) and its twin in memory (`memory`) pass the same tests.

All calls are synchronous and each is one transaction.  Nobody but the worker that leases a connection writes the
states of it, so neither pacing nor order needs a lock between processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.delivery.rows import Change, Chosen, ConnectionRow, Listed, NewEvent, Overview, Purged, TakenIn, Waiting
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
        """Give unfinished states behind a place, in the queue's order."""
        ...

    def write(self, connection: str, owner: str, changes: Sequence[Change], now: float) -> list[Change]:
        """Keep what became of unfinished states, and give those; raises `LeaseLost` where `owner` has no lease."""
        ...

    def lease(self, connection: str, owner: str, now: float, seconds: float) -> bool:
        """Take or renew a connection; false where another worker has it."""
        ...

    def release(self, connection: str, owner: str) -> None:
        """Give a connection back."""
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
        """Give the connections the outbox knows, or one of them."""
        ...

    def overview(self, reasons: int) -> Overview:
        """Give counts, so many of the commonest reasons, the connections and what is unfinished, all of one moment."""
        ...

    def counts(self) -> dict[tuple[str, Outcome], int]:
        """Count states by connection and outcome."""
        ...

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        """Give how many states are unfinished, and since when the oldest is queued."""
        ...

    def listed(self, chosen: Chosen, after: int, limit: int) -> list[Listed]:
        """Give states behind a place, in the queue's order."""
        ...

    def newest(self, chosen: Chosen, skip: int, limit: int) -> list[Listed]:
        """Give the last states but `skip`, in the queue's order."""
        ...

    def count(self, chosen: Chosen) -> int:
        """Count states."""
        ...

    def event(self, number: int) -> NewEvent | None:
        """Give an event by its number."""
        ...

    def replay(self, places: Sequence[int], reason: str, now: float) -> int:
        """Queue finished states again, behind everything that is there; gives how many."""
        ...

    def purge(self, older_than: float, outcomes: Sequence[Outcome] = ()) -> Purged:
        """Remove what was finished before a time, all of it or what ended so; gives what went."""
        ...

    def purgeable(self, older_than: float, outcomes: Sequence[Outcome] = ()) -> Purged:
        """Give what a purge would remove."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...
