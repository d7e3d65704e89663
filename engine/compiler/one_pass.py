"""Objects merged, flattened and checked for their keys in one pass: what generated code does where nothing collides.

The words `merge`, `only`, `rename`, `flatten` and `keys` one after the other make a new object each.  Here all members
are put into one object straight away.  How many there should be is counted: where the object holds fewer, or a key is
not allowed, generated code does it word by word instead, which also makes the reports.

Joined keys are looked up in tables, because a key that is joined anew has to be hashed anew.  Keys are much the same
from event to event: the tables learn them from the first event that has them, and begin again when they are full.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from engine.language.budget import LONG
from engine.records import Json, JsonObject

MOST_KEYS = 4096
"""Keys that one value's tables hold."""
LONGEST_KEY = 100
"""Characters of a joined key that is kept in a table."""
MANY_MEMBERS = 300
"""From here on it is faster to look for nested objects first, and to copy an object that has none at once."""


class NotInOnePass(Exception):  # noqa: N818  it says what was found
    """The words have to be done one after the other."""


class Allowed:
    """The keys that a pattern allows (`keys`), and how many keys all tables of a value hold; None allows every key.

    Keys are much the same from event to event: those that are allowed are remembered in `known`, because a look-up
    takes a tenth of the time of a match.
    """

    __slots__ = ("_held", "_pattern", "_roots", "checks", "known")

    def __init__(self, pattern: Any = None) -> None:
        self._pattern = pattern
        self._held = 0
        self._roots: list[Keys] = []
        self.checks = pattern is not None
        self.known: set[str] = set()

    def check(self, key: str) -> None:
        """Raise NotInOnePass for a key that is not allowed."""
        if self.checks and not self._is_found(key):
            raise NotInOnePass

    def admits(self, key: str) -> bool:
        """Whether a key is allowed; it is remembered then."""
        if key in self.known:
            return True
        if not self._is_found(key):
            return False
        if self.has_room(key):
            self.known.add(key)
        return True

    def _is_found(self, key: str) -> bool:
        try:
            return self._pattern.search(key) is not None
        except UnicodeEncodeError:  # half a character
            return False

    def learn(self, value: JsonObject, *, deep: bool) -> None:
        """Check the keys of an object; with `deep` that of a nested object does not stay, and may be any."""
        for key, member in value.items():
            if not self.admits(key) and not (deep and type(member) is dict and member):
                raise NotInOnePass

    def has_room(self, key: str) -> bool:
        """Whether a key may be kept; when all tables are full, they begin again."""
        if len(key) > LONGEST_KEY:
            return False
        self._held += 1
        if self._held > MOST_KEYS:
            self._held = 1
            for root in self._roots:
                root.forget()
            self.known.clear()
        return True

    def add_root(self, keys: Keys) -> None:
        """Add tables that are emptied when all are full."""
        self._roots.append(keys)


class Keys:
    """What the keys of an object become where it is nested: joined with what is before them.

    `names` leads from a key to what it becomes, `inside` to the keys of the object under it.
    """

    __slots__ = ("_allowed", "_before", "_separator", "inside", "names")

    def __init__(self, before: str, separator: str, allowed: Allowed) -> None:
        if len(before) > LONG:
            raise NotInOnePass  # it would have to be counted before many keys
        self._before = before
        self._separator = separator
        self._allowed = allowed
        self.names: dict[str, str] = {}
        self.inside: dict[str, Keys] = {}

    def learn(self, value: JsonObject) -> None:
        """Learn the keys of an object; raises NotInOnePass for one that is not allowed."""
        for key, member in value.items():
            if type(member) is dict and member:
                self._under(key).learn(member)
            elif self._before and key not in self.names:
                joined = self._before + key
                self._allowed.check(joined)
                if self._allowed.has_room(joined):
                    self.names[key] = joined

    def _under(self, key: str) -> Keys:
        keys = self.inside.get(key)
        if keys is None:
            keys = Keys(self._before + key + self._separator, self._separator, self._allowed)
            if self._allowed.has_room(key):
                self.inside[key] = keys
        return keys

    def forget(self) -> None:
        """Begin again."""
        self.names.clear()
        self.inside.clear()


class Whole(Keys):
    """The keys of an object that is put in with all its members."""

    __slots__ = ("allowed",)

    def __init__(self, separator: str, allowed: Allowed) -> None:
        super().__init__("", separator, allowed)
        self.allowed = allowed
        allowed.add_root(self)


class Selection:
    """The members of an object that `only` keeps: what their keys become, and the tables of objects under them.

    Two keys may become the same. Of two objects under them only one stays, so there are no tables for these.
    """

    __slots__ = ("inside", "names")

    def __init__(self, names: frozenset[str], table: Mapping[str, str], separator: str, allowed: Allowed) -> None:
        self.names = {name: table.get(name, name) for name in names}
        become = list(self.names.values())
        self.inside: dict[str, Keys] = {}
        for key, name in self.names.items():
            allowed.check(name)
            if become.count(name) == 1:
                self.inside[key] = Keys(name + separator, separator, allowed)
                allowed.add_root(self.inside[key])

    def learn(self, value: JsonObject) -> None:
        """Learn the keys of the objects that are kept; raises NotInOnePass for one that is not allowed."""
        for key, keys in self.inside.items():
            member = value.get(key)
            if type(member) is dict:
                keys.learn(member)


def put_whole(into: JsonObject, value: Json, keys: Whole, deep: bool, nested: set[str] | None) -> int:
    """Put an object into another, flattened if `deep`, and return how many members there should be.

    `nested`, where several objects are put in, gets the keys of nested objects: each stands for itself in the merged
    object, so none of them may be there twice, or be a key of the result.
    """
    if type(value) is not dict:
        return _nothing(value)
    allowed = keys.allowed
    if allowed.checks and not allowed.known.issuperset(value):
        allowed.learn(value, deep=deep)
    count = len(value)
    if not deep or (count > MANY_MEMBERS and dict not in map(type, value.values())):
        into.update(value)
        return count
    try:
        for key, member in value.items():
            if type(member) is not dict or not member:
                into[key] = member
                continue
            if nested is not None:
                if key in nested:
                    raise NotInOnePass
                nested.add(key)
            table = keys.inside[key]
            names = table.names
            count += len(member) - 1
            for name, inner in member.items():
                if type(inner) is dict and inner:
                    count += _put_nested(into, inner, table.inside[name]) - 1
                else:
                    into[names[name]] = inner
    except KeyError:
        _learn(keys, value)
    return count


def put_chosen(into: JsonObject, value: Json, chosen: Selection) -> int:
    """Put the members that are kept into an object, renamed and flattened; return how many there should be.

    The inner loop stands here and in `put_whole`, to save a function call for each nested object.
    """
    if type(value) is not dict:
        return _nothing(value)
    count = 0
    kept, inside = chosen.names, chosen.inside
    try:
        for key, member in value.items():
            if key not in kept:
                continue
            if type(member) is not dict or not member:
                into[kept[key]] = member
                count += 1
                continue
            table = inside[key]
            names = table.names
            count += len(member)
            for name, inner in member.items():
                if type(inner) is dict and inner:
                    count += _put_nested(into, inner, table.inside[name]) - 1
                else:
                    into[names[name]] = inner
    except KeyError:
        _learn(chosen, value)
    return count


def _put_nested(into: JsonObject, value: JsonObject, keys: Keys) -> int:
    names = keys.names
    count = len(value)
    for key, member in value.items():
        if type(member) is dict and member:
            count += _put_nested(into, member, keys.inside[key]) - 1
        else:
            into[names[key]] = member
    return count


def _learn(keys: Keys | Selection, value: JsonObject) -> NoReturn:
    """Learn the keys of an object that has unknown ones; the next one like it can be done in one pass."""
    keys.learn(value)
    raise NotInOnePass


def _nothing(value: Json) -> int:
    if value is not None:
        raise NotInOnePass
    return 0
