"""Between the columns of the tables and what the engine speaks of: values for statements, and rows made of answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.delivery.rows import DUPLICATE, NOT_SENT_YET, Change, Chosen, Listed, Purged
from engine.records import Outcome


def finish(change: Change, now: float) -> tuple[Any, ...]:
    """Give the values of a change."""
    _, outcome, reason, said, digest, progress, tried_at = change
    return outcome.value, reason, said, digest, progress, tried_at, now, change.place


def counts(rows: Iterable[Any]) -> dict[tuple[str, Outcome], int]:
    """Read counts by connection and outcome."""
    return {(name, Outcome(outcome)): count for name, outcome, count in rows}


def first_state(*, duplicate: bool) -> tuple[str, str]:
    """Give the outcome and the reason with which a state begins."""
    return (Outcome.IGNORED.value, DUPLICATE) if duplicate else (Outcome.WAITING.value, NOT_SENT_YET)


def words(outcomes: Iterable[Outcome]) -> str:
    """Write outcomes as statements look for one among them."""
    return "".join(f" {outcome.value} " for outcome in outcomes)


def chosen_values(chosen: Chosen) -> dict[str, Any]:
    """Give the values that choose states."""
    return {**chosen._asdict(), "outcomes": words(chosen.outcomes)}


def listed(rows: Iterable[Any]) -> list[Listed]:
    """Read states."""
    return [Listed._make(row)._replace(outcome=Outcome(row[4])) for row in rows]


def purged(ended: Mapping[str, int], events: int) -> Purged:
    """Read what went."""
    return Purged({Outcome(outcome): count for outcome, count in ended.items()}, events)
