"""What the pages may use: the outbox, the connections, and what an operator may do with them.

A page gets a `Site` and nothing else, so that it works the same in `engine console`, which reads an outbox, and in
`engine serve --console`, which delivers beside it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.records import JsonObject

if TYPE_CHECKING:
    from engine.collector.sources import EventSource
    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.delivery.outbox.location import Location, StreamAddress
    from engine.delivery.outbox.sqlite import SqliteOutbox
    from engine.delivery.troubles import Trouble


def _none() -> Sequence[ConfiguredConnection]:
    return ()


def _no_troubles() -> Sequence[Trouble]:
    return ()


def _no_sources() -> Sequence[EventSource]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a console shows.

    `connections` and `sources` return the current ones, which a reload replaces. `live` says whether this process
    delivers; without it, states such as "delivering" are of the past. `reload` loads mappings and connections again and
    returns its report, None where there is nothing to load again. `troubles` returns what was wrong in the last
    hour, as far as this process delivered. `archive` is its directory, `audiences_file` has the definitions that are
    computed from it. `clock` returns seconds since 1970. Of an outbox on streams, `address` is where it is and
    `outbox_file` its view; `behind` returns why that is not up to date, '' if it is.
    """

    outbox_file: Path | None = None
    address: StreamAddress | None = None
    behind: Callable[[], str] = str
    connections: Callable[[], Sequence[ConfiguredConnection]] = _none
    sources: Callable[[], Sequence[EventSource]] = _no_sources
    troubles: Callable[[], Sequence[Trouble]] = _no_troubles
    connections_file: Path | None = None
    archive: Path | None = None
    audiences_file: Path | None = None
    directories: Sequence[Path] = ()
    read_only: bool = False
    live: bool = False
    clock: Callable[[], float] = time.time
    reload: Callable[[], Awaitable[JsonObject]] | None = None

    @property
    def location(self) -> Location | None:
        """Return where the outbox is, as commands name it."""
        return self.address or self.outbox_file

    @contextmanager
    def opened(self) -> Iterator[SqliteOutbox]:
        """Open the outbox to change something; what changes is in the file that pages look at when the block ends."""
        if self.address is not None:
            from engine.stream.outbox import opened_stream

            with opened_stream(self.address) as stream:
                yield stream
                stream.catch_up()
            return
        from engine.delivery.outbox.sqlite import SqliteOutbox

        assert self.outbox_file is not None
        outbox = SqliteOutbox(self.outbox_file)
        try:
            yield outbox
        finally:
            outbox.close()
