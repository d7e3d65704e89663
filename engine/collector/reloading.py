"""A corrected mapping, settings or write key without a restart: what is served now, and how it is replaced.

Everything is loaded and checked first, beside what runs.  If anything is wrong, nothing changes and the report has
every problem.  Otherwise the door comes first, so that nothing more is stored for a connection that is removed, and
then delivery, where each connection that differs finishes what is in flight before its new version starts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple, TypeAlias

from engine.collector.observers import NAME
from engine.collector.sources import EventSource
from engine.collector.watching import WatchedFiles
from engine.delivery import logs
from engine.delivery.configured_connection import ConfiguredConnection, differences
from engine.delivery.connections import ConnectionsError
from engine.errors import MappingError, WaybillError
from engine.records import JsonObject, Secrets

Trigger: TypeAlias = Literal["signal", "request", "watch"]
Kind: TypeAlias = Literal["unchanged", "changed", "added", "removed"]
STOPPING = "The server is stopping, so nothing was loaded."
NOT_IN_USE = (
    "The files were loaded, but an error of the engine itself ({kind}) kept some of them from use. Restart the server; "
    "its log has the traceback. Please report it."
)
INTERNAL = "Loading failed ({kind}): an error of the engine itself; its log has the traceback. Please report it."

logger = logging.getLogger(NAME)


class Served(NamedTuple):
    """Who sends events and who receives them."""

    sources: Sequence[EventSource]
    connections: Sequence[ConfiguredConnection]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may show."""
        secrets = [secret for each in self.connections for secret in each.connection.secrets]
        return (*secrets, *(key for source in self.sources for key in source.write_keys))


class ConnectionChange(NamedTuple):
    """What a reload did to a connection: the digests of its mapping, what differs, and what waits if it is removed.

    `held` says why a connection is held, which a reload does not end, and what to do.
    """

    name: str
    change: Kind
    digest: str = ""
    old_digest: str = ""
    differs: tuple[str, ...] = ()
    waiting: int = 0
    held: str = ""


class Remaining(NamedTuple):
    """What a reload leaves: how many events wait for each removed connection; why each held one is, and what to do."""

    waiting: dict[str, int]
    held: dict[str, str]


class SourceChange(NamedTuple):
    """What a reload did to a source."""

    name: str
    change: Kind


class ReloadReport(NamedTuple):
    """The result of a reload; with `problems`, nothing was changed."""

    problems: tuple[str, ...] = ()
    connections: tuple[ConnectionChange, ...] = ()
    sources: tuple[SourceChange, ...] = ()

    def json(self) -> JsonObject:
        """Return it as the admin address does."""
        if self.problems:
            return {"result": "refused", "problems": [*self.problems]}
        return {
            "result": "reloaded",
            "connections": [each._asdict() | {"differs": [*each.differs]} for each in self.connections],
            "sources": [dict(each._asdict()) for each in self.sources],
        }


class Reloading:
    """What is served now; `reload` loads it again, and `door` and `delivery` put the new version to work.

    `door` returns when every process that takes requests has the new sources, `delivery` when no connection is
    delivered under its old version.
    """

    def __init__(self, load: Callable[[WatchedFiles], Served]) -> None:
        """Load for the first time; raises what `load` does."""
        self._load = load
        self._files = WatchedFiles()
        self.served = load(self._files)
        self._lock = asyncio.Lock()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._requested = False
        self._task: asyncio.Task[None] | None = None
        self._refused: tuple[str, ...] = ()
        self.door: Callable[[Served], Awaitable[None]] = _nothing
        self.delivery: Callable[[Served], Awaitable[Remaining]] = _none_remaining
        self.on_result: Callable[[str], None] = lambda _: None

    @property
    def sources(self) -> Sequence[EventSource]:
        """The sources that may send now."""
        return self.served.sources

    @property
    def connections(self) -> Sequence[ConfiguredConnection]:
        """The connections that are delivered to now."""
        return self.served.connections

    def close(self) -> None:
        """Refuse every reload from now on, because the server is stopping."""
        self._closed = True

    def attach(self) -> None:
        """Use the running event loop for what `request` asks for, also if it did so before."""
        self._loop = asyncio.get_running_loop()
        if self._requested:
            self._begin()

    async def ended(self) -> None:
        """Wait for the reload that `request` began."""
        if self._task is not None:
            await self._task

    def request(self) -> None:
        """Have the event loop reload soon; for signal handlers and other threads."""
        self._requested = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._as_requested())

    async def _as_requested(self) -> None:
        while self._requested:
            self._requested = False
            await self.reload("signal")

    def changed(self) -> bool:
        """Whether a file is no longer what was loaded."""
        return self._files.changed()

    async def reload(self, trigger: Trigger = "request") -> ReloadReport:
        """Load everything again and put it to work, or report every problem and leave all as it is; never raises.

        Two reloads at once are one after the other.
        """
        async with self._lock:
            report = await self._reloaded()
        self._note(report, trigger)
        return report

    async def _reloaded(self) -> ReloadReport:
        if self._closed:
            return ReloadReport((STOPPING,))
        files = WatchedFiles()
        try:
            new = await asyncio.to_thread(self._load, files)
        except Exception as error:  # noqa: BLE001  whatever is wrong with the files, the server goes on
            await asyncio.to_thread(files.failed_after, self._files)
            self._files = files
            return ReloadReport(tuple(self._masked(_problems(error))))
        if self._closed:
            return ReloadReport((STOPPING,))
        self._files = files
        old, self.served = self.served, new
        logs.mask([*old.secrets, *new.secrets])  # requests under the old version may still be in flight
        try:
            await self.door(new)
            remaining = await self.delivery(new)
        except Exception as error:
            logger.exception("reload failed")
            return ReloadReport((NOT_IN_USE.format(kind=type(error).__name__),))
        return ReloadReport(
            connections=tuple(_connection_changes(old.connections, new.connections, remaining)),
            sources=tuple(_source_changes(old.sources, new.sources)),
        )

    def _masked(self, problems: Iterable[str]) -> Iterable[str]:
        secrets = Secrets(self.served.secrets)
        return (secrets.mask(problem) for problem in problems)

    def _note(self, report: ReloadReport, trigger: Trigger) -> None:
        again, self._refused = report.problems == self._refused != (), report.problems
        if again and trigger == "watch":  # something changed that mended nothing
            return
        result = "refused" if report.problems else "reloaded"
        self.on_result(result)
        if report.problems:
            fields: JsonObject = {"trigger": trigger, "problems": [*report.problems]}
            logger.error("reload refused", extra={"fields": fields})
            return
        changes = {each.name: each.change for each in report.connections if each.change != "unchanged"}
        sources = {each.name: each.change for each in report.sources if each.change != "unchanged"}
        logger.info("reloaded", extra={"fields": {"trigger": trigger, "connections": changes, "sources": sources}})


async def _nothing(_served: Served) -> None:
    return


async def _none_remaining(_served: Served) -> Remaining:
    return Remaining({}, {})


def _problems(error: Exception) -> Sequence[str]:
    """Return what was wrong, each with its place."""
    if isinstance(error, ConnectionsError):
        return error.problems
    if isinstance(error, MappingError):
        return [str(problem) for problem in error.problems]
    if isinstance(error, OSError):
        return [f"{error.filename}: {error.strerror or error}." if error.filename else f"{error.strerror or error}."]
    if isinstance(error, WaybillError):
        return [str(error)]
    logger.error("reload failed", exc_info=error)
    return [INTERNAL.format(kind=type(error).__name__)]


def _connection_changes(
    old: Sequence[ConfiguredConnection], new: Sequence[ConfiguredConnection], remaining: Remaining
) -> Iterable[ConnectionChange]:
    before = {each.name: each for each in old}
    for each in new:
        earlier = before.pop(each.name, None)
        if earlier is None:
            change = ConnectionChange(each.name, "added", each.digest())
        else:
            differs = differences(earlier, each)
            kind: Kind = "changed" if differs else "unchanged"
            change = ConnectionChange(each.name, kind, each.digest(), earlier.digest(), differs)
        yield change._replace(held=remaining.held.get(each.name, ""))
    for name, gone in before.items():
        yield ConnectionChange(name, "removed", "", gone.digest(), (), remaining.waiting.get(name, 0))


def _source_changes(old: Sequence[EventSource], new: Sequence[EventSource]) -> Iterable[SourceChange]:
    before = {each.name: each for each in old}
    for each in new:
        earlier = before.pop(each.name, None)
        yield SourceChange(each.name, "added" if earlier is None else "unchanged" if earlier == each else "changed")
    for name in before:
        yield SourceChange(name, "removed")
