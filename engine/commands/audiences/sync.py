"""`engine audiences sync`: computes who is in, and puts an event into the outbox for each user who entered or left."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from engine.commands.archive.shared import check_extra
from engine.commands.audiences.shared import (
    AudienceFiles,
    audience_options,
    chosen,
    json_option,
    opened_state,
)
from engine.commands.options import outbox_option
from engine.commands.shared import FOUND, INTERRUPTED, counted, did_you_mean
from engine.delivery.outbox.base import DEFAULT_FILE
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.audiences.model import Definition
    from engine.audiences.state import AudienceState, Run, SeenDefinition
    from engine.audiences.syncing import Syncer
    from engine.delivery.outbox.location import Location

NOTHING_DEFINED = "{file} defines no audience and no computed trait."
EXIT_ALL_NAMES = "Name the audiences that should be left by all: engine audiences sync NAME --exit-all."
STILL_DEFINED = (
    "{name} is still in {file}. Remove it there first: otherwise its members enter again with the next sync."
)
NOTHING_SENT = 'Nothing was sent of a definition "{name}". {advice}'
WAITS = "Another process is syncing, such as engine serve; waiting for it, {seconds:.0f} seconds at most."
SHOWN = 3
"""Events that a dry run prints of each definition; --json has more."""
LONG_RUN = 1000
"""Changes from which a run gets a progress bar."""


class Interrupting:
    """What a signal does: it ends a computation at once, and feeding after the pack that is being written."""

    def __init__(self) -> None:
        self.feeding = False

    def first(self) -> None:
        """Act on the first signal; a second one ends the process, which the run survives."""
        if not self.feeding:
            raise KeyboardInterrupt


@click.command("sync")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@click.option("--yes", is_flag=True, help="Send also if more users change than the definition's `guard` allows.")
@click.option(
    "--exit-all", is_flag=True, help="Of a definition that was removed: tell vendors that all its users left."
)
@outbox_option(default=DEFAULT_FILE)
@json_option
@audience_options
def command(
    names: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    exit_all: bool,
    outbox_file: Location,
    as_json: bool,
    files: AudienceFiles,
) -> int:
    """Compute audiences and computed traits (all, or those named), and queue an event for each user who changed.

    The first sync sends every member, later ones only who entered or left, or whose value changed. To continue after
    an interruption, run the same command again: nothing is sent twice.
    """
    check_extra()
    definitions = files.definitions()
    with opened_state(files.archive) as state:
        see(state, definitions.entries, time.time())
        if exit_all:
            removed = [_removed(name, state, files) for name in names]
            if not removed:
                raise UsageError(EXIT_ALL_NAMES)
            return _sync_all(state, files, outbox_file, [], removed, yes=True, as_json=as_json)
        wanted = [chosen(definitions, name, files.audiences, state) for name in names] or list(definitions.entries)
        if not wanted:
            raise UsageError(NOTHING_DEFINED.format(file=files.audiences))
        if dry_run:
            return _dry_run(state, files, wanted, as_json=as_json)
        return _sync_all(state, files, outbox_file, wanted, [], yes=yes, as_json=as_json)


def see(state: AudienceState, definitions: Sequence[Definition], now: float) -> None:
    """Note which definitions there are, and which no longer."""
    from engine.audiences.state import SeenDefinition

    state.see(
        [
            SeenDefinition(each.key, each.kind, each.name, each.digest, now, each.connections, None, None)
            for each in definitions
        ],
        now,
    )


def syncer_of(
    state: AudienceState,
    files: AudienceFiles,
    fed: Callable[[Run], None],
    stopped: Callable[[], bool],
    wait: Callable[[float], object] = time.sleep,
) -> Syncer:
    """Return what syncs: with the real clock, and the limits of queries."""
    from engine.archive.connecting import QueryLimits
    from engine.audiences.feeding import FeedingHooks
    from engine.audiences.syncing import Syncer, SyncSettings

    hooks = FeedingHooks(time.time, wait, stopped)
    return Syncer(state, SyncSettings(files.archive, files.integrations(), QueryLimits(), hooks, fed))


def _removed(name: str, state: AudienceState, files: AudienceFiles) -> SeenDefinition:
    from engine.audiences.definitions import key_of

    seen = {each.key: each for each in state.definitions()}
    found = seen.get(name) or seen.get(key_of(name))
    if found is None:
        raise UsageError(NOTHING_SENT.format(name=name, advice=did_you_mean(name, seen)))
    if found.removed_at is None:
        raise UsageError(STILL_DEFINED.format(name=found.name, file=files.audiences))
    return found


def _sync_all(
    state: AudienceState,
    files: AudienceFiles,
    outbox_file: Location,
    wanted: Sequence[Definition],
    removed: Sequence[SeenDefinition],
    *,
    yes: bool,
    as_json: bool,
) -> int:
    from engine.audiences.state import SeenDefinition
    from engine.commands.options import open_outbox
    from engine.delivery.process import Shutdown, on_signals

    shutdown, interrupting, runs = Shutdown(), Interrupting(), list[tuple[str, "Run"]]()
    with _turn(state), open_outbox(outbox_file, create=True) as outbox, on_signals(shutdown, interrupting.first):
        everything: list[Definition | SeenDefinition] = [*wanted, *removed]
        for each in everything:
            with _progress(each.name, interrupting) as fed:
                syncer = syncer_of(state, files, fed, lambda: shutdown.requested)
                if isinstance(each, SeenDefinition):
                    run = syncer.exit_all(each, outbox, files.now)
                else:
                    run = syncer.sync(each, outbox, files.now, yes=yes)
            runs.append((each.kind, run))
            if not as_json:
                click.echo("\n".join(run_lines(run, each.kind)))
            if shutdown.requested:
                break
            interrupting.feeding = False
    if as_json:
        click.echo(json.dumps([run_json(run) for _, run in runs], ensure_ascii=False, indent=2))
    if shutdown.requested:
        return INTERRUPTED
    return FOUND if any(run.state != "done" for _, run in runs) else 0


@contextmanager
def _turn(state: AudienceState) -> Iterator[None]:
    """Hold the lock of syncs; if another process has it, such as engine serve, say so and wait for a while."""
    from engine.audiences.state import SYNC_PATIENCE, SyncBusy

    with ExitStack() as stack:
        try:
            stack.enter_context(state.lock())
        except SyncBusy:
            click.echo(WAITS.format(seconds=SYNC_PATIENCE), err=True)
            stack.enter_context(state.lock(SYNC_PATIENCE))
        yield


@contextmanager
def _progress(name: str, interrupting: Interrupting) -> Iterator[Callable[[Run], None]]:
    """Show a bar with the time to go on standard error, if that is a terminal and the run is long."""
    if not sys.stderr.isatty():

        def silent(_run: Run) -> None:
            interrupting.feeding = True

        yield silent
        return
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True, markup=False, highlight=False, emoji=False)
    columns = (bars.TextColumn("{task.description}", markup=False), bars.BarColumn(), bars.MofNCompleteColumn())
    more = (bars.TimeRemainingColumn(),)
    with bars.Progress(
        *columns, *more, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bar:
        task = bar.add_task(name, total=None)

        def shown(run: Run) -> None:
            interrupting.feeding = True
            bar.update(task, completed=run.fed, total=run.total, visible=run.total >= LONG_RUN)

        yield shown


def run_lines(run: Run, kind: str) -> Iterator[str]:
    """Yield what people read of a run: what became of it, and how many users changed."""
    from engine.commands.output.text import duration
    from engine.language.texts import visible_lines

    took = duration(run.took) if run.took >= 1 else f"{run.took:.1f}s"
    if run.state in ("failed", "canceled"):
        yield f"{run.key}: {run.state}, took {took}"
        yield f"  {visible_lines(run.message)}"
        return
    yield f"{run.key}: {_counts(run, kind)}, took {took}"
    if run.state == "sending":
        yield f"  Interrupted: {run.fed} of {run.total} were queued. Run the same command to continue."
    if run.message:
        yield f"  {run.state.capitalize()}. {visible_lines(run.message)}"
    elif run.state == "done" and not run.connections:
        yield "  It has no enabled connection, so nothing was sent."


def _counts(run: Run, kind: str) -> str:
    counts = [
        (run.entered, "entered"),
        (run.left, "left"),
        (run.unchanged, "unchanged"),
        (run.without_id, "without id"),
    ]
    if kind != "audience":
        counts = [(run.entered, "new"), (run.changed, "changed"), (run.left, "gone"), *counts[2:]]
    unusual = [
        (run.wrong_id, "with a wrong id"),
        (run.same_id, "with the id of another member"),
        (run.merged, "merged"),
    ]
    found = [f"{count} {name}" for count, name in counts] + [f"{count} {name}" for count, name in unusual if count]
    return ", ".join(found)


def run_json(run: Run) -> dict[str, object]:
    """Return a run for programs: times in ISO 8601, `took` in seconds."""
    from engine.commands.audiences.shared import iso_or_none

    found = run._asdict() | {"connections": list(run.connections), "added": list(run.added)}
    del found["sent_run"], found["digest"]
    for name in ("started_at", "ended_at", "moment"):
        found[name] = iso_or_none(found[name])
    return found


def _dry_run(state: AudienceState, files: AudienceFiles, wanted: Sequence[Definition], *, as_json: bool) -> int:
    """Print what would be sent: counts, and the first events exactly as they would go into the outbox."""
    from engine.commands.output.text import Display

    syncer = syncer_of(state, files, lambda _run: None, lambda: False)
    found, display = [], Display(sys.stdout)
    for each in wanted:
        preview = syncer.preview(each, files.now)
        events = [json.loads(raw) for raw in preview.events]
        found.append({**run_json(preview.run), "events": events})
        if as_json:
            continue
        names = ", ".join(preview.run.connections) or "no enabled connection"
        click.echo(f"{each.key}: {_counts(preview.run, each.kind)}")
        added = [name for name in preview.run.added if len(preview.run.added) < len(preview.run.connections)]
        new = f" New here, so every member is sent: {', '.join(added)}." if added else ""
        click.echo(f"  {counted(preview.run.total, 'event')} would be sent to {names}.{new}")
        if preview.run.message:
            click.echo(f"  {preview.run.state.capitalize()}. {preview.run.message}")
        for event in events[:SHOWN]:
            for line in display.fold(event, 2):
                click.echo(line)
        if preview.run.total > SHOWN:
            click.echo(f"  ... and {preview.run.total - SHOWN} more")
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    return 0
