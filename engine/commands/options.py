"""Options that several commands share: files, settings, which outbox, and which of its events."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar, cast

import click

from engine.commands.shared import did_you_mean
from engine.errors import UsageError

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar
    from click.shell_completion import CompletionItem

    from engine.delivery.outbox.base import Chosen, Listed, Outbox
    from engine.delivery.outbox.location import Location
    from engine.delivery.outbox.sqlite import SqliteOutbox

FILE = click.Path(path_type=Path, dir_okay=False)
DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)
CHUNK = 500
SHORTEST_KEEP = 24 * 3600.0
"""Seconds: the outbox remembers messageIds that long (`WINDOW`), the archive removes whole days."""

_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")
_DAY_OF_YEAR = re.compile(rf"[0-9]{{2}}-[0-9]{{2}} {_TIME_OF_DAY.pattern}")
_WITHOUT_ZONE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:.,]+)?")

P = ParamSpec("P")
R = TypeVar("R")

OUTBOX_VARIABLE = "WAYBILL_OUTBOX"
"""The environment variable that names the outbox where `--outbox` does not."""

MUCH = 2000
"""Messages of the streams from which reading them gets a progress bar."""

NEEDS_FILE = "{command} works on an outbox in a file, and {outbox} is one on streams. {instead}"


class OutboxParameter(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """Where an outbox is, as `--outbox` names it: the path of a file, or the address of streams."""

    name = "outbox"

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> Location:
        """Read what was given; what is wrong with a file is for the outbox to say."""
        from engine.delivery.outbox.location import location_of

        return location_of(value) if isinstance(value, str) else cast("Location", value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return files: addresses cannot be guessed."""
        return click.Path().shell_complete(ctx, param, incomplete)


OUTBOX = OutboxParameter()


def outbox_option(
    name: str = "outbox_file",
    *,
    also: tuple[str, ...] = (),
    default: Path | None = None,
    envvar: str | None = OUTBOX_VARIABLE,
    required: bool = False,
    help: str = "The outbox: a file, or an address nats://HOST:4222/NAME.",  # noqa: A002  as click calls it
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return the decorator that adds `--outbox` to a command, which receives a Location as `name`.

    `also` are other spellings. It has no `envvar` where `--outbox` chooses what a command does, and none where it would
    replace a temporary file.
    """
    if default is not None:
        help += f" Default: {envvar}, or {default}." if envvar else f" Default: {default}."  # noqa: A001
    return click.option(
        *also,
        "--outbox",
        name,
        type=OUTBOX,
        metavar="OUTBOX",
        default=default,
        envvar=envvar,
        required=required,
        help=help,
    )


def default_outbox() -> Location:
    """Return the outbox of a command that names none: that of `WAYBILL_OUTBOX`, or `outbox.db`."""
    from engine.delivery.outbox.base import DEFAULT_FILE
    from engine.delivery.outbox.location import location_of

    named = os.environ.get(OUTBOX_VARIABLE)
    return location_of(named) if named else DEFAULT_FILE


def file_of(location: Location, command: str, instead: str) -> Path:
    """Return the file of an outbox; raise UsageError for streams, which says what to use `instead`."""
    if isinstance(location, Path):
        return location
    raise UsageError(NEEDS_FILE.format(command=command, outbox=location, instead=instead))


mappings_option = click.option(
    "--mappings",
    "directories",
    multiple=True,
    type=DIRECTORY,
    metavar="FOLDER",
    help="Folder of your own mappings (default: WAYBILL_MAPPINGS, or mappings). Repeatable.",
)


def keep_option(option: str, keep: str | None, why_a_day: str) -> float | None:
    """Read how long events are kept, `30d`; raises UsageError for what is no duration, or less than a day."""
    from engine.language.times import seconds

    if keep is None:
        return None
    try:
        duration = seconds(keep)
    except ValueError as error:
        raise UsageError(f"{option}: {error}.") from error
    if duration < SHORTEST_KEEP:
        raise UsageError(f"{option} must be at least 24h: {why_a_day}.")
    return duration


class SettingsOptions(NamedTuple):
    """The options that say where mappings are and what their settings are."""

    directories: tuple[Path, ...] = ()
    file: Path | None = None
    assignments: tuple[str, ...] = ()
    examples: bool = False


def settings_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options for settings to a command, which receives them as one argument, `settings`."""

    @click.option(
        "--settings",
        "settings_file",
        type=FILE,
        help="YAML file of settings by destination; ${env:NAME} stands for an environment variable.",
    )
    @click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help="One setting; DESTINATION.KEY=VALUE for one of several mappings. Repeatable.",
    )
    @click.option("--example-settings", is_flag=True, help="Use the mapping's examples for settings not given.")
    @mappings_option
    @wraps(command)
    def with_settings(
        *,
        directories: tuple[Path, ...],
        settings_file: Path | None,
        assignments: tuple[str, ...],
        example_settings: bool,
        **others: object,
    ) -> R:
        return command(settings=SettingsOptions(directories, settings_file, assignments, example_settings), **others)

    return with_settings


class CoverageOptions(NamedTuple):
    """How the coverage of mappings is shown, and the percentage below which the command fails."""

    style: str = "text"
    fail_under: float | None = None


def coverage_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options for coverage to a command, which receives them as `coverage`; None without --coverage."""

    @click.option(
        "--coverage", "wanted", is_flag=True, help="Also show what of the mappings no example uses, and drafts that do."
    )
    @click.option(
        "--fail-under",
        type=click.FloatRange(0, 100),
        metavar="PERCENT",
        help="With --coverage: fail if the examples use less than this.",
    )
    @click.option(
        "--format",
        "style",
        type=click.Choice(["text", "json", "cobertura"]),
        help="With --coverage: text (the default), JSON, or Cobertura XML; the tests then report on standard error.",
    )
    @wraps(command)
    def with_coverage(*, wanted: bool, fail_under: float | None, style: str | None, **others: object) -> R:
        if not wanted and (fail_under is not None or style is not None):
            raise UsageError("--fail-under and --format are about --coverage: add it.")
        coverage = CoverageOptions(style or "text", fail_under) if wanted else None
        return command(coverage=coverage, **others)

    return with_coverage


own_outbox_option = outbox_option(
    "own_outbox", envvar=None, help="The outbox, a file or an address; may also precede the command's name."
)
"""For a command of a group that has `--outbox` itself."""


def with_outbox(
    command: Callable[Concatenate[SqliteOutbox, P], R], check: Callable[[Location], Location] = lambda found: found
) -> Callable[P, R]:
    """Pass the outbox to a command, opened only when the command runs, so that `--help` needs none.

    `check` raises UsageError for one that the command cannot work on.
    """

    @own_outbox_option
    @wraps(command)
    def opening(*args: P.args, **kwargs: P.kwargs) -> R:
        own = cast("Location | None", kwargs.pop("own_outbox"))
        with open_outbox(check(own or click.get_current_context().obj)) as outbox:
            return command(outbox, *args, **kwargs)

    return opening


@contextmanager
def open_outbox(location: Location, *, create: bool = False) -> Iterator[SqliteOutbox]:
    """Open an outbox; without `create` a missing one is a usage error. A file that cannot be written can be read."""
    if not isinstance(location, Path):
        from engine.stream.outbox import opened_stream

        bar = StreamBar()
        with opened_stream(location, create=create, note=bar.note, progress=bar.progress) as stream:
            yield stream
        return
    from engine.delivery.outbox.file import connect_to_read, is_writable
    from engine.delivery.outbox.sqlite import SqliteOutbox

    path = location
    if not create and _is_missing(path):
        raise UsageError(f"There is no outbox {path}; name one with --outbox.")
    outbox = SqliteOutbox(path) if create or is_writable(path) else SqliteOutbox(path, connect=connect_to_read)
    try:
        yield outbox
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError):
        outbox.verify()  # a value that only damage explains is not an internal error
        raise
    finally:
        outbox.close()


class StreamBar:
    """Shows how much of the streams is left to read into the view, once there is much; and what is wrong with it."""

    def __init__(self) -> None:
        self._bar: ProgressBar[int] | None = None
        self._read = 0

    def note(self, line: str) -> None:
        """Show a line on standard error."""
        from engine.language.texts import visible

        click.echo(visible(line), err=True)

    def progress(self, read: int, messages: int) -> None:
        """Show how many of the messages were read."""
        if self._bar is None and messages >= MUCH and sys.stderr.isatty():
            self._bar = click.progressbar(length=messages, label="reading the streams", file=sys.stderr)
            self._read = 0
        if self._bar is not None:
            self._bar.update(read - self._read)
            self._read = read
            if read >= messages:
                self._bar.render_finish()
                self._bar = None


class LookedAt(NamedTuple):
    """The file in which an outbox is looked at again and again; `trouble` returns why it is not up to date, or ''."""

    file: Path
    trouble: Callable[[], str] = str


@contextmanager
def followed(location: Location) -> Iterator[LookedAt]:
    """Keep what `looked_at` returns up to date for as long as the block lasts."""
    if isinstance(location, Path):
        yield LookedAt(location)
        return
    from engine.stream.view_thread import followed_view

    bar = StreamBar()
    with followed_view(location, note=bar.note, progress=bar.progress) as view:
        yield LookedAt(view.file, lambda: view.trouble)


def looked_at(location: Location) -> Path:
    """Return the file in which an outbox is looked at: its own, or the view of streams, brought up to date."""
    if isinstance(location, Path):
        return location
    with open_outbox(location) as outbox:
        outbox.last_place()  # which reads what the streams have
        return outbox.file


def _is_missing(path: Path) -> bool:
    """Whether there is nothing of an outbox; what else may be wrong with a file is for the outbox to say."""
    try:
        path.stat()
    except FileNotFoundError:
        return not Path(f"{path}-wal").exists()
    except OSError:
        return False
    return False


def check_connection(outbox: Outbox, connection: str) -> None:
    """Raise UsageError for a connection that the outbox does not know."""
    known = [row.name for row in outbox.connections()]
    if connection not in known:
        raise UsageError(f"This outbox has no connection {connection}. {did_you_mean(connection, known)}")


def selected_rows(outbox: Outbox, selected: Chosen) -> Iterator[Listed]:
    """Return all selected rows, in the order of the queue."""
    after = 0
    while rows := outbox.listed(selected, after, CHUNK):
        yield from rows
        after = rows[-1].place


def parse_time(text: str, now: float) -> float:
    """Read a time: how long ago (`2h`, `7d`), a date, or a time as `list` shows it; local time where it has no zone.

    A time of day is the last such one before `now`; `MM-DD HH:MM` is of this year.
    """
    from engine.language.texts import visible
    from engine.language.times import read_time, seconds

    try:
        return now - seconds(text)
    except ValueError:
        dated = _dated(text.strip(), now)
    found = read_time(dated)
    if found is None:
        raise UsageError(
            f'"{visible(text)}" is not a time: write how long ago (30m, 2h, 7d), a time of day (14:30), or a date such '
            "as 2026-01-31 or 2026-01-31T12:00:00Z."
        )
    return _local(found) if _WITHOUT_ZONE.fullmatch(dated) else found


def _dated(text: str, now: float) -> str:
    """Return a time of day, or of a day of this year, with its date; any other text as it is."""
    today = datetime.fromtimestamp(now)  # noqa: DTZ006  local time is meant
    if _DAY_OF_YEAR.fullmatch(text):
        return f"{today.year}-{text}"
    if not _TIME_OF_DAY.fullmatch(text):
        return text
    is_past = text <= today.strftime("%H:%M:%S")
    return f"{today if is_past else today - timedelta(days=1):%Y-%m-%d} {text}"


def _local(found: float) -> float:
    """Return the time that a clock here shows as one in UTC shows `found`; that itself at the ends of the calendar."""
    try:
        return datetime.fromtimestamp(found, UTC).replace(tzinfo=None).timestamp()
    except (OverflowError, OSError, ValueError):
        return found


def clock(received_at: str | None) -> float:
    """Return the time that times are compared with, in Unix seconds: that of `--received-at`, or now."""
    from engine.language.times import read_time

    if received_at is None:
        return time.time()
    found = read_time(received_at)
    if found is None:
        from engine.language.texts import visible

        raise UsageError(f'--received-at: "{visible(received_at)}" is not a time such as 2024-03-05T10:15:30Z.')
    return found
