"""Which field of an event is used where: the rows of `engine fields`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from engine.mapping.flows import ITEMS, Flow, Sent, declared_personal, kinds, reaches, sent
from engine.mapping.load import Loaded
from engine.mapping.personal import KINDS, Names
from engine.mapping.privacy import shown_names
from engine.mapping.problems import Mark
from engine.records import JsonObject

CLEAR, HASHED, CONDITION = "clear", "hashed", "condition"


class FieldUse(NamedTuple):
    """A field in one part of one request; `kinds` are those of personal data that it is, or `may_hold`."""

    destination: str
    sent: Sent
    kinds: tuple[str, ...]
    may_hold: bool
    mark: Mark

    @property
    def flow(self) -> Flow:
        """What becomes of the field."""
        return self.sent.flow

    @property
    def field(self) -> str:
        """The field, as a path."""
        return shown_names(self.flow.names)

    @property
    def form(self) -> str:
        """How it is sent: `clear`, `hashed`, or not at all, only read for a `condition`."""
        return CONDITION if self.flow.decides else HASHED if self.flow.hashed else CLEAR

    @property
    def target(self) -> str:
        """The vendor's field, '' where it is the whole part."""
        return ".".join(self.flow.target).replace(f".{ITEMS}", ITEMS)

    def as_json(self) -> JsonObject:
        """Return the row as `--format json` prints it."""
        flow = self.flow
        return {
            "field": self.field,
            "kinds": [*self.kinds],
            "may_hold": self.may_hold,
            "form": self.form,
            "function": flow.hashed or None,
            "destination": self.destination,
            "call": self.sent.call,
            "request": self.sent.request,
            "part": self.sent.part,
            "target": self.target,
            "only": None if flow.only is None else [*sorted(flow.only)],
            "except": [*sorted(flow.but)],
            "through": [*flow.through],
            "file": self.mark.file,
            "line": self.mark.line,
            "column": self.mark.column,
        }


def field_uses(loaded: Loaded) -> Iterator[FieldUse]:
    """Return the uses of a mapping without errors; of its settings only those that are personal."""
    mapping = loaded.mapping
    found = list(sent(mapping))
    declared = declared_personal(found)
    for each in found:
        named = kinds(mapping, each, declared)
        if each.flow.names[:1] == ("settings",) and not named:
            continue
        place, column, key = each.flow.written
        resolved = loaded.resolved
        mark = resolved.key_mark_inside(place, column) if key else resolved.mark_inside(place, column)
        may_hold = any(len(field) > len(each.flow.names) for field in named.values())
        yield FieldUse(mapping.name, each, tuple(kind for kind in KINDS if kind in named), may_hold, mark)


def matches(use: FieldUse, wanted: str) -> bool:
    """Whether a use is of a kind of personal data, of a field, or of a field with that last name."""
    if wanted in use.kinds or use.flow.names[-1:] == (wanted,):
        return True
    names: Names = tuple(wanted.replace("[]", f".{ITEMS}").split("."))
    return len(names) > 1 and reaches(use.flow, names)
