"""How the connections of an outbox stand, as JSON: what `engine outbox status` tells people, for programs."""

from __future__ import annotations

from engine.delivery.intake import iso
from engine.delivery.outbox import Outbox
from engine.delivery.rows import ConnectionRow, advice
from engine.records import Json, JsonObject

MOST_REASONS = 50


def standing(outbox: Outbox) -> JsonObject:
    """Give each connection with its events by outcome, and the commonest reasons of what was not delivered."""
    seen = outbox.overview(MOST_REASONS)
    connections: list[Json] = []
    for row in seen.connections:
        outcomes: JsonObject = {
            outcome.value: count for (name, outcome), count in seen.counts.items() if name == row.name
        }
        connections.append(_connection(row, outcomes, *seen.unfinished.get(row.name, (0, None))))
    reasons: list[Json] = [{**each._asdict(), "outcome": each.outcome.value} for each in seen.reasons]
    return {"connections": connections, "reasons": reasons}


def _connection(row: ConnectionRow, outcomes: JsonObject, unfinished: int, oldest: float | None) -> JsonObject:
    return {
        "name": row.name,
        "outcomes": outcomes,
        "unfinished": unfinished,
        "oldest_queued_at": _time(oldest),
        "held": row.held,
        "hint": advice(row.hint, row.name) if row.held else "",
        "held_at": _time(row.held_at),
        "pause": row.pause,
        "next_try_at": _time(row.due),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)
