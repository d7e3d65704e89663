"""Events of files enter as if a source had sent them: the same rules say what is kept, and the same ids find doubles.

Times are another matter than on the wire: a file may be years old, so nothing is worked out from when it is read.  An
event keeps its own times; only one that has none at all happened, for all we know, now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from engine.collector.discards import Discard, discard
from engine.delivery.intake import Identities
from engine.delivery.rows import NewEvent
from engine.records import JsonObject
from engine.sources.jsonvalue import crowding, kind
from engine.sources.read import Line


def imported(lines: Iterable[Line], source: str, now: str) -> Iterator[tuple[Line, NewEvent | Discard]]:
    """Make the lines of one file events, or say why not; lines that could not be read must be taken out before."""
    identities = Identities(source)
    for line in lines:
        yield line, _event(line, source, identities.of(line), now)


def _event(line: Line, source: str, message_id: str, now: str) -> NewEvent | Discard:
    event, raw = line.value, line.raw
    assert raw is not None
    if not isinstance(event, dict):
        return Discard("bad_request", f"an event is a JSON object; this is {kind(event)}")
    found = discard(event)
    if found is not None:
        return found._replace(message_id=message_id)
    if (reason := crowding(event)) is not None:
        return Discard("bad_request", reason, message_id)
    timed = _timed(event)
    return NewEvent(source, message_id, now, raw if timed is event else orjson.dumps(timed))


def _timed(event: JsonObject) -> JsonObject:
    """Keep Segment's formula from taking the time of the import for the time of receipt."""
    if event.get("timestamp") is None and event.get("receivedAt") is None and event.get("originalTimestamp"):
        return {**event, "timestamp": event["originalTimestamp"]}
    return event
