"""Deletions of users: what became of each, system by system, and what a person still has to do.

No page has an ID: a deletion that ended keeps none, and those of one that runs are nobody's to read.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.console.outbox import looked
from engine.console.rendering import page
from engine.deletion.archived import ARCHIVED
from engine.deletion.reporting import is_to_do, report_lines
from engine.deletion.steps import state_of
from engine.delivery.outbox import deletions
from engine.delivery.outbox.looking import connection_rows
from engine.delivery.outbox.removal import EVENTS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from engine.console.site import Site
    from engine.delivery.outbox.deletions import Deletion

TITLE = "Deletions"
PATH = "/deletions"
ORDER = 36
needs_outbox = needs_file = True
SHOWN = 100
"""Deletions of the list, the newest first."""
KINDS = {"done": "good", "attention": "bad", "waiting": "info", "removing": "info"}
NOT_THERE = "There is no deletion {number}. One that ended more than two years ago is not listed."


class ReportLine(NamedTuple):
    """A line of a deletion's report; `to_do` is whether a person has to do something."""

    system: str
    text: str
    to_do: bool


class ShownDeletion(NamedTuple):
    """A deletion as a page shows it; times are Unix seconds, `events` counts those that were removed."""

    number: int
    state: str
    kind: str
    requested_at: float
    requested_by: str
    suppress: bool
    ended_at: float | None
    events: int
    report: tuple[ReportLine, ...]

    @property
    def to_do(self) -> tuple[ReportLine, ...]:
        """What a person has to do."""
        return tuple(each for each in self.report if each.to_do)


class DeletionsReading(NamedTuple):
    """The newest deletions; `running` is how many have not ended, `suppressed` how many IDs are."""

    found: tuple[ShownDeletion, ...]
    running: int
    more: bool


def routes(site: Site) -> list[Route]:
    """Return the page's routes."""
    assert site.outbox_file is not None
    file: Path = site.outbox_file

    async def show(request: Request) -> Response:
        reading = await looked(file, partial(read, number=None))
        command = f"engine delete --user ID --outbox {shlex.quote(str(file))}"
        return page(request, "deletions.html", reading=reading, shown=SHOWN, command=command)

    async def show_one(request: Request) -> Response:
        number = request.path_params["number"]
        reading = await looked(file, partial(read, number=number)) if number < 2**63 else None
        if reading is None or not reading.found:
            raise HTTPException(404, NOT_THERE.format(number=number))
        return page(request, "deletion.html", deletion=reading.found[0])

    return [Route(PATH, show), Route(f"{PATH}/{{number:int}}", show_one)]


def read(db: sqlite3.Connection, number: int | None) -> DeletionsReading:
    """Return the newest deletions, or the one with a number; a function for `OutboxFile.look`."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'deletions'").fetchone():
        return DeletionsReading((), 0, more=False)  # the file of an older version
    held = {row.name: row.held for row in connection_rows(db) if row.held}
    found: Sequence[Deletion] = deletions.listed(db, number=number, limit=SHOWN + 1)
    shown = tuple(_shown(each, deletions.counted(db, each.number), held) for each in found[:SHOWN])
    return DeletionsReading(shown, sum(deletions.at_steps(db).values()), more=len(found) > SHOWN)


def _shown(deletion: Deletion, counts: Mapping[str, int], held: Mapping[str, str]) -> ShownDeletion:
    report = tuple(ReportLine(system, text, is_to_do(text)) for system, text in report_lines(deletion, counts, held))
    state = state_of(deletion)
    return ShownDeletion(
        deletion.number, state, KINDS.get(state, ""), deletion.requested_at, deletion.requested_by,
        deletion.suppress, deletion.ended_at, counts.get(EVENTS, 0) + counts.get(ARCHIVED, 0), report,
    )  # fmt: skip
