"""The reports that the outbox keeps of an event: what was converted or left out on its way, bounded.

They are kept with the state of each connection, because each connection plans the event with its own mapping.  Text in
the file is JSON, so that SQLite can count them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from engine.records import Report, Secrets

MOST_KEPT = 50
"""Reports of one event that are kept for a connection, of the event and of its mapping together."""

MOST_BYTES = 8 * 1024
"""Bytes of their codes, places and messages."""

MORE = "more-reports"


class EventReports(NamedTuple):
    """Reports about the event itself, and those that a connection's mapping made."""

    event: tuple[Report, ...] = ()
    mapping: tuple[Report, ...] = ()


NO_REPORTS = EventReports()


def kept(reports: Sequence[Report], about_event: int, secrets: Secrets) -> EventReports:
    """Return what is kept of reports, of which the first `about_event` are about the event itself.

    Secrets are masked. How many more there were is a report of its own.
    """
    found, size = [], 0
    for report in reports[:MOST_KEPT]:
        masked = report._replace(message=secrets.mask(report.message))
        size += len("".join(masked).encode(errors="surrogatepass"))
        if size > MOST_BYTES:
            break
        found.append(masked)
    mapping = found[about_event:]
    if more := len(reports) - len(found):
        mapping.append(Report(MORE, "event", f"{more} more report{'' if more == 1 else 's'} of this event not kept"))
    return EventReports(tuple(found[:about_event]), tuple(mapping))


def as_text(reports: EventReports) -> str | None:
    """Return reports as the file holds them, None if there are none."""
    if not (reports.event or reports.mapping):
        return None
    lists = {name: [[_text(each) for each in report] for report in part] for name, part in reports._asdict().items()}
    return orjson.dumps(lists).decode()


def from_text(text: str | None) -> EventReports:
    """Return the reports of a text from the file; raises ValueError for any other text."""
    if text is None:
        return NO_REPORTS
    lists = orjson.loads(text)
    try:
        return EventReports(*(tuple(Report(*report) for report in lists[name]) for name in EventReports._fields))
    except (KeyError, TypeError) as error:
        raise ValueError("not reports") from error


def _text(text: str) -> str:
    """Replace half a character, which JSON cannot express, and make the text of a secret its mask."""
    return str(text).encode(errors="replace").decode()
