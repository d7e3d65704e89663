"""What arrived at the vendor beside what was answered 200: lost, twice, and out of order. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from tests.stream.chaos_events import place_of

SHOWN = 5
"""Examples of each kind in a message."""


class Comparison(NamedTuple):
    """The messageIds that were answered 200 and arrived; what is wrong, as messageIds.

    `twice` has a messageId for each time that it came again; `disordered` what came before what it must follow, and
    what was the last of its sender although a later event had come before.
    """

    answered: int
    delivered: int
    lost: list[str]
    twice: list[str]
    disordered: list[str]
    unasked: list[str]

    def faults(self, most_twice: int) -> list[str]:
        """Return what must not be, in words; nothing if all is well."""
        found = [
            (self.lost, "answered 200 and not delivered"),
            (self.disordered, "out of order"),
            (self.unasked, "delivered and never sent"),
            (self.twice if len(self.twice) > most_twice else [], f"delivered again, more than {most_twice:,}"),
        ]
        return [f"{len(ids):,} {what}: {', '.join(ids[:SHOWN])}" for ids, what in found if ids]


def compare(sent: Collection[str], answered: Collection[str], arrived: Sequence[str]) -> Comparison:
    """Return how what arrived, in the order of the vendor, compares to what was sent and what was answered 200.

    Sent again means again from some event on: after each event of a sender comes its next one, or one that was there
    before. So what one sees of a sender in the end is its last event, whatever came twice.
    """
    last: dict[int, int] = {}
    highest: dict[int, int] = {}
    there: set[str] = set()
    twice: list[str] = []
    disordered: list[str] = []
    for message in arrived:
        sender, number = place_of(message)
        if number > last.get(sender, -1) + 1:
            disordered.append(message)
        if message in there:
            twice.append(message)
        there.add(message)
        last[sender] = number
        highest[sender] = max(number, highest.get(sender, -1))
    disordered += [f"{sender}:{number}" for sender, number in last.items() if number < highest[sender]]
    lost = sorted(set(answered) - there, key=place_of)
    unasked = sorted(there - set(sent), key=place_of)
    return Comparison(len(set(answered)), len(there), lost, twice, disordered, unasked)
