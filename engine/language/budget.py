"""The allowance of one event: what its mapping may copy of it, counted while it is copied.

A loop that reads something outside itself repeats that for every item, and a part that is built of another part twice
doubles it: a few kilobytes could become gigabytes.  So what is read there is counted, in characters and values, and an
event that reaches the limit is invalid.  What no loop repeats is not counted: it grows no faster than the event.

The count is entry COPIED of the event's memo, the sizes already measured are entry SIZES.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeAlias

from engine.language.sizes import json_size
from engine.records import Json

MOST_COPIED = 2_000_000
"""Characters and values that loops may read of what is outside them, for one event: some 50 ms of work."""

LONG = 32
"""Characters of a prefix that may be put before any number of keys uncounted."""

MOST_REPORTS = 1000
"""Reports that are kept of one event."""

COPIED, SIZES = 2, 3
Memo: TypeAlias = "list[Any]"


class Invalid(Exception):  # noqa: N818  an outcome, not an error
    """The event cannot be mapped; `place` is where the mapping says so."""

    def __init__(self, place: str, message: str) -> None:
        self.place = place
        self.message = message
        super().__init__(f"{message} ({place})")


class OverLimit(Invalid):
    """The event asks for too much altogether: no single item of a loop is to blame."""


def invalid(place: str, message: str) -> NoReturn:
    """Make the event invalid."""
    raise Invalid(place, message)


def spend(memo: Memo, amount: int, place: str) -> None:
    """Count `amount` characters; the event is invalid where that is too much."""
    memo[COPIED] += amount
    if memo[COPIED] > MOST_COPIED:
        raise OverLimit(place, f"the mapping would copy more than {MOST_COPIED:,} characters and values of this event")


def spend_on(memo: Memo, value: Json, place: str, times: int = 1) -> None:
    """Count a value that lives as long as the event, `times` over; the size of an object or list is kept."""
    if value is None:
        return
    if isinstance(value, str):
        size = len(value)
    elif type(value) is dict or type(value) is list:
        sizes = memo[SIZES]
        if sizes is None:
            sizes = memo[SIZES] = {}
        size = sizes.get(id(value))
        if size is None:
            size = sizes[id(value)] = json_size(value)
    else:
        size = 1  # a number, or the mark of a part that was not needed
    spend(memo, size * times, place)


def spend_on_made(memo: Memo, value: Json, place: str, times: int = 1) -> None:
    """Count a value that was just made, `times` over."""
    if value is not None:
        spend(memo, json_size(value) * times, place)
