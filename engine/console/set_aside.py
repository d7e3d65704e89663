"""What the Set aside page shows: groups by reason, and what they would become under another mapping.

Everything is computed from the outbox and the connections, without HTTP.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from engine.console.outbox import look
from engine.console.playground.files import TypedLibrary
from engine.console.searching import EventRow, row_of
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.outbox.aside import AsideGroup, aside_groups, newest_of
from engine.delivery.outbox.base import Discarded, Listed, Waiting
from engine.delivery.outbox.looking import (
    DiscardGroup,
    Found,
    PageEnd,
    connection_rows,
    discard_groups,
    discards,
    stored_at,
)
from engine.delivery.replaying import READ_AT_ONCE, Preview, ReplayEvent, preview
from engine.errors import MappingError, SettingsError, WaybillError
from engine.language.texts import kind_of_reason, visible
from engine.mapping.settings import revealed
from engine.plan import destination
from engine.records import Outcome, unmasked

SHOWN_GROUPS = 200
"""Groups of a page."""
ROWS = 50
MOST_PREVIEWED = 1000
"""Events that a preview plans, the newest ones of a group."""
MOST_EXAMPLES = 5
"""Examples of each change that a preview shows."""
MOST_CHANGES = 20
"""Different outcomes and kinds of reasons that a preview tells apart."""
OTHER_REASONS = "other reasons"
REFUSED = (Outcome.REJECTED, Outcome.INVALID)
IGNORED = (Outcome.IGNORED,)
LONGEST_MAPPING = 64 * 1024
"""Bytes of a mapping that is given; three times as many as the largest that ships. To compile it delays delivery."""
LARGE_MAPPING = (
    "The mapping has {size:,} bytes; a preview takes {longest:,}. `engine outbox replay --dry-run` takes more."
)
NO_CONNECTION = (
    "This console does not know the connection {name}, so it cannot say what its events would become. "
    "Start it with --connections FILE."
)

TOLD = (
    "The mapping would show secrets of the connection: {names}. Add `secret: true` to these settings, as the "
    "connection's own mapping has it."
)


class AsideReading(NamedTuple):
    """The groups of a page, largest first; `events` counts all of them, `hidden` groups are not shown.

    `more` is whether there are more reasons than were looked at.
    """

    groups: tuple[AsideGroup, ...] = ()
    events: int = 0
    hidden: int = 0
    more: bool = False
    connections: tuple[str, ...] = ()


def read_groups(db: sqlite3.Connection, outcomes: Sequence[Outcome], connection: str | None = None) -> AsideReading:
    """Return the groups that ended with some outcomes; a function for `OutboxFile.look`."""
    found, more = aside_groups(db, outcomes, connection)
    names = tuple(each.name for each in connection_rows(db))
    events, hidden = sum(each.events for each in found), max(0, len(found) - SHOWN_GROUPS)
    return AsideReading(tuple(found[:SHOWN_GROUPS]), events, hidden, more, names)


class GroupReading(NamedTuple):
    """A group with a page of its events; `before` is where the next one begins, '' if there is none."""

    group: AsideGroup
    rows: tuple[EventRow, ...]
    before: str


def find_group(db: sqlite3.Connection, digest: str) -> AsideGroup | None:
    """Return a group by its digest, None if it has no events any more."""
    for outcomes in (REFUSED, IGNORED):  # these are many, and mostly not meant
        found, _ = aside_groups(db, outcomes)
        for each in found:
            if each.digest == digest:
                return each
    return None


def read_group(db: sqlite3.Connection, digest: str, before: PageEnd | None) -> GroupReading | None:
    """Return a group by its digest, None if it has no events any more."""
    group = find_group(db, digest)
    if group is None:
        return None
    found = newest_of(db, group, ROWS + 1, before)
    more = f"{found[ROWS - 1].event}-{found[ROWS - 1].place}" if len(found) > ROWS else ""
    return GroupReading(group, tuple(map(row_of, found[:ROWS])), more)


class DiscardReading(NamedTuple):
    """What was discarded: its groups, or the events of one of its sources; `before` is where the next page begins."""

    groups: tuple[DiscardGroup, ...]
    events: tuple[tuple[int, Discarded], ...]
    before: int | None


def read_discards(db: sqlite3.Connection, source: str | None, before: int | None) -> DiscardReading:
    """Return what was discarded at the door; a function for `OutboxFile.look`."""
    found = discards(db, source, ROWS + 1, before)
    more = found[ROWS - 1][0] if len(found) > ROWS else None
    return DiscardReading(tuple(discard_groups(db, SHOWN_GROUPS)), tuple(found[:ROWS]), more)


# What events would become.


class PreviewedEvent(NamedTuple):
    """An example of a preview."""

    event: int
    message_id: str
    preview: Preview


@dataclass(slots=True)
class PreviewedChange:
    """Events that would become the same: `outcome` with `reason`, which is that of the first one."""

    outcome: Outcome
    reason: str
    events: int = 0
    examples: list[PreviewedEvent] = field(default_factory=list)


class GroupPreview(NamedTuple):
    """What the events of a group would become: how many of how many were planned, by outcome and reason.

    `by` says which mapping planned them, `late` that some are missing because it took too long. `requests` counts what
    would be sent, by method and path, and `others` the requests to further paths; `sent_again` those that were accepted
    under another mapping and are sent again.
    """

    by: str
    previewed: int
    changes: tuple[PreviewedChange, ...] = ()
    requests: tuple[tuple[str, int], ...] = ()
    sent_again: int = 0
    others: int = 0
    late: bool = False


class PreviewError(WaybillError):
    """A preview that cannot be made; the lines of the text say why and what to do."""


def never() -> bool:
    """Whether it is late, for few events."""
    return False


def preview_found(
    path: Path,
    found: Sequence[Found],
    judge: ConfiguredConnection,
    by: str,
    now: float,
    late: Callable[[], bool] = never,
) -> GroupPreview:
    """Return what events of one connection would become, until `late`; READ_AT_ONCE are in memory at a time."""
    changes: dict[tuple[Outcome, str], PreviewedChange] = {}
    requests: Counter[str] = Counter()
    count = again = 0
    for each in _previews(path, found, judge, now, late):
        count += 1
        again += each.sent_again if each.outcome is Outcome.PLANNED else 0
        requests.update(f"{line.method} {line.path}" for line in each.requests if each.outcome is Outcome.PLANNED)
        change = _change(changes, each)
        change.events += 1
        if len(change.examples) < MOST_EXAMPLES:
            change.examples.append(PreviewedEvent(each.row.event, each.row.message_id, each))
    ordered = sorted(changes.values(), key=lambda each: (each.outcome is not Outcome.PLANNED, -each.events))
    shown = tuple(requests.most_common(MOST_EXAMPLES))
    others = requests.total() - sum(number for _, number in shown)
    return GroupPreview(by, count, tuple(ordered), shown, again, others, late())


def _change(changes: dict[tuple[Outcome, str], PreviewedChange], each: Preview) -> PreviewedChange:
    reason = "" if each.outcome is Outcome.PLANNED else each.reason
    key = (each.outcome, kind_of_reason(reason))
    if key not in changes and len(changes) >= MOST_CHANGES:
        key, reason = (each.outcome, OTHER_REASONS), OTHER_REASONS
    return changes.setdefault(key, PreviewedChange(each.outcome, reason))


def _previews(
    path: Path, found: Sequence[Found], judge: ConfiguredConnection, now: float, late: Callable[[], bool]
) -> Iterator[Preview]:
    for start in range(0, len(found), READ_AT_ONCE):
        if late():
            return
        part = {each.place: listed(each) for each in found[start : start + READ_AT_ONCE]}
        waiting = look(path, _stored(list(part)))
        in_time = takewhile(lambda _: not late(), waiting)
        yield from preview((ReplayEvent(part[each.place], each) for each in in_time), judge, now)


def _stored(places: list[int]) -> Callable[[sqlite3.Connection], list[Waiting]]:
    return lambda db: stored_at(db, places)


def listed(found: Found) -> Listed:
    """Return a state as previews know it."""
    return Listed(*found[:8], found.place, found.reports)


def judge_of(connections: Sequence[ConfiguredConnection], name: str) -> ConfiguredConnection:
    """Return the connection whose current mapping judges; raises PreviewError if this console does not know it."""
    for each in connections:
        if each.name == name:
            return each
    raise PreviewError(NO_CONNECTION.format(name=visible(name)))


def judge_by(text: str, current: ConfiguredConnection, directories: Sequence[Path]) -> ConfiguredConnection:
    """Return the connection with another mapping, from its text; raises PreviewError with the mapping's problems."""
    size = len(text.encode(errors="replace"))
    if size > LONGEST_MAPPING:
        raise PreviewError(LARGE_MAPPING.format(size=size, longest=LONGEST_MAPPING))
    library = TypedLibrary(directories, text)
    try:
        target = destination(library.read(library.path))
        wanted, given = target.mapping.settings, current.connection.settings
        if names := revealed(current.mapping, target.mapping):
            raise PreviewError(TOLD.format(names=", ".join(names)))
        connection = target.connect({name: unmasked(each) for name, each in given.items() if name in wanted}, {})
    except SettingsError as error:
        raise PreviewError(f"The mapping needs settings that the connection does not have.\n{error}") from error
    except (MappingError, RecursionError, MemoryError, SyntaxError) as error:
        raise PreviewError(f"The mapping has problems.\n{error}") from error
    return replace(current, connection=connection)


WHY_DISCARDED = {
    "no_user_anon_id": "Each call but alias and delete needs a userId or an anonymousId; blank text, null or "
    "undefined as text do not count.",
    "id_required": "A group call needs a groupId; alias and delete need a userId.",
    "id_not_string": "An id must be text or a whole number.",
    "event_not_defined": "A track call needs the name of its event.",
    "event_not_string": "The name of an event must be text, and not blank.",
    "properties_not_object": "properties must be an object, null, or an empty list.",
    "traits_not_object": "traits must be an object, null, or an empty list.",
    "name_not_string": "The name of a page or screen must be text.",
    "category_not_string": "The category of a page or screen must be text.",
    "empty_batch": "A batch must have events.",
    "event_too_large": "An event of a batch may have 32 KB (`--event-bytes`).",
    "bad_request": "An event must be a JSON object with a known type, nested at most 100 levels deep.",
}
"""The rule behind each code of the collector, for people; Segment's libraries are answered 200 all the same."""
