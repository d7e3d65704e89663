"""What the commands of `engine delete` share: the archive, and doing the steps of deletions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click

from engine.commands.archive.shared import DEFAULT_ARCHIVE, check_extra
from engine.commands.options import file_of, with_outbox
from engine.commands.shared import FOUND, WAITING
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.deletion.archived import ArchivedPersons
    from engine.delivery.outbox.deletions import Deletion
    from engine.delivery.outbox.location import Location
    from engine.delivery.outbox.sqlite import SqliteOutbox

P = ParamSpec("P")
R = TypeVar("R")

UNCLEAN = (
    "Remnants are still in the outbox's file: other processes read it all the time. `engine delete resume` tries again."
)

ON_STREAMS = (
    "Events on streams are not deleted one by one: those that ended leave with their age, and `engine outbox purge` "
    "removes what was set aside (engine docs stream)."
)

archive_option = click.option(
    "--archive",
    "archive",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The directory of the archive. Default: archive, if there is one.",
)


def in_file(location: Location) -> Path:
    """Return the file of an outbox; raise UsageError for streams."""
    return file_of(location, "engine delete", ON_STREAMS)


def with_outbox_file(command: Callable[Concatenate[SqliteOutbox, P], R]) -> Callable[P, R]:
    """Pass the outbox to a command, as `with_outbox` does, but not one on streams."""
    return with_outbox(command, in_file)


def elsewhere(directory: Path | None) -> list[ArchivedPersons]:
    """Return the archive, if there is one; raises UsageError for one that is named and is not there."""
    found = directory or DEFAULT_ARCHIVE
    if not (found / "catalog.db").exists():
        if directory is not None:
            raise UsageError(f"There is no archive {directory}; name one with --archive.")
        return []
    from engine.deletion.archived import ArchivedPersons

    check_extra()
    return [ArchivedPersons(found)]


def advance(outbox: SqliteOutbox, archive: Path | None, on_step: Callable[[int, int], None] | None = None) -> int:
    """Do all that can be done now for deletions that have begun; return how many ended."""
    from engine.deletion.steps import SUPPRESS, DeletionSteps

    def report(step: int, found: Sequence[Deletion]) -> None:
        done = sum(each.suppress for each in found) if step == SUPPRESS else len(found)
        if on_step is not None and done:
            on_step(step, done)

    steps = DeletionSteps(outbox, elsewhere(archive), on_step=report)
    ended = steps.run()
    if not steps.clean:
        click.echo(UNCLEAN, err=True)
    return ended


def held_of(outbox: SqliteOutbox) -> dict[str, str]:
    """Return why connections are held."""
    return {row.name: row.held for row in outbox.connections() if row.held}


def counts_of(outbox: SqliteOutbox, found: Sequence[Deletion]) -> Counter[str]:
    """Return what deletions have removed together."""
    from engine.delivery.outbox import deletions

    def total(db: object) -> Counter[str]:
        counts: Counter[str] = Counter()
        for each in found:
            counts.update(deletions.counted(db, each.number))  # type: ignore[arg-type]
        return counts

    return outbox.look(total)


def code_of(found: Sequence[Deletion]) -> int:
    """Return the exit code of deletions."""
    from engine.deletion.steps import state_of
    from engine.deletion.vendors import from_json

    if any(part.by_hand for each in found for part in from_json(each.vendors).values()):
        return FOUND
    return 0 if all(state_of(each) == "done" for each in found) else WAITING
