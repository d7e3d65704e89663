"""`extends` and `include`: merging several documents into one that remembers the file of every value."""

from __future__ import annotations

from typing import TypeAlias

from engine.mapping.problems import Mark
from engine.mapping.yaml.reader import Document
from engine.records import Json, JsonObject, Place, value_at

MergeRules: TypeAlias = "dict[str, MergeRules] | None"

# How deep a section merges key by key; a value of the mapping language is always replaced as a whole.
NAMES: dict[str, MergeRules] = {"*": None}
REQUEST: dict[str, MergeRules] = {"headers": NAMES, "query": NAMES, "signature": NAMES, "*": None}
OAUTH2: dict[str, MergeRules] = {"params": NAMES, "*": None}
MERGED: dict[str, MergeRules] = {
    "settings": {"*": NAMES},
    "http": {"headers": NAMES, "signature": NAMES, "oauth2": OAUTH2, "*": None},
    "requests": {"*": REQUEST},
    "batches": {"*": REQUEST | {"results": NAMES}},
    "retry": NAMES,
    "privacy": NAMES,
    "parts": NAMES,
    "calls": NAMES,
    "*": None,
}
NOT_INHERITED = frozenset({"examples", "extends"})


class Resolved:
    """A document merged from several, with the places of each value in its own file."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.extended: str | None = None
        """The name of the mapping that `extends` names, and `base` its document."""
        self.base: Document | None = None
        self.included: dict[str, Document] = {}
        """The documents of parts by the names that `include` gives, also those of which no part is used."""
        self.value: JsonObject = dict(document.value) if isinstance(document.value, dict) else {}
        self._owners: dict[Place, Document] = {(): document}

    @property
    def file(self) -> str:
        """The file that was loaded."""
        return self.document.file

    @property
    def files(self) -> frozenset[str]:
        """All files that values come from."""
        return frozenset(document.file for document in self._owners.values())

    def owner(self, place: Place) -> Document:
        """Return the document that a value came from."""
        for length in range(len(place), -1, -1):
            if place[:length] in self._owners:
                return self._owners[place[:length]]
        return self.document

    def mark(self, place: Place = ()) -> Mark:
        """Return file, line and column of the value at a place."""
        return self.owner(place).mark(place)

    def key_mark(self, place: Place) -> Mark:
        """Return file, line and column of the key at a place."""
        return self.owner(place).key_mark(place)

    def mark_inside(self, place: Place, column: int) -> Mark:
        """Return the place of one character of the text at a place."""
        return self.owner(place).mark_inside(place, str(self.at(place)), column)

    def at(self, place: Place) -> Json:
        """Return the raw value at a place, or null."""
        return value_at(self.value, place)

    def key_mark_inside(self, place: Place, column: int) -> Mark:
        """Return the place of one character of the key at a place."""
        return self.owner(place).key_mark_inside(place, column)

    def extend(self, base: Resolved) -> None:
        """Merge this document over `base`: sections merge by `MERGED`, null removes."""
        child = {key: member for key, member in self.value.items() if key != "extends"}
        inherited = {key: member for key, member in base.value.items() if key not in NOT_INHERITED}
        owners = dict(base._owners)
        owners[()] = self.document
        for key in inherited:
            owners.setdefault((key,), base.owner((key,)))
        self._owners = owners
        self.value = self._merged(inherited, child, MERGED, ())

    def _merged(self, base: JsonObject, child: JsonObject, rules: dict[str, MergeRules], place: Place) -> JsonObject:
        result = dict(base)
        for key, member in child.items():
            here = (*place, key)
            deeper = rules.get(key, rules.get("*"))
            below = base.get(key)
            if member is None:
                result.pop(key, None)
            elif deeper is not None and isinstance(below, dict) and isinstance(member, dict):
                result[key] = self._merged(below, member, deeper, here)
            else:
                result[key] = _without_nulls(member, deeper)
                self._own(here)
        return result

    def _own(self, place: Place) -> None:
        for inner in [other for other in self._owners if other[: len(place)] == place]:
            del self._owners[inner]
        self._owners[place] = self.document

    def add_part(self, name: str, value: Json, document: Document) -> None:
        """Add a part of an included file."""
        parts = self.value.setdefault("parts", {})
        assert isinstance(parts, dict)
        parts[name] = value
        self._owners[("parts", name)] = document


def _without_nulls(member: Json, rules: MergeRules) -> Json:
    """Drop nulls: in a section that merges, null means "remove", even if the base has no such key."""
    if rules is None or not isinstance(member, dict):
        return member
    return {
        key: _without_nulls(inner, rules.get(key, rules.get("*"))) for key, inner in member.items() if inner is not None
    }
