"""Tell whether a Python value is JSON, and shallow enough to be written again.

`json.dumps` and `orjson.dumps` are more generous than JSON (NaN becomes null, a tuple a list, an enum its
value), and orjson writes 254 levels where it reads 1,024; whatever they bend would reach a vendor in a form
nobody sent.  So only the exact types pass.  The quick look answers yes or no, level by level; only a no pays
for the slow one that knows where.  Both are loops, not recursion, and ask a value nothing but its type: it may
be nested 60,000 deep, contain itself, or raise whatever it is asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeGuard, cast

from engine.records import LARGEST_INTEGER, SMALLEST_INTEGER, Json, JsonObject

MAX_DEPTH = 100
MAX_CONTAINERS = 100_000
"""Objects and lists in one event. A Python value can hold one list twice at every level and have no end."""

LONGEST_TEXT = 60
LONGEST_PLACE = 80

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KINDS: tuple[tuple[type, str], ...] = (
    (str, "a text"),
    (bool, "a boolean"),
    (int, "a number"),
    (float, "a number"),
    (list, "a list"),
    (dict, "an object"),
    (type(None), "null"),
)


def is_object(value: object) -> TypeGuard[JsonObject]:
    """Whether `value` is a plain dict: no subclass, which might do anything when asked."""
    return type(value) is dict


def flaw(value: JsonObject) -> str | None:
    """Say where and why an object is not JSON through and through; None where it is."""
    return None if _is_plain(value) else _first_flaw(value)


def crowding(value: JsonObject) -> str | None:
    """Say why an object that a JSON parser made is nested too deep or holds too much; None where it does not."""
    level: list[Json] = [value]
    containers = 0
    for _ in range(MAX_DEPTH):
        level = [member for container in level for member in _containers_in(container)]
        if not level:
            return None
        containers += len(level)
        if containers > MAX_CONTAINERS:
            break
    return _first_flaw(value)


def place(path: Sequence[object]) -> str:
    """Write keys and indexes as people read them: `properties.products[3]["the price"]`, cut when very long."""
    text = ""
    for step in path:
        if type(step) is int:
            text += f"[{step}]"
        elif type(step) is str and _NAME.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{quoted(step)}]"
        if len(text) > LONGEST_PLACE:
            return text[:LONGEST_PLACE].rstrip(".[") + "..."
    return text


def quoted(value: object) -> str:
    """Write a text between quotes, fit to print: half surrogates escaped, a long one cut."""
    text = value if type(value) is str else kind(value)
    text = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."
    return json.dumps(text, ensure_ascii=not _is_text(text))


def kind(value: object) -> str:
    """Name what a value is, in JSON's words where it is JSON: `a list`, `null`, `a Python datetime`."""
    for known, name in _KINDS:
        if type(value) is known:
            return name
    return f"a Python {type.__dict__['__name__'].__get__(type(value))}"


def _containers_in(container: Json) -> list[Json]:
    members: Iterable[Json] = container.values() if is_object(container) else cast("list[Json]", container)
    return [member for member in members if type(member) is dict or type(member) is list]


def _is_plain(root: JsonObject) -> bool:
    level: list[object] = [root]
    containers = 0
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for container in level:
            if not _fits(container, below):
                return False
        if not below:
            return True
        containers += len(below)
        if containers > MAX_CONTAINERS:
            return False
        level = below
    return False


def _fits(container: object, below: list[object]) -> bool:
    """Look at the members of one object or list; those that are objects or lists themselves go `below`."""
    members = cast("Iterable[object]", container)
    if is_object(container):
        for key in container:
            if type(key) is not str or not (key.isascii() or _is_text(key)):
                return False
        members = container.values()
    for member in members:
        what = type(member)
        if what is str:
            if not (member.isascii() or _is_text(member)):  # type: ignore[attr-defined,arg-type]
                return False
        elif what is dict or what is list:
            below.append(member)
        elif member is not None and what is not bool and not _is_number(member):
            return False
    return True


def _is_number(value: object) -> bool:
    if type(value) is int:
        return SMALLEST_INTEGER <= value <= LARGEST_INTEGER
    return type(value) is float and value - value == 0  # not so for NaN and the infinities


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _first_flaw(root: JsonObject) -> str:
    """Walk in the document's order, holding one iterator a level, until the first thing that is wrong."""
    path: list[object] = []
    walk = [_members(root)]
    containers = 0
    while walk and containers <= MAX_CONTAINERS:
        step = next(walk[-1], None)
        if step is None:
            walk.pop()
            del path[-1:]
            continue
        reason = _flaw_of_key(path, step) or _flaw_of_member([*path, step.key], step.member)
        if reason:
            return reason
        if type(step.member) is dict or type(step.member) is list:
            containers += 1
            path.append(step.key)
            walk.append(_members(step.member))
    return f"an event holds at most {MAX_CONTAINERS:,} objects and lists; this one holds more"


class _Step(NamedTuple):
    key: object
    member: object
    named: bool  # a key of an object, not an index of a list


def _members(container: object) -> Iterator[_Step]:
    if is_object(container):
        return (_Step(key, member, named=True) for key, member in container.items())
    return (_Step(index, member, named=False) for index, member in enumerate(cast("list[object]", container)))


def _flaw_of_key(path: list[object], step: _Step) -> str | None:
    if not step.named:
        return None
    if type(step.key) is not str:
        return f"a key of {place(path) or 'the event'} is not text; it is {kind(step.key)}"
    if not _is_text(step.key):
        return (
            f"a key of {place(path) or 'the event'} holds half a surrogate pair, which is no text: {quoted(step.key)}"
        )
    return None


def _flaw_of_member(path: list[object], member: object) -> str | None:
    what = type(member)
    if what is dict or what is list:
        return f"{place(path)} is nested deeper than {MAX_DEPTH} levels" if len(path) >= MAX_DEPTH else None
    if _fits([member], []):
        return None
    if what is str:
        return f"{place(path)} holds half a surrogate pair, which is no text"
    if what is int:
        return f"{place(path)} is a whole number beyond 64 bits"
    if what is float:
        return f"{place(path)} is {member}, which JSON cannot say"
    return f"{place(path)} is not JSON; it is {kind(member)}"
