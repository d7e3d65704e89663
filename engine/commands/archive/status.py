"""`engine archive status`: what is in the archive, what is damaged, how far behind it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.archive.shared import size_text, time_text, with_archive
from engine.commands.shared import FOUND, counted
from engine.records import JsonObject

if TYPE_CHECKING:
    from engine.archive.catalog import ArchiveFile, Catalog
    from engine.archive.status import ArchiveStatus

MOST_DAMAGED = 20
TO_DO = (
    "Damaged files are left out of every answer, and audiences are not synced without them. Restore them from a copy, "
    "or import their days again; `engine archive check` lets a restored file count again, and `engine archive check "
    "--forget` removes the others."
)


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@with_archive
def command(directory: Path, *, as_json: bool) -> int:
    """Show how many events are archived, of which days, and what could not be read.

    Exit code 0: fine; 1: a file is damaged; 2: wrong usage; 4: the archive cannot be used.
    """
    from engine.archive.catalog import Catalog
    from engine.archive.status import archive_status

    with Catalog.open(directory) as catalog:
        found = archive_status(catalog)
        waiting = _behind(catalog)
        people = catalog.get("people_row")
    rows = None if people is None else int(people)
    if as_json:
        click.echo(json.dumps(_json(found, waiting, rows), indent=2))
    else:
        click.echo("\n".join(_lines(directory, found, waiting, rows)))
    return FOUND if found.damaged else 0


def _behind(catalog: Catalog) -> dict[str, int | str]:
    """Return how far behind its outboxes the archive is, or why that is not known."""
    from engine.archive.status import behind, followed_outboxes
    from engine.errors import WaybillError

    found: dict[str, int | str] = {}
    for outbox in followed_outboxes(catalog):
        try:
            found[str(outbox)] = behind(catalog, outbox)
        except WaybillError as error:
            found[str(outbox)] = str(error)
    return found


def _json(found: ArchiveStatus, waiting: dict[str, int | str], people: int | None) -> JsonObject:
    return {
        "events": found.events,
        "invalid": found.invalid,
        "days": found.days,
        "files": found.files,
        "bytes": found.bytes,
        "first": None if found.first is None else time_text(found.first),
        "last": None if found.last is None else time_text(found.last),
        "behind": dict(waiting),
        "gaps": found.gaps,
        "users_behind": None if people is None else max(0, found.last_row - people),
        "damaged": [{"file": each.path, "events": each.rows, "reason": each.damaged} for each in found.damaged],
    }


def _lines(directory: Path, found: ArchiveStatus, waiting: dict[str, int | str], people: int | None) -> list[str]:
    what = f"{counted(found.events, 'event')} of {counted(found.days, 'day')}"
    lines = [f"{directory}: {what}, {size_text(found.bytes)} in {counted(found.files, 'file')}."]
    if found.events:
        lines.append(f"The first is of {time_text(found.first)}, the last of {time_text(found.last)}.")
    if found.invalid:
        lines.append(f"{counted(found.invalid, 'event')} without a valid type, which queries leave out.")
    for outbox, events in waiting.items():
        if isinstance(events, int):
            lines.append(
                f"{outbox}: {counted(events, 'event')} not archived yet." if events else f"{outbox}: all archived."
            )
        else:
            lines.append(f"{outbox}: {events}")
    if found.gaps:
        lines.append(f"{counted(found.gaps, 'event')} left an outbox before being archived.")
    if people is not None:
        late = max(0, found.last_row - people)
        lines.append(f"Users are known from all but the last {counted(late, 'event')}." if late else "Users are known.")
    return [*lines, *damaged_lines(found.damaged)]


def damaged_lines(damaged: tuple[ArchiveFile, ...]) -> list[str]:
    """Return which files are left out because they cannot be read, and what to do."""
    if not damaged:
        return []
    events = sum(each.rows for each in damaged)
    lines = ["", f"{counted(len(damaged), 'file')} cannot be read, with {counted(events, 'event')}:"]
    lines += [f"  {each.path}: {each.damaged}" for each in damaged[:MOST_DAMAGED]]
    if len(damaged) > MOST_DAMAGED:
        lines.append(f"  and {len(damaged) - MOST_DAMAGED} more")
    return [*lines, TO_DO]
