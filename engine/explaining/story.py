"""What happened inside one value, for people: the paths that were tried, what was made of them, and why nothing came.

All of it was recorded while the compiled mapping ran; only why a path gave nothing is read from the event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from engine.compiler.recording import Kind
from engine.events.spec import FIELDS
from engine.explaining.trace import Item, Node, Note
from engine.language.texts import kind_of, shown
from engine.mapping.model import Each, Entries, Fields, Instruction, ListOf, Mapping, Merge, PathValue, Value
from engine.mapping.problems import place_text
from engine.mapping.types import plain
from engine.mapping.walk import values_of
from engine.records import Json, JsonObject, Place, Report

NOT_THERE = "not there"
MANY_KEYS = 10
"""Keys that were left out of an object and are named; more are counted."""

OWN_OUTPUTS = Fields | Merge | ListOf | Each | Entries
"""Sources whose members are output fields, which have a story of their own."""

QUIET = frozenset({"as", "nulls", "must", "within"})
"""Words that change nothing themselves: each function of `as` is a detail of its own."""


class Detail(NamedTuple):
    """One thing that happened; `kind` is path, condition, function, word, key or value.

    `value` is what it gave, None for nothing, which `note` then explains; `inner` is what it consists of.
    """

    kind: str
    text: str
    place: Place
    value: Json = None
    note: str = ""
    inner: tuple[Detail, ...] = ()


class Storyteller:
    """Tells the stories of one event: `event` is normalized, `reports` are those of its plan."""

    def __init__(self, mapping: Mapping, call: str, event: JsonObject, reports: Iterable[Report]) -> None:
        self.mapping = mapping
        self.values: dict[Place, Value] = {value.place: value for value in values_of(mapping)}
        self._call = call
        self._event = event
        self._reports: dict[str, list[str]] = {}
        for report in reports:
            self._reports.setdefault(report.place, []).append(report.message)

    def story(self, node: Node) -> list[Detail]:
        """Return what happened inside a value, in order."""
        details, last = self._of_items(node.items, node)
        why = self._why_left_out(last, node.place)
        if node.value is None and last is not None and not node.null and why:
            details.append(Detail("value", "", node.place, None, why))
        return details

    def of_items(self, items: Iterable[Item]) -> list[Detail]:
        """Return what happened outside of any value: the conditions of a step."""
        return self._of_items(items, None)[0]

    def _of_items(self, items: Iterable[Item], owner: Node | None) -> tuple[list[Detail], Json]:
        """Return the story, and the value that it ends with."""
        details: list[Detail] = []
        last: Json = None
        functions = 0
        for item in items:
            if isinstance(item, Node):
                if owner is not None and self._has_own_output(owner, item):
                    last = last or {}
                    if owner.value is None and len(details) < MANY_KEYS:
                        name, inner = str(item.place[-1]), tuple(self.story(item))
                        details.append(Detail("key", name, item.place, item.value, "", inner))
                    continue
                details += self.story(item)
                last = item.value
            elif item.kind is Kind.READ:
                details.append(self._read(item, details))
                last = item.value
            elif item.kind is Kind.CONDITION:
                details.append(self._condition(item, details))
                last = None  # what its names gave is not what the value is made of
            elif item.kind is Kind.FUNCTION:
                functions += 1
                details.append(self._function(item, last))
                last = item.value
            elif item.kind is Kind.WORD and owner is not None:
                details += self._word(item, last, owner, functions)
                last = item.value
            elif item.kind is Kind.KEY:
                details += self._key(item)
                last = None
        return details, last

    def _has_own_output(self, owner: Node, inner: Node) -> bool:
        value = self.values.get(owner.place)
        return isinstance(value, Instruction) and isinstance(value.source, OWN_OUTPUTS) and inner.place != owner.place

    def _read(self, note: Note, details: list[Detail]) -> Detail:
        value = self.values.get(note.place)
        names = _taken(details, note.place) if isinstance(value, PathValue) and value.path == note.detail else ()
        inner = tuple(self.story(note.part)) if note.part is not None else names
        why = "" if note.value is not None else self.why_nothing(note, inner)
        return Detail("path", note.detail, note.place, note.value, why, inner)

    def why_nothing(self, note: Note, inner: tuple[Detail, ...] = ()) -> str:
        """Return why a path gave nothing."""
        path = note.detail
        names = plain(path)
        if reported := self._reported(note.place, None):
            return reported
        if not names:
            return "gives nothing"
        root = names[0]
        if root == "parts":
            if note.part is None or note.part.value is None:
                return "" if inner else NOT_THERE
            return _missing(note.part.value, names[1:], names[:2])
        if root == "message" or root in FIELDS.get(self._call, ()):
            return _missing(self._event if root != "message" else {"message": self._event}, names, ())
        if any(root in fields for fields in FIELDS.values()):
            return f"{self._call} calls have no {root}"
        return {"settings": "not set", "saved": "not saved yet", "options": "not among the options"}.get(
            root, NOT_THERE
        )

    def _condition(self, note: Note, details: list[Detail]) -> Detail:
        names = _taken(details, note.place)
        word = next((str(key) for key in reversed(note.place) if isinstance(key, str)), "when")
        holds = note.value is True
        text = f"{word} {note.detail}"
        if note.detail in (names and names[0].text, ""):
            names = names[:1]
        fine = holds != (word == "unless")
        return Detail("condition", text, note.place, fine, "holds" if holds else "does not hold", names)

    @staticmethod
    def _key(note: Note) -> Iterator[Detail]:
        """Tell a key that has `${}` in it, not one that is written as it is."""
        name = str(note.place[-1])
        if note.value != name:
            why = "" if note.value else "the key has no text, so there is no field"
            yield Detail("key", name, note.place, note.value or None, why)

    def _function(self, note: Note, before: Json) -> Detail:
        why = "" if note.value is not None else f"gives nothing for {shown(before)}"
        return Detail("function", note.detail, note.place, note.value, why)

    def _word(self, note: Note, before: Json, owner: Node, functions: int) -> Iterator[Detail]:
        word, value = note.detail, note.value
        if word == "as" and value is None and before is not None:
            yield self._failed_function(owner, note, functions, before)
        elif word == "map" and before is not None:
            yield Detail("word", word, note.place, value, "" if value is not None else self._unmapped(before, owner))
        elif word == "default" and before is None:
            yield Detail("word", word, note.place, value)
        elif word == "required" and value is None:
            yield Detail("word", word, note.place, None, "there is no value, so the event is invalid")
        elif word not in QUIET and before is not None and before != value:
            yield Detail("word", word, note.place, value, self._reshaped(before, value, owner))

    def _reported(self, place: Place, value: Json) -> str:
        """Return what was reported at a place, of several items in a loop that about this value."""
        messages = self._reports.get(place_text(place), [""])
        return next((each for each in messages if each.startswith(shown(value))), messages[0])

    def _failed_function(self, owner: Node, note: Note, functions: int, before: Json) -> Detail:
        value = self.values.get(owner.place)
        uses = value.modifiers.as_ if isinstance(value, Instruction) else ()
        name = uses[functions].name if functions < len(uses) else "as"
        why = self._reported(owner.place, before) or f"gives nothing for {shown(before)}"
        return Detail("function", name, (*note.place, functions), None, why)

    def _unmapped(self, before: Json, owner: Node) -> str:
        return self._reported(owner.place, before) or f"has no entry for {shown(before)}"

    def _reshaped(self, before: Json, after: Json, owner: Node) -> str:
        if not isinstance(before, dict) or not isinstance(after, dict | None):
            return self._reported(owner.place, before)
        lost = [key for key in before if key not in (after or {})]
        named = ", ".join(lost[:MANY_KEYS]) + (f" and {len(lost) - MANY_KEYS} more" if len(lost) > MANY_KEYS else "")
        return f"takes away {named}" if lost else ""

    def _why_left_out(self, last: Json, place: Place) -> str:
        if isinstance(last, str):
            return "blank text is left out (empty_text: drop)" if not last.strip() else ""
        if last in ({}, []):
            return f"an empty {'object' if last == {} else 'list'} that was made here is left out"
        return self._reported(place, last)


def _taken(details: list[Detail], place: Place) -> tuple[Detail, ...]:
    """Take away the names of a condition or an expression, which stand before it."""
    start = len(details)
    while start and details[start - 1].kind == "path" and details[start - 1].place == place:
        start -= 1
    names = tuple(details[start:])
    del details[start:]
    return names


def _missing(value: Json, names: tuple[str, ...], before: tuple[str, ...]) -> str:
    """Return the first step of a path that is not in a value."""
    for number, name in enumerate(names):
        here = ".".join((*before, *names[:number]))
        path = ".".join((*before, *names[: number + 1]))
        if not isinstance(value, dict):
            return f"{here} is {kind_of(value)}, not an object"
        last = number + 1 == len(names)
        if name not in value:
            return NOT_THERE if last else f"no {path}"
        value = value[name]
        if value is None:
            return "null" if last else f"{path} is null"
    return "gives nothing"
