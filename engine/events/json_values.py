"""Check whether a Python value is JSON, and shallow enough to be written again.

`json.dumps` and `orjson.dumps` accept more than JSON (NaN becomes null, a tuple a list, an enum its value), and
orjson writes 254 levels where it reads 1,024; such a value would reach a vendor in a form that the sender did not
choose.  So only the exact types pass.  The quick check goes level by level and answers yes or no; only after a no
does the slow one look for the place.  Both are loops, not recursion, and look at nothing of a value but its type:
it may be nested 60,000 levels deep, contain itself, or raise on any other access.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeGuard, cast

from engine.language.texts import kind_of
from engine.records import LARGEST_INTEGER, SMALLEST_INTEGER, Json, JsonObject

MAX_DEPTH = 100
MAX_CONTAINERS = 100_000
"""Objects and lists in one event. A Python value that holds one list twice at every level grows without end."""

LONGEST_TEXT = 60
LONGEST_PLACE = 80

MOST_PASSES = 16
"""Passes that take pairs of brackets away: each takes two levels at most, and real events have fewer than ten."""

_ALL_BUT_MARKS = bytes(byte for byte in range(256) if byte not in b'{}[]"')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_JSON_TYPES = (str, bool, int, float, list, dict, type(None))


def is_object(value: object) -> TypeGuard[JsonObject]:
    """Whether `value` is a plain dict; a subclass might do anything when accessed."""
    return type(value) is dict


def json_problem(value: JsonObject) -> str | None:
    """Say where and why an object is not entirely JSON; None where it is."""
    return None if _is_plain(value) else _first_problem(value)


def size_problem(value: JsonObject) -> str | None:
    """Say why an object that a JSON parser made is nested too deeply or contains too much; None where it is fine."""
    level: list[Json] = [value]
    containers = 0
    for _ in range(MAX_DEPTH):
        level = [member for container in level for member in _containers_in(container)]
        if not level:
            return None
        containers += len(level)
        if containers > MAX_CONTAINERS:
            break
    return _first_problem(value)


def nesting_problem(value: JsonObject, raw: bytes) -> str | None:
    """Return the `size_problem` of an object that was read from `raw`, mostly without walking through it.

    With at most a hundred opening brackets, counting those in texts, nothing is nested deeper than that: so few are
    counted by what is left without them, which takes half the time of `translate` or `count`.  With more, pairs of
    brackets are taken away level by level: a list of products of 32 KB takes a sixth of the time of the walk.
    """
    few = MAX_DEPTH + 1  # no more are taken away, so that this never takes long
    if len(raw.replace(b"{", b"", few).replace(b"[", b"", few)) >= len(raw) - MAX_DEPTH:
        return None
    return None if _is_shallow(raw) else size_problem(value)


def _is_shallow(raw: bytes) -> bool:
    """Whether the brackets of valid JSON say that it is neither too deep nor too much; False when in doubt."""
    left = _brackets(raw)
    if len(left) > 2 * MAX_CONTAINERS:
        return False
    for _ in range(MOST_PASSES):
        left = left.replace(b"{}", b"").replace(b"[]", b"")
        if not left:
            return True
    return False


def _brackets(raw: bytes) -> bytes:
    """Return the brackets of JSON that are outside of its texts: those with an even number of quotes before them."""
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")  # a quote after these begins or ends a text
    left = raw.translate(None, _ALL_BUT_MARKS).replace(b'""', b"")  # a pair changes nothing between odd and even
    return b"".join(left.split(b'"')[::2]) if b'"' in left else left


def event_place(path: Sequence[object]) -> str:
    """Write a path as people read it: `properties.products[3]["the price"]`, cut when very long."""
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
    """Quote a text so that it can be printed: lone surrogates are escaped, a long text is cut."""
    text = value if type(value) is str else kind_of_any(value)
    text = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."
    return json.dumps(text, ensure_ascii=not _is_text(text))


def kind_of_any(value: object) -> str:
    """Name the kind of any Python value: `a list`, `null`, `a Python datetime`."""
    if any(type(value) is known for known in _JSON_TYPES):  # a type may raise when it is compared or hashed
        return kind_of(cast("Json", value))
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
    """Check the members of one object or list; those that are objects or lists themselves are added to `below`."""
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
    return type(value) is float and value - value == 0  # not 0 for NaN and the infinities


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _first_problem(root: JsonObject) -> str:
    """Walk in the document's order, with one iterator a level, up to the first problem."""
    path: list[object] = []
    walk = [_members(root)]
    containers = 0
    while walk and containers <= MAX_CONTAINERS:
        step = next(walk[-1], None)
        if step is None:
            walk.pop()
            del path[-1:]
            continue
        reason = _key_problem(path, step) or _member_problem([*path, step.key], step.value)
        if reason:
            return reason
        if type(step.value) is dict or type(step.value) is list:
            containers += 1
            path.append(step.key)
            walk.append(_members(step.value))
    return f"an event may contain at most {MAX_CONTAINERS:,} objects and lists; this one contains more"


class _Member(NamedTuple):
    key: object
    value: object
    named: bool  # a key of an object, not an index of a list


def _members(container: object) -> Iterator[_Member]:
    if is_object(container):
        return (_Member(key, member, named=True) for key, member in container.items())
    return (_Member(index, member, named=False) for index, member in enumerate(cast("list[object]", container)))


def _key_problem(path: list[object], step: _Member) -> str | None:
    if not step.named:
        return None
    if type(step.key) is not str:
        return f"a key of {event_place(path) or 'the event'} is not text; it is {kind_of_any(step.key)}"
    if not _is_text(step.key):
        return f"a key of {event_place(path) or 'the event'} contains a lone surrogate: {quoted(step.key)}"
    return None


def _member_problem(path: list[object], member: object) -> str | None:
    what = type(member)
    if what is dict or what is list:
        return f"{event_place(path)} is nested deeper than {MAX_DEPTH} levels" if len(path) >= MAX_DEPTH else None
    if _fits([member], []):
        return None
    if what is str:
        return f"{event_place(path)} contains a lone surrogate"
    if what is int:
        return f"{event_place(path)} is an integer that does not fit in 64 bits"
    if what is float:
        return f"{event_place(path)} is {member}, which JSON cannot represent"
    return f"{event_place(path)} is not JSON; it is {kind_of_any(member)}"
