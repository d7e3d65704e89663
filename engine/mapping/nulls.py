"""Where the null stands that `nulls: send` sends: the plain paths that a value tries, each as an object and its key.

A null that is said is a key with null in it, so the object is looked at: a path itself cannot tell it from a key that
is not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from engine.events.spec import FIELDS
from engine.mapping import types
from engine.mapping.model import Choice, From, Instruction, Mapping, PathValue, Value

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FIELDS_OF_EVENTS = frozenset().union(*FIELDS.values())
OWN = frozenset({"settings", "saved", "index", "key"})
"""Roots where no null of the event can stand."""


class NullPlace(NamedTuple):
    """A key of the object at a path, where null may stand; without a path, a field of the event."""

    path: str
    key: str


def null_places(mapping: Mapping, value: Instruction) -> list[NullPlace]:
    """Return where a null may stand that `value` tries: behind plain paths, in choices, `from` and parts.

    An alternative with a condition does not count, nor does what is put together from several values.
    """
    found = _of_value(mapping, value.source.value, set()) if isinstance(value.source, From) else ()
    return list(dict.fromkeys(found))


def _of_value(mapping: Mapping, value: Value, seen: set[str]) -> Iterator[NullPlace]:
    if isinstance(value, PathValue):
        yield from _of_path(mapping, types.plain(value.path), seen)
    elif isinstance(value, Choice):
        for alternative in value.alternatives:
            yield from _of_value(mapping, alternative, seen)
    elif isinstance(value.source, From) and value.modifiers.when is None and value.modifiers.unless is None:
        yield from _of_value(mapping, value.source.value, seen)


def _of_path(mapping: Mapping, names: tuple[str, ...], seen: set[str]) -> Iterator[NullPlace]:
    root, *rest = names or ("",)
    if root == "parts" and len(rest) == 1:
        if rest[0] not in mapping.parts:
            yield NullPlace(root, rest[0])  # a misspelled part, which is reported as that
        elif rest[0] not in seen:
            seen.add(rest[0])
            yield from _of_value(mapping, mapping.parts[rest[0]], seen)
    elif len(rest) > (root == "parts") and root not in OWN:
        yield NullPlace(_path(names[:-1]), names[-1])
    elif root in FIELDS_OF_EVENTS:
        yield NullPlace("", root)


def _path(names: tuple[str, ...]) -> str:
    return ".".join(name if NAME.fullmatch(name) else json.dumps(name) for name in names)
