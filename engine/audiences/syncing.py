"""One sync of one definition: who is in now, what differs from what was sent, and the events that say so.

Each step is durable before the next begins, so a process that ends anywhere leaves a run that the next one continues.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.archive.catalog import ArchiveError
from engine.audiences.changes import (
    COLUMNS,
    ChangesDamaged,
    Compared,
    ComparedFiles,
    compare,
    cut_short,
    fault_of,
    packs,
    write_columns,
)
from engine.audiences.computing import compute
from engine.audiences.events import AUDIENCE, EventSeries
from engine.audiences.feeding import FeedingHooks, Targets, events_of, feed
from engine.audiences.model import Definition
from engine.audiences.state import (
    CANCELED,
    COMPUTING,
    DONE,
    FAILED,
    GUARDED,
    SENDING,
    AudienceState,
    Run,
    SeenDefinition,
)
from engine.errors import WaybillError
from engine.language.texts import visible

if TYPE_CHECKING:
    from engine.archive.connecting import QueryLimits
    from engine.delivery.outbox.sqlite import SqliteOutbox

FEW = 20
"""Users that may always change, whatever the guard."""

SHOWN = 10
"""Events that a dry run shows."""

INTERRUPTED = "The process ended while members were computed; nothing was sent."
REMOVED = "The definition was removed while its events were sent: {fed} of {total} were."
AGAIN = "The first {fed} changes were sent; the next run computes them once more and sends them again."
SENT_LOST = (
    "{path}, which says who was sent, cannot be read ({fault}). Nothing was sent. Restore it from a backup, or send "
    "every member once more: engine audiences sync {key} --yes"
)
NO_CONNECTION_LEFT = "None of the connections of this run is enabled now ({names}); enable one, and sync again."


class SyncSettings(NamedTuple):
    """What a sync works with; `integrations` has the enabled connections with the names of their mappings' integration.

    `fed` is called with the run after each pack.
    """

    archive: Path
    integrations: Mapping[str, str]
    limits: QueryLimits
    hooks: FeedingHooks
    fed: Callable[[Run], None] = lambda _run: None


class SyncPreview(NamedTuple):
    """What a sync would do: its run, which is not stored, and the first events exactly as they would be fed."""

    run: Run
    events: list[bytes]


class Syncer:
    """Syncs definitions, one at a time; the caller holds the state's lock, except for a preview."""

    def __init__(self, state: AudienceState, settings: SyncSettings) -> None:
        self._state = state
        self._settings = settings

    def sync(self, definition: Definition, outbox: SqliteOutbox, moment: float, *, yes: bool = False) -> Run:
        """Continue the run that was interrupted, or run; return what became of it: done, guarded, failed or sending.

        `yes` lets more change than the guard allows, and sends all members again if it is lost who was sent. Raises
        OutboxError, after which the run can be continued.
        """
        if (left := self.unfinished(definition.key)) is not None:
            return self.resume(left, definition, outbox)
        run = self._state.begin(definition.key, definition.digest, self._settings.hooks.clock(), moment)
        files = self._files(run)
        with self._noting_failure(run):
            files = _with_known_sent(files, run.key, yes=yes)
            compute(self._settings.archive, definition, moment, self._settings.limits, files)
            run = self._compared(run, definition, files, yes=yes)
            if run.state == GUARDED:
                return self._end(run)
            return self._feed(self._state.note(run), definition, outbox)
        return self._end(self._state.run(run.number))

    def exit_all(self, seen: SeenDefinition, outbox: SqliteOutbox, moment: float) -> Run:
        """Send to all who were sent a definition that is no more that they left."""
        definition = _removed(seen)
        if (left := self.unfinished(seen.key)) is not None:
            cancel(self._state, self._settings.archive, left, self._settings.hooks.clock())
        run = self._state.begin(seen.key, seen.digest, self._settings.hooks.clock(), moment)
        files = self._files(run)
        write_columns(files.members, COLUMNS, [[] for _ in COLUMNS])
        if files.merged is not None:
            write_columns(files.merged, ["id"], [[]])
        last = self._state.last_sent(seen.key)
        kept = {} if last is None else last.connections
        definition = replace(definition, connections=tuple(kept))
        with self._noting_failure(run):
            _with_known_sent(files, run.key, yes=False)
            run = self._compared(run, definition, files, yes=True)
            return self._feed(self._state.note(run), definition, outbox)
        return self._end(self._state.run(run.number))

    def preview(self, definition: Definition, moment: float) -> SyncPreview:
        """Return what a sync would do now, without doing it."""
        number, now = self._state.next_number(), self._settings.hooks.clock()
        zeros = Compared()._asdict()
        run = Run(
            **zeros, number=number, key=definition.key, digest=definition.digest, started_at=now, ended_at=None,
            state=COMPUTING, moment=moment, fed=0, message="", took=0.0, connections={}, added=(), sent_run=None,
        )  # fmt: skip
        with tempfile.TemporaryDirectory(prefix=f".preview-{os.getpid()}-", dir=self._state.directory) as folder:
            files = _with_known_sent(self._files(run, Path(folder)), run.key, yes=False)
            compute(self._settings.archive, definition, moment, self._settings.limits, files)
            run = self._compared(run, definition, files, yes=False)
            return SyncPreview(run, self._first_events(run, definition, files))

    def _first_events(self, run: Run, definition: Definition, files: ComparedFiles) -> list[bytes]:
        found: list[bytes] = []
        targets = Targets(run.connections, run.added)
        for pack in packs(files.changes, 0):
            wanted = targets.of(pack[0].scope)
            if wanted:
                found += [each.raw for each in events_of(self._series(run, definition), pack[:SHOWN], wanted)]
            if len(found) >= SHOWN:
                break
        return found[:SHOWN]

    def unfinished(self, key: str) -> Run | None:
        """Return the run of a definition whose events are not all sent; one that was computing is noted as failed."""
        found = None
        for run in self._state.unended():
            if run.key == key and run.state == COMPUTING:
                self._end(run._replace(state=FAILED, message=INTERRUPTED))
            elif run.key == key:
                found = run
        return found

    def resume(self, run: Run, definition: Definition, outbox: SqliteOutbox) -> Run:
        """Send the rest of a run."""
        return self._feed(run, definition, outbox)

    def _compared(self, run: Run, definition: Definition, files: ComparedFiles, *, yes: bool) -> Run:
        """Return the run with its counts, in the state that follows."""
        last = self._state.last_sent(run.key)
        known = self._settings.integrations
        connections = {name: known[name] for name in definition.connections if name in known}
        added = () if last is None else tuple(name for name in connections if name not in last.connections)
        left = "false" if definition.kind == AUDIENCE else "null"
        found = compare(files, value_of_left=left, first_syncs=bool(added))
        run = run._replace(**found._asdict(), connections=connections, added=added, state=SENDING)
        moved, before = run.entered + run.left, 0 if last is None else last.size
        # Nobody was in, so all that moved is members who have not been sent: as in a first sync.
        if not before or yes or moved <= FEW or definition.guard >= 1 or moved / before <= definition.guard:
            return run
        return run._replace(state=GUARDED, message=_guarded(run, before, definition))

    def _feed(self, run: Run, definition: Definition, outbox: SqliteOutbox) -> Run:
        """Feed the rest of a run, and end it; it stays as it is, to be continued, if feeding is stopped."""
        known = self._settings.integrations
        targets = Targets({name: each for name, each in run.connections.items() if name in known}, run.added)
        if run.connections and not targets.connections:
            names = ", ".join(run.connections)
            return self._state.note(run._replace(message=NO_CONNECTION_LEFT.format(names=names)))
        series = self._series(run, definition)
        try:
            for fed in feed(outbox, series, self._files(run).changes, targets, run.fed, self._settings.hooks):
                self._state.feeding(run.number, fed)
                run = run._replace(fed=fed)
                self._settings.fed(run)
        except ChangesDamaged as error:
            return self._end(run._replace(state=FAILED, message=f"{error} {AGAIN.format(fed=run.fed)}"))
        if run.fed < run.total:
            return self._state.run(run.number)
        # A connection that was disabled meanwhile gets a first sync of its own once it is enabled.
        return self._end(run._replace(state=DONE, message="", connections=targets.connections, sent_run=run.number))

    def _series(self, run: Run, definition: Definition) -> EventSeries:
        return EventSeries(run.key, definition.kind, run.number, run.moment, self._state.identity)

    def _files(self, run: Run, folder: Path | None = None) -> ComparedFiles:
        return _files_of(self._state, self._settings.archive, run, folder)

    def _end(self, run: Run) -> Run:
        return _ended(self._state, run, self._settings.hooks.clock())

    @contextmanager
    def _noting_failure(self, run: Run) -> Iterator[None]:
        """Note a run that fails before it sends; the reason is in its message."""
        try:
            yield
        except Exception as error:
            if self._state.run(run.number).state != COMPUTING:
                raise
            self._state.note(run._replace(state=FAILED, message=_reason(error)))
        except BaseException:
            with suppress(ArchiveError):
                if self._state.run(run.number).state == COMPUTING:
                    self._end(run._replace(state=CANCELED, message="Interrupted while members were computed."))
            raise


def cancel(state: AudienceState, archive: Path, run: Run, now: float) -> Run:
    """End a run before all was sent, and remember who was sent: what is in the outbox stays there."""
    cut_short(_files_of(state, archive, run), run.fed)
    kept = {name: each for name, each in run.connections.items() if name not in run.added}
    message = REMOVED.format(fed=run.fed, total=run.total)
    ended = run._replace(state=CANCELED, message=message, connections=kept, sent_run=run.number)
    return _ended(state, ended, now)


def _files_of(state: AudienceState, archive: Path, run: Run, folder: Path | None = None) -> ComparedFiles:
    """Return the files of a run, in the state's directory or in another folder."""

    def path(kind: str) -> Path:
        own = state.file(kind, run.key, run.number)
        return own if folder is None else folder / own.name

    before = state.sent_file(run.key)
    merged = None if before is None else path("merged")
    return ComparedFiles(path("members"), before, merged, path("changes"), path("sent"), archive)


def _with_known_sent(files: ComparedFiles, key: str, *, yes: bool) -> ComparedFiles:
    """Return the files, if who was sent can be read; with `yes`, else as if nobody was. Raises ArchiveError."""
    fault = "" if files.before is None else fault_of(files.before)
    if not fault:
        return files
    if not yes:
        raise ArchiveError(SENT_LOST.format(path=files.before, fault=fault, key=key))
    return files._replace(before=None, merged=None)


def _ended(state: AudienceState, run: Run, now: float) -> Run:
    run = state.note(run._replace(ended_at=now, took=max(0.0, now - run.started_at)))
    state.tidy(run.key)
    return run


def _guarded(run: Run, before: int, definition: Definition) -> str:
    share = 100 * (run.entered + run.left) / before
    return (
        f"{run.entered} would enter and {run.left} would leave: {share:.0f} % of {before}, more than its guard of "
        f"{100 * definition.guard:g} %. Nothing was sent. If that is right: engine audiences sync {run.key} --yes"
    )


def _reason(error: Exception) -> str:
    """Return why a run failed, for people."""
    if isinstance(error, WaybillError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'The disk'}: {error.strerror or error}."
    return f"{type(error).__name__}: {visible(str(error).partition(chr(10))[0])}"


def _removed(seen: SeenDefinition) -> Definition:
    """Return what is left of a definition that the file no longer has."""
    return Definition(kind=seen.kind, name=seen.name, key=seen.key, digest=seen.digest, connections=seen.connections)  # type: ignore[arg-type]
