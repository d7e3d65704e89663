"""How far delivery is behind: looked at now and then, so that a request is answered without asking the disk."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.delivery.outbox import Outbox

LOOK_EVERY = 1.0


class Told(NamedTuple):
    """Who is told: the depth of the slowest connection, and depth and age of every connection's queue."""

    deepest: Callable[[int], None]
    queue: Callable[[str, int, float], None]
    clock: Callable[[], float] = time.time


class Backlog:
    """Counts the unfinished events of each connection; of the slowest there may be `most`, 0 for any number."""

    def __init__(self, outbox: Outbox, names: Sequence[str], most: int, told: Told | None = None) -> None:
        self._outbox, self._names, self._most, self._told = outbox, names, most, told
        self._depth = 0

    def behind(self) -> bool:
        """Whether more is unfinished than may be."""
        return 0 < self._most < self._depth

    async def watch(self) -> None:
        """Look for ever; a long look is followed by a longer pause."""
        while self._most or self._told:
            began = time.monotonic()
            with contextlib.suppress(Exception):  # the outbox's trouble is told to those who write
                self._tell(await asyncio.to_thread(self._look))
            await asyncio.sleep(max(LOOK_EVERY, 20 * (time.monotonic() - began)))

    def _look(self) -> dict[str, tuple[int, float | None]]:
        return {name: self._outbox.unfinished(name) for name in self._names}

    def _tell(self, found: dict[str, tuple[int, float | None]]) -> None:
        self._depth = max((depth for depth, _ in found.values()), default=0)
        if self._told is None:
            return
        self._told.deepest(self._depth)
        now = self._told.clock()
        for name, (depth, oldest) in found.items():
            self._told.queue(name, depth, 0.0 if oldest is None else max(0.0, now - oldest))
