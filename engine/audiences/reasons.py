"""Why a user is in an audience or not: each condition of the rule, and what was found for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.audiences.compiling import EventScan, times_of
from engine.audiences.model import Definition
from engine.audiences.rules import Did, DidNot, HasTraits, leaves_of
from engine.language.texts import visible

if TYPE_CHECKING:
    from engine.archive.queries import ArchiveConnection

UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"))


class ConditionReason(NamedTuple):
    """A condition on events or traits as text, whether it holds, and how many events count (None: traits)."""

    condition: str
    holds: bool
    events: int | None

    def __str__(self) -> str:
        found = "" if self.events is None else f": {self.events:,} event{'' if self.events == 1 else 's'}"
        return f"{'holds' if self.holds else 'does not hold'}: {visible(self.condition)}{found}"


def reasons(
    connection: ArchiveConnection, definition: Definition, person_id: str, now: float
) -> list[ConditionReason] | None:
    """Return the conditions of a definition for one user, in the order of the file; None for an unknown user.

    A definition of SQL has none.
    """
    if definition.rule is None:
        return []
    found = list(leaves_of(definition.rule))
    query = EventScan(now).leaves(found, person_id)
    row = connection.execute(query.sql, list(query.parameters)).fetchone()
    return None if row is None else [_reason(each, value) for each, value in zip(found, row, strict=True)]


def _reason(condition: Did | DidNot | HasTraits, found: int | bool) -> ConditionReason:
    if isinstance(condition, HasTraits):
        return ConditionReason(described(condition), bool(found), None)
    return ConditionReason(described(condition), times_of(condition).holds(int(found)), int(found))


def described(condition: Did | DidNot | HasTraits) -> str:
    """Return a condition as the file has it, on one line."""
    if isinstance(condition, HasTraits):
        values = ", ".join(f"{name}: {_listed(each)}" for name, each in condition.values)
        words = [f"traits: {{{values}}}"] if values or condition.where is None else []
    elif isinstance(condition, DidNot):
        words = [f"did_not: {condition.event}"]
    else:
        words = [f"did: {condition.event}", f"times: {condition.times}"]
    if not isinstance(condition, HasTraits) and condition.within is not None:
        words.append(f"within: {duration_text(condition.within)}")
    if condition.where is not None:
        words.append(f"where: {' '.join(condition.where.text.split())}")
    return ", ".join(words)


def duration_text(seconds: float) -> str:
    """Write a duration in the largest unit that it is a whole number of: `30d`."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds % size == 0), (0.001, "ms"))
    return f"{seconds / size:.0f}{unit}"


def _listed(values: Sequence[object]) -> str:
    import json

    texts = [json.dumps(each, ensure_ascii=False) for each in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
