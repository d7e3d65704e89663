"""The ways to a value of a mapping: what an event must meet so that the value is asked for.

Around a value stand the conditions of its step, the alternatives before its own, loops; around a part, what is around
each value that uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, TypeAlias, cast

from engine.mapping.model import Choice, Each, Entries, Fields, Instruction, Mapping, PathValue, Step, Value
from engine.mapping.walk import children, descendants, parts_of, values_in, values_of
from engine.records import Place
from engine.testing.reaching import TOP, Around, Edits, Proposals

MOST_USERS = 4
"""Of the values that use a part, and of parts inside parts."""
IN_STEP = ("when", "unless", "require", "for_each", "where")
"""In the order in which a step asks for them."""

Need: TypeAlias = list[Edits]
"""What one condition takes, in several proposals."""


class Way(NamedTuple):
    """What must be met on the way to a value, and where the value stands."""

    needs: tuple[Need, ...] = ()
    around: Around = TOP

    def and_(self, *needs: Need, around: Around | None = None) -> Way:
        """Return the way with more needs."""
        return Way((*self.needs, *needs), around or self.around)


class Ways:
    """Finds the ways in one mapping."""

    def __init__(self, mapping: Mapping, proposals: Proposals) -> None:
        self.mapping = mapping
        self.proposals = proposals
        self._needs: dict[str, tuple[Need, ...]] = {}

    def to(self, place: Place, condition: Place | None = None, depth: int = 0) -> Iterator[Way]:
        """Return the ways to the value at a place.

        `condition` is the place of a condition of the value itself, or of its step: those that come after it need not
        be met.
        """
        if place[0] == "calls":
            step = self.mapping.calls[str(place[1])][cast("int", place[2])]
            own = condition if place == step.place and _word(condition) in IN_STEP else None
            values = [step.value] if own is None and step.value is not None else []
            yield self._into(list[Value](values), place, self._through_step(step, own, Way()), condition)
            required = self._required(str(place[1]))
            if required:
                yield self._into(list[Value](values), place, self._through_step(step, own, Way(required)), condition)
        elif place[0] == "parts":
            for way in self._to_part(str(place[1]), depth):
                yield self._into([self.mapping.parts[str(place[1])]], place, way, condition)
        else:
            nouns = {"requests": self.mapping.requests, "batches": self.mapping.batches}.get(str(place[0]), {})
            noun = nouns.get(str(place[1]), self.mapping.http)
            yield self._into(list(values_in(noun)), place, Way(), condition)

    def _to_part(self, name: str, depth: int) -> Iterator[Way]:
        values = (value for value in values_of(self.mapping) if isinstance(value, PathValue))
        users = [value for value in values if name in parts_of(value.path)][:MOST_USERS]
        if depth >= MOST_USERS or not users:
            yield Way()
            return
        for user in users:
            yield from islice(self.to(user.place, depth=depth + 1), MOST_USERS)

    def _required(self, call: str) -> tuple[Need, ...]:
        """Return what the steps of a call need to plan a request at all."""
        if call not in self._needs:
            steps = self.mapping.calls[call]
            values = (step.value for step in steps if step.value is not None and step.for_each is None)
            inner = (each for value in values for each in descendants(value) if isinstance(each, Instruction))
            required = islice((each for each in inner if each.modifiers.required), MOST_USERS)
            self._needs[call] = tuple(list(self.proposals.present(value)) for value in required)
        return self._needs[call]

    def _through_step(self, step: Step, condition: Place | None, way: Way) -> Way:
        propose = self.proposals
        before = IN_STEP[: IN_STEP.index(_word(condition))] if condition is not None else IN_STEP
        if step.when is not None and "when" in before:
            way = way.and_(list(propose.holds(step.when)))
        if step.unless is not None and "unless" in before:
            way = way.and_(list(propose.holds(step.unless, wanted=False)))
        if "unless" in before:
            others = (path for path, _ in step.require if condition is None or condition[-1] != path)
            way = way.and_(*(list(propose.holds(path)) for path in others))
        if step.for_each is not None and "for_each" in before:
            around = propose.in_loop(step.for_each, TOP)
            way = way.and_(list(propose.present(step.for_each)), around=around)
            if step.where is not None and "where" in before:
                way = way.and_(list(propose.holds(step.where, around)))
        return way

    def _into(self, values: list[Value], place: Place, way: Way, condition: Place | None) -> Way:
        """Add what must be met inside one of `values`, down to the value at `place`."""
        found = _around(values, place)
        while found is not None and found.place != place:
            way = self._through(found, place, way)
            found = _around(list(children(found)), place)
        if found is not None and condition is not None and isinstance(found, Instruction):
            way = self._to_condition(found, _word(condition), way)
        return way

    def _through(self, value: Value, place: Place, way: Way) -> Way:
        if isinstance(value, Choice):
            number = cast("int", place[len(value.place)])
            return way.and_(*([self.proposals.without(each, way.around)] for each in value.alternatives[:number]))
        if not isinstance(value, Instruction):
            return way
        way = self._through_loop(value, self._conditions(value, way), filtered=True)
        if isinstance(value.source, Fields):  # a member whose key has no text is not looked at
            key = next(key for key, member in value.source.entries if place[: len(member.place)] == member.place)
            way = way.and_(*(list(self.proposals.holds(hole.path, way.around)) for hole in key.holes))
        return way

    def _conditions(self, value: Instruction, way: Way, before: str = "") -> Way:
        when, unless = value.modifiers.when, value.modifiers.unless
        if when is not None and before != "when":
            way = way.and_(list(self.proposals.holds(when, way.around)))
        if unless is not None and before not in ("when", "unless"):
            way = way.and_(list(self.proposals.holds(unless, way.around, wanted=False)))
        return way

    def _through_loop(self, value: Instruction, way: Way, *, filtered: bool) -> Way:
        source, propose = value.source, self.proposals
        if not isinstance(source, Each | Entries):
            return way
        around = propose.in_source(source, way.around)
        way = way.and_(list(propose.present(source.of, way.around)), around=around)
        if filtered and source.where is not None:
            way = way.and_(list(propose.holds(source.where, around)))
        return way

    def _to_condition(self, value: Instruction, word: str, way: Way) -> Way:
        way = self._conditions(value, way, word)
        if word == "where":
            return self._through_loop(value, way, filtered=False)
        return way.and_(list(self.proposals.present(value, way.around))) if word == "flatten" else way


def _word(condition: Place | None) -> str:
    """Return the word of a condition; behind that of a `require` stands its path."""
    if condition is None:
        return ""
    return "require" if condition[-2] == "require" else str(condition[-1])


def _around(values: list[Value], place: Place) -> Value | None:
    """Return the value that is at a place, or around it."""
    return next((value for value in values if place[: len(value.place)] == value.place), None)
