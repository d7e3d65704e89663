"""Reads the conditions of a definition, and the computation of a trait, with the place of each error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, cast

from engine.audiences import where
from engine.audiences.rules import (
    AGGREGATIONS,
    AllOf,
    AnyOf,
    Computation,
    Condition,
    Did,
    DidNot,
    HasTraits,
    NoneOf,
    Sign,
    Times,
    Where,
)
from engine.errors import PathError
from engine.language.suggest import closest
from engine.language.times import seconds
from engine.mapping.problems import Mark, Message, Problem
from engine.mapping.yaml.document import Document, Point
from engine.mapping.yaml.inside import point_inside
from engine.records import Json, JsonObject, Place, value_at

CODE = "invalid-definition"
KINDS = ("did", "did_not", "traits", "all", "any", "not")
WITH = {
    "did": ("times", "within", "where"),
    "did_not": ("within", "where"),
    "traits": ("where",),
    "all": (),
    "any": (),
    "not": (),
}
"""Each kind of condition, and the keys that may stand beside it."""
CONDITION_KEYS = (*KINDS, "times", "within", "where")
DEFINITIONS = ("An audience", "A computed trait")
OTHER_WORDS = {
    "avg": "average",
    "mean": "average",
    "minimum": "min",
    "maximum": "max",
    "mode": "most_frequent",
    "distinct": "unique_list",
    "unique": "unique_list",
    "event": "did",
    "and": "all",
    "or": "any",
    "filter": "where",
    "query": "sql",
    "schedule": "every",
    "destinations": "connections",
}
"""What people write first, of whom many know SQL or Engage, and the key here."""
MOST_CONDITIONS = 50
DEEPEST = 10
MOST_VALUES = 100
LONGEST_EVENT = 500
LONGEST_WITHIN = 3650 * 86400.0
MOST_TIMES = 1_000_000_000
TIMES = re.compile(r"\s*(<=|>=|!=|==|=|<|>)?\s*([0-9]{1,10})\s*")
EVENT_ROOTS = tuple(where.ROOTS)
USER_ROOTS = ("traits",)


class DefinitionFault(NamedTuple):
    """One error in the file, and where: at a value, at its key, or at character `offset` (from 0) of a text."""

    place: Place
    message: str
    on_key: bool = False
    offset: int | None = None

    def problem(self, document: Document) -> Problem:
        """Return it as a problem of the file."""
        return Problem.at(self._mark(document), self.place, Message(CODE, self.message))

    def _mark(self, document: Document) -> Mark:
        """Return its line and column in the file."""
        if self.on_key:
            return document.key_mark(self.place)
        mark = document.mark(self.place)
        if self.offset is None:
            return mark
        text = str(value_at(document.value, self.place))
        inside = point_inside(document, Point(mark.line - 1, mark.column - 1), text, self.offset)
        return Mark(mark.file, inside.line + 1, inside.column + 1)


def meant(key: str, known: Sequence[str]) -> str | None:
    """Return the key that was probably meant by an unknown one, None if there is no guess."""
    word = OTHER_WORDS.get(key.lower())
    return word if word in known else closest(key, known)


class ConditionReader:
    """Base of the reader of definitions: collects faults, so that one does not hide another."""

    def __init__(self, document: Document) -> None:
        self.faults: list[DefinitionFault] = []
        self._document = document
        self._conditions = 0

    def fault(self, place: Place, message: str, *, on_key: bool = False, offset: int | None = None) -> None:
        """Note an error."""
        self.faults.append(DefinitionFault(place, message, on_key, offset))

    def mark(self, place: Place) -> Mark:
        """Return where a value is written."""
        return self._document.mark(place)

    def unknown_key(self, place: Place, owner: str, known: Sequence[str]) -> None:
        """Note a key that `owner` does not have, with the one that was probably meant."""
        key = str(place[-1])
        guess = meant(key, known)
        advice = f"Did you mean {guess}?" if guess else f"Available: {', '.join(known)}."
        for words, section in ((AGGREGATIONS, "computed_traits"), (KINDS, "audiences")):
            if key in words and owner in DEFINITIONS:
                advice = f"{key} is for definitions under {section}."
        self.fault(place, f'{owner} has no key "{place[-1]}". {advice}', on_key=True)

    @staticmethod
    def has_near(value: JsonObject, *keys: str) -> bool:
        """Whether one of the keys seems to be there under a wrong name, which is reported as an unknown key."""
        return any(meant(each, keys) for each in value if each not in keys)

    def duration(self, place: Place, value: Json, key: str) -> float | None:
        """Read a duration such as 30d, in seconds; None after an error."""
        try:
            found = seconds(value) if isinstance(value, str) and len(value) <= 20 else 0.0
        except ValueError:
            found = 0.0
        if found <= 0:
            self.fault(place, f"{key} must be a time such as 30m, 12h or 30d.")
            return None
        return found

    def top_condition(self, place: Place, value: JsonObject) -> Condition | None:
        """Read the condition of an audience, whose other keys are there too."""
        self._conditions = 0
        return self._condition(place, value, 1, "An audience")

    def computation(self, place: Place, value: JsonObject) -> Computation | None:
        """Read what a computed trait computes; None after an error."""
        self._conditions = 0
        found = [key for key in AGGREGATIONS if key in value]
        if len(found) > 1:
            self.fault((*place, found[1]), f"{found[0]} and {found[1]} cannot stand together.", on_key=True)
            return None
        if not found:
            if not self.has_near(value, *AGGREGATIONS, "sql"):
                self.fault(place, f"A computed trait needs sql or one of {', '.join(AGGREGATIONS)}.")
            return None
        if "did" not in value:
            if not self.has_near(value, "did"):
                self.fault(place, f"{found[0]} needs did: the name of the events it is computed from.")
            return None
        over = self._did(place, value)
        field = self._field((*place, found[0]), value[found[0]])
        return None if over is None or field is None else Computation(found[0], field or None, over)

    def _field(self, place: Place, value: Json) -> tuple[str, ...] | None:
        """Read the field of an aggregation: () for `count: true`, None after an error."""
        if place[-1] == "count" and value is True:
            return ()
        if not isinstance(value, str):
            either = "true, or " if place[-1] == "count" else ""
            self.fault(place, f"{place[-1]} must be {either}a field such as properties.total.")
            return None
        if place[-1] == "count" and value in ("yes", "on", "*", 1):
            self.fault(place, "Write count: true to count events.")
            return None
        try:
            return where.parse_field(value)
        except PathError as error:
            self.fault(place, str(error), offset=error.column - 1)
            return None

    def _condition(self, place: Place, value: Json, depth: int, owner: str) -> Condition | None:
        self._conditions += 1
        if self._conditions == MOST_CONDITIONS + 1:
            self.fault(place, f"A definition has at most {MOST_CONDITIONS} conditions.")
        if depth > DEEPEST:
            self.fault(place, f"Conditions nest at most {DEEPEST} levels.")
        if depth > DEEPEST or self._conditions > MOST_CONDITIONS:
            return None
        if not isinstance(value, dict):
            self.fault(place, "A condition has one of did, did_not, traits, all, any, not.")
            return None
        if depth > 1:
            for key in value:
                if key not in CONDITION_KEYS:
                    self.unknown_key((*place, key), "A condition", CONDITION_KEYS)
        kind = self._kind(place, value, owner)
        if kind is None:
            return None
        return cast("Condition | None", getattr(self, f"_{kind}")(place, value, *([depth] if not WITH[kind] else [])))

    def _kind(self, place: Place, value: JsonObject, owner: str) -> str | None:
        found = [key for key in KINDS if key in value]
        if len(found) > 1:
            message = f"{found[0]} and {found[1]} cannot stand together. Write all: [...] or any: [...]."
            self.fault((*place, found[1]), message, on_key=True)
            return None
        if not found:
            self._no_kind(place, value, owner)
            return None
        for key in ("times", "within", "where"):
            if key in value and key not in WITH[found[0]]:
                self.fault((*place, key), self._not_beside(key, found[0]), on_key=True)
        return found[0]

    def _no_kind(self, place: Place, value: JsonObject, owner: str) -> None:
        beside = next((key for key in ("times", "within", "where") if key in value), None)
        if self.has_near(value, *KINDS, "sql"):
            return
        if beside is None:
            further = "sql or " if owner == "An audience" else ""
            self.fault(place, f"{owner} needs {further}one of {', '.join(KINDS)}.")
        elif beside == "where" and "traits." in str(value["where"]):
            self.fault((*place, beside), "where stands beside did or traits. Write traits: {} too.", on_key=True)
        else:
            self.fault((*place, beside), f"{beside} needs did: the name of the events that count.", on_key=True)

    @staticmethod
    def _not_beside(key: str, kind: str) -> str:
        if key == "times" and kind == "did_not":
            return "did_not takes no times. Write not: { did: ..., times: ... }."
        return f"{key} stands beside {'did' if key == 'times' else 'did or did_not'}, not beside {kind}."

    def _did(self, place: Place, value: JsonObject) -> Did | None:
        event = self._event((*place, "did"), value["did"])
        times = self._times((*place, "times"), value.get("times", ">= 1"))
        within = self._within((*place, "within"), value)
        found = self._where(place, value, EVENT_ROOTS)
        return None if event is None or times is None else Did(event, times, within, found)

    def _did_not(self, place: Place, value: JsonObject) -> DidNot | None:
        event = self._event((*place, "did_not"), value["did_not"])
        within = self._within((*place, "within"), value)
        found = self._where(place, value, EVENT_ROOTS)
        return None if event is None else DidNot(event, within, found)

    def _traits(self, place: Place, value: JsonObject) -> HasTraits | None:
        found = self._where(place, value, USER_ROOTS)
        place, traits = (*place, "traits"), value["traits"]
        if not isinstance(traits, dict):
            self.fault(place, "traits must map traits to values, such as traits: { plan: pro }.")
            return None
        if not traits and "where" not in value:
            self.fault(place, "traits names no trait. Write traits: { plan: pro }, or where: beside it.")
        read = [(name, self._values((*place, name), wanted)) for name, wanted in traits.items()]
        return HasTraits(tuple(read), found)

    def _values(self, place: Place, wanted: Json) -> tuple[Json, ...]:
        values = wanted if isinstance(wanted, list) else [wanted]
        if not values or len(values) > MOST_VALUES or any(isinstance(each, list | dict) for each in values):
            self.fault(place, f"A trait has a value, or a list of 1 to {MOST_VALUES} values of which one holds.")
            return ()
        if (name := str(place[-1])) == "" or re.search(r'["\\\x00]', name):
            self.fault(place, "A trait's name has no quotes and backslashes.", on_key=True)
        for each in values:
            if isinstance(each, str) and re.match(r"\s*([<>]=?|==|!=)\s*-?[0-9]", each):
                self.fault(place, f"traits has values, not comparisons. Write where: traits.{name} {each.strip()}")
        return tuple(values)

    def _all(self, place: Place, value: JsonObject, depth: int) -> AllOf | None:
        found = self._conditions_of((*place, "all"), value["all"], depth)
        return None if found is None else AllOf(found)

    def _any(self, place: Place, value: JsonObject, depth: int) -> AnyOf | None:
        found = self._conditions_of((*place, "any"), value["any"], depth)
        return None if found is None else AnyOf(found)

    def _not(self, place: Place, value: JsonObject, depth: int) -> NoneOf | None:
        found = self._condition((*place, "not"), value["not"], depth + 1, "A condition")
        return None if found is None else NoneOf(found)

    def _conditions_of(self, place: Place, value: Json, depth: int) -> tuple[Condition, ...] | None:
        if not isinstance(value, list) or not value:
            self.fault(place, f"{place[-1]} must be a list of conditions.")
            return None
        read = [self._condition((*place, n), each, depth + 1, "A condition") for n, each in enumerate(value)]
        return None if None in read else cast("tuple[Condition, ...]", tuple(read))

    def _event(self, place: Place, value: Json) -> str | None:
        if isinstance(value, str) and value.strip() and len(value) <= LONGEST_EVENT:
            return value
        word, list_of = place[-1], "all" if place[-1] == "did_not" else "any"
        advice = f" For several, write {list_of}: [{{ {word}: A }}, {{ {word}: B }}]." if type(value) is list else ""
        self.fault(place, f"{place[-1]} must be the name of an event, such as Order Completed.{advice}")
        return None

    def _times(self, place: Place, value: Json) -> Times | None:
        found = TIMES.fullmatch(str(value)) if isinstance(value, str | int) and value is not True else None
        if found is None or int(found[2]) > MOST_TIMES:
            self.fault(place, 'times must be a comparison with a whole number, such as ">= 3".')
            return None
        sign = "=" if found[1] in (None, "==") else found[1]
        return Times(cast("Sign", sign), int(found[2]))

    def _within(self, place: Place, value: JsonObject) -> float | None:
        if "within" not in value:
            return None
        found = self.duration(place, value["within"], "within")
        if found is not None and found > LONGEST_WITHIN:
            self.fault(place, "within must be at most 3650d.")
        return found

    def _where(self, place: Place, value: JsonObject, roots: Sequence[str]) -> Where | None:
        if "where" not in value:
            return None
        text = value["where"]
        if not isinstance(text, str):
            self.fault((*place, "where"), "where must be a condition, such as properties.total > 100.")
            return None
        try:
            return where.parse(text, roots)
        except PathError as error:
            self.fault((*place, "where"), str(error), offset=error.column - 1)
            return None
