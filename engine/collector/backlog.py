"""How far delivery is behind: looked at now and then, so that a request is answered without asking the disk."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from engine.delivery.outbox import Outbox

LOOK_EVERY = 1.0


class Backlog:
    """Counts the unfinished events of the slowest connection; `most` is how many there may be, 0 for any number."""

    def __init__(
        self, outbox: Outbox, names: Sequence[str], most: int, tell: Callable[[int], None] = lambda _depth: None
    ) -> None:
        self._outbox, self._names, self._most, self._tell = outbox, names, most, tell
        self._depth = 0

    def behind(self) -> bool:
        """Whether more is unfinished than may be."""
        return 0 < self._most < self._depth

    async def watch(self) -> None:
        """Look for ever; a long look is followed by a longer pause."""
        while self._most:
            began = time.monotonic()
            with contextlib.suppress(Exception):  # the outbox's trouble is told to those who write
                self._depth = await asyncio.to_thread(self._deepest)
                self._tell(self._depth)
            await asyncio.sleep(max(LOOK_EVERY, 20 * (time.monotonic() - began)))

    def _deepest(self) -> int:
        return max((self._outbox.unfinished(name)[0] for name in self._names), default=0)
