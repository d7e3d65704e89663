"""The fields of many events that reach no request, as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator

from engine.commands.output.text import Display, shortened
from engine.commands.shared import counted
from engine.explaining.unread import Count, UnreadCounter
from engine.language.texts import compact_json, visible
from engine.records import Json, JsonObject, Secrets, masked

SHOWN = 200
"""Rows of the table; more are counted, and `--format ndjson` has all."""

SHORTEST = 16


def rows(counter: UnreadCounter) -> list[tuple[str, Count]]:
    """Return the fields that reached no request in some event: those that never do first, the most frequent first."""
    found = [(name, count) for name, count in counter.fields.items() if count.unread]
    return sorted(found, key=lambda row: (-row[1].unread / row[1].events, -row[1].unread, row[0]))


def unread_json(name: str, counter: UnreadCounter, secrets: Secrets) -> Iterator[JsonObject]:
    """Yield one object for each field."""
    for field, count in rows(counter):
        found: dict[str, Json] = {"destination": name, "field": field, "events": count.events, "unread": count.unread}
        yield {**found, "sample": masked(count.sample, secrets)}


def unread_text(name: str, counter: UnreadCounter, secrets: Secrets, display: Display) -> str:
    """Return the table: in how many events a field reached no request, which share of those that have it, a sample."""
    found = rows(counter)
    title = f"{name}: {counted(len(found), 'field')} reached no request, in {counted(counter.events, 'planned event')}"
    lines = [display.paint(title, "title")]
    width = max(len("events"), len(str(counter.events)))
    for field, count in found[:SHOWN]:
        share = 100 * count.unread / count.events
        figures = f"  {count.unread:>{width}}  {'<1' if 0 < share < 1 else int(share):>3} %  {visible(field)}  "
        room = max(SHORTEST, display.width - len(figures))
        sample = shortened(visible(compact_json(masked(count.sample, secrets))), room)
        lines.append(figures + display.paint(sample, "place"))
    if found:
        lines.insert(1, display.paint(f"  {'events':>{width}}  share  field  and its first value", "place"))
    if len(found) > SHOWN:
        lines.append(f"  and {len(found) - SHOWN} more; --format ndjson has all")
    if counter.uncounted:
        lines.append(f"  {counted(counter.uncounted, 'more field')} of single events not counted: too many names")
    return "".join(f"{line}\n" for line in lines)
