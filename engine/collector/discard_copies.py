"""What was discarded, kept for looking at: some copies, and how many there were.

A request neither waits for its copies nor fails with them.  It only leaves their bytes here, and only a few of each
second; a moment later they are copied without secrets, in a thread, and written between two transactions of the group
commit.  What is lost, because the outbox cannot be written, is counted and logged; how many were discarded is then
written with the next ones.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import orjson

from engine.collector.concealing import LONGEST_ID, LONGEST_REASON, MORE, Concealing
from engine.collector.discards import Discard
from engine.collector.group_commit import GroupCommit
from engine.delivery.outbox.base import Discarded, EventIntake
from engine.delivery.outbox.keeping import DISCARDS_A_SECOND, LARGEST_DISCARD
from engine.records import Json

INTERVAL = 1.0
"""Seconds between a discard and its transaction."""

BYTES_A_SECOND = 4 * LARGEST_DISCARD
"""Bytes of events that one process copies of each second, of all sources: copying them takes a few milliseconds."""

MOST_PENDING = 1024 * 1024
"""Bytes of events that wait for a slow disk, unless a single one has more; others are not kept."""


class DiscardCopies:
    """Collects what is discarded, and writes it; `secrets` are masked, `on_loss` gets how many were lost, and why."""

    def __init__(
        self,
        group_commit: GroupCommit,
        secrets: Iterable[str],
        on_loss: Callable[[int, str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._group_commit, self._on_loss, self._clock = group_commit, on_loss, clock
        self._pending: list[Discarded] = []
        self._pending_bytes = 0
        self._counts: Counter[str] = Counter()
        self._second, self._bytes = 0, 0
        self._this_second: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._secrets: tuple[str, ...] = ()
        self.mask(secrets)

    def mask(self, secrets: Iterable[str]) -> None:
        """Mask these from now on, and those before: a client may still send with a key that is being replaced."""
        before, self._secrets = self._secrets, tuple(secrets)
        self._concealing = Concealing((*before, *self._secrets))

    def add(self, source: str, discards: Sequence[Discard]) -> None:
        """Count discards of a request, and take copies of the first ones of each second."""
        if not discards:
            return
        self._counts[source] += len(discards)
        now = self._clock()
        if int(now) != self._second:
            self._second, self._bytes = int(now), 0
            self._this_second.clear()
        for each in discards:
            if self._this_second[source] >= DISCARDS_A_SECOND or self._bytes >= BYTES_A_SECOND:
                break
            self._this_second[source] += 1
            self._take(source, each, now)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._begin)

    def _take(self, source: str, discard: Discard, now: float) -> None:
        raw = event_bytes(discard.event)
        self._bytes += min(len(raw), LARGEST_DISCARD)
        if self._pending and self._pending_bytes + len(raw) > MOST_PENDING:
            self._on_loss(1, "Too many wait for the disk.")
            return
        self._pending_bytes += len(raw)
        self._pending.append(Discarded(source, now, discard.code, discard.reason, discard.message_id, raw))

    def _begin(self) -> None:
        self._timer = None
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        else:  # if that one fails, the others still have to be written
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._begin)

    async def close(self) -> None:
        """Write what is pending."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None:
            await self._writing
        await self._write()

    async def _write(self) -> None:
        while self._counts:
            pending, size, counts = self._pending, self._pending_bytes, self._counts
            self._pending, self._counts = [], Counter()
            try:
                copies = await asyncio.to_thread(partial(copied, self._concealing, pending))
                await self._group_commit.between(partial(_keep, copies, counts))
            except Exception as error:  # noqa: BLE001  nothing that was discarded may stop what was not
                if pending:
                    self._on_loss(len(pending), str(error))
                self._counts.update(counts)
                break
            finally:
                self._pending_bytes -= size
        self._writing = None


def _keep(copies: Sequence[Discarded], counts: Counter[str], outbox: EventIntake, now: float) -> None:
    outbox.keep_discards(copies, counts, now)


def copied(concealing: Concealing, pending: Iterable[Discarded]) -> list[Discarded]:
    """Return discarded events as they are kept: without secrets, and no longer than that."""
    return [
        each._replace(
            reason=concealing.text(each.reason, LONGEST_REASON),
            message_id=concealing.text(each.message_id, LONGEST_ID),
            raw=concealing.event(each.raw),
        )
        for each in pending
    ]


def event_bytes(event: Json) -> bytes:
    """Return the JSON of an event as it came, without members that are nested deeper than can be written."""
    try:
        return orjson.dumps(event)
    except orjson.JSONEncodeError:
        members = event.items() if isinstance(event, dict) else ()
        return orjson.dumps({name: _or_more(member) for name, member in members} or MORE)


def _or_more(member: Json) -> Json | orjson.Fragment:
    try:
        return orjson.Fragment(orjson.dumps(member))
    except orjson.JSONEncodeError:
        return MORE
