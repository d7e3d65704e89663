"""Syncs definitions when they are due, one at a time, each in a process of its own: a crash of the database ends that.

The file of definitions is read again when it changes. What is followed is a copy of the last one without errors, so a
mistake in the file, which is logged, stops nothing.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine import files as own_files
from engine.audiences.run_process import COMMAND, LONGEST_WORDS, RunFiles, end, last_words, started
from engine.audiences.schedule import LastRun, PlannedRun, Scheduled, planned
from engine.audiences.state import COMPUTING, COPY, FAILED, SENDING, AudienceState, Run, SeenDefinition
from engine.audiences.syncing import cancel
from engine.errors import WaybillError
from engine.files import version_of
from engine.language.texts import visible
from engine.records import Json

if TYPE_CHECKING:
    from engine.audiences.model import Definition, Definitions
    from engine.delivery.outbox.location import Location

NAME = "waybill.delivery"
LOOK_EVERY = 1.0
"""Seconds between two looks at the file and the clock."""


class FollowedFiles(NamedTuple):
    """What is followed, and with which files; `load` reads definitions from a path, and raises WaybillError."""

    audiences: Path
    archive: Path
    connections: Path
    directories: tuple[Path, ...]
    outbox: Location
    load: Callable[[Path], Definitions]
    command: Sequence[str] = COMMAND
    clock: Callable[[], float] = time.time


class AudienceFollower:
    """Follows one file of definitions."""

    def __init__(self, state: AudienceState, files: FollowedFiles) -> None:
        self._state, self._files = state, files
        self._copy = state.directory / COPY
        self._definitions: tuple[Definition, ...] = ()
        self._seen_file: object = None
        self._tried: dict[str, LastRun] = {}
        self._logger = logging.getLogger(NAME)

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set."""
        while not stop.is_set():
            due = self.step()
            if due is not None:
                self._sync(due, stop)
            else:
                stop.wait(LOOK_EVERY)

    def step(self) -> PlannedRun | None:
        """Read the file if it changed, and return the definition that is due, None if none is.

        Raises AudienceStateError, also if the state was replaced: this process must be started anew then.
        """
        self._state.check_in_place()
        self.reload()
        plans = planned([Scheduled(each.key, each.every) for each in self._definitions], self._last_runs(), self._now())
        self._note(plans)
        due = next((plan for plan in plans if plan.at <= self._now()), None)
        if due is not None and due.note:
            self._log(logging.WARNING, "audience due", key=due.key, reason=due.note)
        return due

    def reload(self) -> None:
        """Take over the file of definitions if it changed and has no errors; log it if it has."""
        found = version_of(self._files.audiences)
        if found == self._seen_file:
            return
        first, self._seen_file = self._seen_file is None, found
        try:
            definitions = self._files.load(self._files.audiences)
            text = self._files.audiences.read_text(encoding="utf-8")
            if not self._copy.exists():
                own_files.create(self._copy, text)
            else:
                own_files.replace(self._copy, text)
        except (WaybillError, OSError) as error:
            self._log(logging.ERROR, "audiences not reloaded", reason=str(error)[:LONGEST_WORDS])
            if first and self._copy.exists():
                self._follow(self._files.load(self._copy))
            return
        self._follow(definitions)

    def _follow(self, definitions: Definitions) -> None:
        self._definitions = definitions.entries
        self._state.see([_seen(each, self._now()) for each in self._definitions], self._now())
        keys = {each.key for each in self._definitions}
        for run in self._state.unended():
            if run.key not in keys and run.state == SENDING:
                self._cancel(run)
        names = [each.key for each in self._definitions if each.every is not None]
        self._log(logging.INFO, "audiences followed", scheduled=len(names), definitions=len(self._definitions))

    def _cancel(self, run: Run) -> None:
        """End a run whose definition was removed; another process that is at it does so when it ends."""
        try:
            with self._state.lock():
                cancel(self._state, self._files.archive, run, self._now())
        except WaybillError as error:
            self._log(logging.ERROR, "audience not canceled", key=run.key, reason=str(error))
        else:
            self._log(logging.WARNING, "audience removed", key=run.key, fed=run.fed, total=run.total)

    def _last_runs(self) -> dict[str, LastRun]:
        found = {}
        for each in self._definitions:
            run = next(iter(self._state.runs(each.key, 1)), None)
            if run is not None:
                found[each.key] = LastRun(run.started_at, self._state.failures(each.key), run.state == SENDING)
        # A process that ends without a trace in the state must not be started again and again.
        for key, tried in self._tried.items():
            if key not in found or found[key].unfinished or found[key].started_at < tried.started_at:
                found[key] = tried
        return found

    def _note(self, plans: Sequence[PlannedRun]) -> None:
        known = {each.key: each.next_run for each in self._state.definitions()}
        changed: dict[str, float | None] = {plan.key: plan.at for plan in plans if known.get(plan.key) != plan.at}
        scheduled = {plan.key for plan in plans}
        changed |= {key: None for key, at in known.items() if at is not None and key not in scheduled}
        if changed:
            self._state.plan(changed)

    def _sync(self, due: PlannedRun, stop: threading.Event) -> None:
        """Run one definition to its end, or until it is to stop; the reason of a failure is noted and logged."""
        began = self._now()
        process = self._started(due.key)
        ended = threading.Event()
        words: list[str] = []
        reader = threading.Thread(target=self._read, args=(process, words, ended), daemon=True)
        reader.start()
        while not ended.wait(LOOK_EVERY):
            self._reload_beside()
            if stop.is_set() or due.key not in {each.key for each in self._definitions}:
                end(process)
        reader.join()
        code = process.wait()
        self._noted(due.key, began, code, "".join(words))

    def _reload_beside(self) -> None:
        """Take over a file that changed while a run is under way; what was removed is canceled after it."""
        with suppress(WaybillError):
            self.reload()

    def _noted(self, key: str, began: float, code: int, words: str) -> None:
        run = next(iter(self._state.runs(key, 1)), None)
        if run is not None and run.ended_at is not None and run.ended_at < began:
            run = None  # of before: the process ended before it noted a run of its own
        if run is not None and run.state == COMPUTING:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            text = words or f"The process of the computation {how}."
            run = self._state.note(run._replace(state=FAILED, message=text, ended_at=self._now()))
        before = self._tried.get(key, LastRun(began)).failures
        self._tried[key] = LastRun(began, before + 1 if code else 0, run is not None and run.state == SENDING)
        if key not in {each.key for each in self._definitions} and run is not None and run.state == SENDING:
            self._cancel(run)
        self._log_run(key, run, code, words)

    def _log_run(self, key: str, run: Run | None, code: int, words: str) -> None:
        if run is None or code:
            reason = (
                (run.message if run is not None else "")
                or words
                or (f"signal {-code}" if code < 0 else f"exit code {code}")
            )
            self._log(logging.ERROR, "audience failed", key=key, reason=visible(reason))
            return
        counts = {name: getattr(run, name) for name in ("entered", "left", "changed", "unchanged", "without_id", "fed")}
        level = logging.WARNING if run.message else logging.INFO
        self._log(level, f"audience {run.state}", key=key, **counts, seconds=round(run.took, 3), reason=run.message)

    def _started(self, key: str) -> subprocess.Popen[str]:
        given = self._files
        files = RunFiles(self._copy, given.archive, given.connections, given.outbox, given.directories)
        return started(given.command, key, files)

    @staticmethod
    def _read(process: subprocess.Popen[str], words: list[str], ended: threading.Event) -> None:
        words.append(last_words(process))
        ended.set()

    def _now(self) -> float:
        return self._files.clock()

    def _log(self, level: int, event: str, **fields: Json) -> None:
        self._logger.log(level, event, extra={"fields": {name: each for name, each in fields.items() if each != ""}})


def _seen(definition: Definition, now: float) -> SeenDefinition:
    return SeenDefinition(
        definition.key, definition.kind, definition.name, definition.digest, now, definition.connections, None, None
    )
