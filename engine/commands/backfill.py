"""`engine backfill`: history goes into the outbox, planned and counted by Spark first; stops and resumes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from engine.commands.backfill_target import BackfillTarget, backfill_target
from engine.commands.options import FILE, SettingsOptions, outbox_option, parse_time, settings_options
from engine.commands.shared import FOUND, INTERRUPTED, counted
from engine.delivery.outbox.base import DEFAULT_FILE
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.backfill.counts import Counts
    from engine.backfill.history import HistoryJob
    from engine.backfill.inputs import HistoryFiles
    from engine.backfill.work import FeedPosition, InputFile, WorkFolder, WorkPlan
    from engine.delivery.outbox.location import Location
    from engine.records import Json

GUARD = 0.01
"""The part of the rows that may be unusable, invalid or rejected before a person is asked."""

TOO_MANY = (
    "{share:.1%} of the rows cannot be used, or would be invalid or rejected; more than {guard:.0%} needs a yes. "
    "Correct the mapping or the input, or run the command again with --yes."
)
NEW_MAPPING = (
    "The mapping of {names} changed since this backfill was planned. See what it makes of the events now with "
    "--dry-run; then add --yes to go on with it, or put the old one back."
)
LINE_EVERY = 60.0
"""Seconds between two lines of progress where there is no terminal."""

CUT_SHORT = "Interrupted. Run the same command to continue."
WAITS = (
    "Feeding waits: {waiting:,} events wait for {name} in the outbox. It goes on as they are delivered; if nothing "
    "delivers, start engine serve, or see engine outbox status."
)


class BackfillOptions(NamedTuple):
    """What was typed, checked; times in Unix seconds, `rate` '' without one."""

    addresses: tuple[str, ...]
    outbox: Location
    since: float | None
    until: float | None
    rate: str
    yes: bool


@click.command("backfill")
@click.argument("names", nargs=-1, metavar="[MAPPING...]")
@click.option(
    "--from",
    "addresses",
    multiple=True,
    required=True,
    metavar="PATH",
    help="A file or folder of events: Parquet, JSON, NDJSON, also .gz; s3a:// with your Spark's settings. Repeatable.",
)
@outbox_option("outbox", also=("--to",), default=DEFAULT_FILE)
@settings_options
@click.option("--source", metavar="NAME", help="A source of a connections file; MAPPING then names its connections.")
@click.option(
    "--connections", "connections_file", type=FILE, help="With --source: the file (default: connections.yaml)."
)
@click.option("--since", metavar="TIME", help="Only events of this time or later: 2026-01-31, or how long ago, 90d.")
@click.option("--until", metavar="TIME", help="Only events before this time.")
@click.option("--rate", default="", metavar="RATE", help="Events to feed at most, such as 500/s (default: no limit).")
@click.option("--work", type=click.Path(path_type=Path), help="Folder of its shards (default: backfill-ID, by input).")
@click.option("--dry-run", is_flag=True, help="Plan and count; queue nothing.")
@click.option("--yes", is_flag=True, help="Feed also if much of it cannot be used, or if a mapping changed since.")
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    names: tuple[str, ...],
    addresses: tuple[str, ...],
    outbox: Location,
    settings: SettingsOptions,
    source: str | None,
    connections_file: Path | None,
    since: str | None,
    until: str | None,
    rate: str,
    work: Path | None,
    dry_run: bool,
    yes: bool,
) -> int:
    """Plan history for each MAPPING with Spark, then feed it into the outbox, from which engine serve delivers it.

    With --source, it is for connections of a connections file; without names, for all of that source.

    The events of a user stay in their order. To continue after an interruption of any kind, run the same command
    again: no event is queued twice.

    Exit code 0: everything was queued; 1: something is wrong with the input, or too much of it; 2: wrong usage;
    4: the outbox cannot be used; 130: interrupted.
    """
    from engine.backfill.cluster import check_extra
    from engine.backfill.work import WorkFolder

    now = time.time()
    first, last = _span(since, until, now)
    options = BackfillOptions(addresses, outbox, first, last, _rate(rate), yes)
    target = backfill_target(names, source, connections_file, settings)
    check_extra("pyarrow")
    arguments = _arguments(options, target, since, until)
    folder = WorkFolder(work or Path(f"backfill-{_id(arguments)}"))
    if dry_run:
        counts = _planned(options, target, now, lambda _counts, _write: None)[0]
        return FOUND if counts.bad_share() > GUARD else 0
    with folder.lock():
        plan = _resumed(folder, options, target, arguments) or _begun(folder, options, target, arguments, now)
        return FOUND if plan is None else _fed(folder, plan, options, target)


def _span(since: str | None, until: str | None, now: float) -> tuple[float | None, float | None]:
    first, last = (None if text is None else parse_time(text, now) for text in (since, until))
    if first is not None and last is not None and first >= last:
        raise UsageError("--since must be before --until.")
    return first, last


def _rate(text: str) -> str:
    from engine.delivery.sending.pacing import TokenBucket

    try:
        TokenBucket(text, 0.0)
    except ValueError as error:
        raise UsageError(f"--rate: {error}.") from error
    return text


def _arguments(
    options: BackfillOptions, target: BackfillTarget, since: str | None, until: str | None
) -> dict[str, Json]:
    """Return what decides which events are fed where; times as they were typed, because `90d` is later tomorrow."""
    return {
        "from": [str(each) for each in options.addresses],
        "source": target.source.name,
        "connections": [each.name for each in target.connections],
        "outbox": str(options.outbox if not isinstance(options.outbox, Path) else options.outbox.absolute()),
        "since": since,
        "until": until,
    }


def _id(arguments: Mapping[str, Json]) -> str:
    import orjson

    return blake2b(orjson.dumps(arguments), digest_size=4).hexdigest()


def _resumed(
    folder: WorkFolder, options: BackfillOptions, target: BackfillTarget, arguments: Mapping[str, Json]
) -> WorkPlan | None:
    """Return what was planned before, if it still holds; raises BackfillError and UsageError where it does not."""
    from engine.backfill.inputs import seen_again
    from engine.backfill.work import check_unchanged

    plan = folder.plan()
    if plan is None:
        return None
    check_unchanged(folder.path, plan, arguments, seen_again(options.addresses, plan.inputs))
    changed = [each.name for each in target.connections if plan.mappings.get(each.name) != each.digest()]
    if changed and not options.yes:
        raise UsageError(NEW_MAPPING.format(names=", ".join(changed)))
    click.echo(f"Continuing {folder.path}: {folder.position(plan).fed:,} of {plan.events:,} events were fed.")
    return plan


def _begun(
    folder: WorkFolder, options: BackfillOptions, target: BackfillTarget, arguments: Mapping[str, Json], now: float
) -> WorkPlan | None:
    """Plan, and write shards; None where too much of the input is not fit, and nobody said yes."""
    from engine.backfill.shards import found_shards
    from engine.backfill.work import BackfillError, WorkPlan

    written = False

    def shard(counts: Counts, write: Callable[[Path], None]) -> None:
        nonlocal written
        if counts.bad_share() > GUARD and not options.yes and not _agreed(counts):
            return
        if counts.to_feed:
            write(folder.path)
        written = True

    counts, files = _planned(options, target, now, shard)
    if not written:
        return None
    shards = found_shards(folder.path) if counts.to_feed else []
    found = sum(each.rows for each in shards)
    if found < counts.to_feed:
        raise BackfillError(
            f"Only {found:,} of {counts.to_feed:,} events are in {folder.path}. If Spark runs on other machines, name "
            "a folder with --work that they and this one share. If the input was written meanwhile, run this again."
        )
    digests = {each.name: each.digest() for each in target.connections}
    plan = WorkPlan(arguments, files, digests, shards, counts.as_json())
    folder.write_plan(plan)
    return plan


def _agreed(counts: Counts) -> bool:
    text = TOO_MANY.format(share=counts.bad_share(), guard=GUARD)
    if sys.stdin.isatty() and sys.stderr.isatty():
        return click.confirm(f"{text.partition(';')[0]}. Feed the others?", err=True)
    click.echo(f"{text} Nothing was queued.", err=True)
    return False


def _planned(
    options: BackfillOptions,
    target: BackfillTarget,
    now: float,
    use: Callable[[Counts, Callable[[Path], None]], None],
) -> tuple[Counts, list[InputFile]]:
    """Count with Spark and print it; `use` gets the counts, and what writes the shards."""
    from engine.backfill.cluster import HistoryFrames, check_extra, spark_session
    from engine.commands.output.backfill import plan_lines

    check_extra("pyspark", "pandas")
    job = _job(options, target, now)
    with ExitStack() as stack:
        files = _local_files(options)
        spark = stack.enter_context(spark_session())
        files = files or _files(options, spark)
        click.echo(f"Planning {counted(len(files.all), 'file')} with Spark ...", err=True)
        frames = HistoryFrames(spark, files, target.archived_source)
        counts = frames.count(job)
        for line in plan_lines(counts, len(files.all), target.connections, options.rate):
            click.echo(line)
        use(counts, lambda folder: frames.write(job, counts, folder))
    return counts, files.all


def _local_files(options: BackfillOptions) -> HistoryFiles | None:
    """Return the files, if all are of this machine: what is wrong with them is said before Spark starts."""
    from engine.backfill.inputs import LocalFiles, find, is_local, sorted_out

    if not all(is_local(each) for each in options.addresses):
        return None
    store = LocalFiles()
    return sorted_out(find(options.addresses, store), store)


def _files(options: BackfillOptions, spark: Any) -> HistoryFiles:
    from engine.backfill.cluster import HadoopFiles
    from engine.backfill.inputs import find, sorted_out

    store = HadoopFiles(spark)
    return sorted_out(find(options.addresses, store), store)


def _job(options: BackfillOptions, target: BackfillTarget, now: float) -> HistoryJob:
    from engine.backfill.history import HistoryJob, JobConnection
    from engine.delivery.intake import iso
    from engine.spark.jobs import new_job

    received_at = iso(now)
    connections = []
    for each in target.connections:
        destination, settings = each.connection.destination, target.settings[each.name]
        job = new_job(destination, settings, connection=each.name, received_at=received_at)
        connections.append(JobConnection(job, each.calls, each.when))
    by = target.source.partition_by or None
    return HistoryJob(target.source.name, received_at, now, options.since, options.until, by, tuple(connections))


def _fed(folder: WorkFolder, plan: WorkPlan, options: BackfillOptions, target: BackfillTarget) -> int:
    from engine.backfill.counts import counts_of
    from engine.backfill.feeding import FeedHooks, FeedTarget, feed
    from engine.backfill.intake import opened_intake
    from engine.commands.output.backfill import end_lines
    from engine.delivery.process import Shutdown, on_signals

    shutdown, names = Shutdown(), [each.name for each in target.connections]
    position = folder.position(plan)
    largest = counts_of(plan.counts).largest
    with (
        on_signals(shutdown),
        _progress(plan, position) as progress,
        opened_intake(options.outbox, target.source, names, largest) as outbox,
    ):
        hooks = FeedHooks(time.time, time.sleep, lambda: shutdown.requested, outbox.stored, progress.waits)
        for position in feed(outbox.intake, folder, plan, FeedTarget(target.source.name, names), options.rate, hooks):
            progress.fed(position)
    for line in end_lines(plan, position):
        click.echo(line)
    if position.fed < plan.events:
        click.echo(CUT_SHORT, err=True)
        return INTERRUPTED
    return 0


class FeedProgress(NamedTuple):
    """How to show how far it is: `fed` after each pack, `waits` while the outbox has to be delivered first."""

    fed: Callable[[FeedPosition], object]
    waits: Callable[[str, int], object]


@contextmanager
def _progress(plan: WorkPlan, begin: FeedPosition) -> Iterator[FeedProgress]:
    """Show a bar with the time to go on standard error; where that is no terminal, a line now and then."""
    said: set[str] = set()
    if not sys.stderr.isatty():
        lines = _ProgressLines(plan.events, begin.fed)
        yield FeedProgress(lines.fed, lambda name, waiting: _say_once(said, name, waiting, _to_stderr))
        return
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True, markup=False, highlight=False, emoji=False)
    columns = (bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeRemainingColumn())
    with bars.Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task("events", total=plan.events, completed=begin.fed)
        yield FeedProgress(
            lambda position: bar.update(task, completed=position.fed),
            lambda name, waiting: _say_once(said, name, waiting, console.print),
        )


def _to_stderr(text: str) -> None:
    click.echo(text, err=True)


def _say_once(said: set[str], name: str, waiting: int, show: Callable[[str], object]) -> None:
    if name not in said:
        said.add(name)
        show(WAITS.format(name=name, waiting=waiting))


class _ProgressLines:
    """Progress for a log: a line every LINE_EVERY seconds."""

    def __init__(self, total: int, begin: int) -> None:
        self._total, self._begin = total, begin
        self._began = self._said = time.monotonic()

    def fed(self, position: FeedPosition) -> None:
        """Say how far it is, if it is time."""
        from engine.commands.output.text import duration

        now = time.monotonic()
        if now - self._said >= LINE_EVERY:
            self._said = now
            left = (self._total - position.fed) * (now - self._began) / max(1, position.fed - self._begin)
            _to_stderr(f"{position.fed:,} of {self._total:,} events fed, {duration(left)} to go")
