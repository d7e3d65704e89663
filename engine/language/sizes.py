"""How large a value is as JSON, told without writing it.

Values may share parts (a loop that puts one object into every item), so what is small in memory can be gigabytes as
text.  Every object and list is looked at once, however often it is there.
"""

from __future__ import annotations

from engine.records import Json, JsonObject

ENDLESS = 2**62
DEEPEST = 300
"""Levels that are looked at; JSON writers refuse deeper ones anyway."""


def json_size(value: Json) -> int:
    """Return at least how many bytes a value has as JSON.

    Every character counts as one byte, and so does every number, true, false and null.
    """
    if type(value) is dict or type(value) is list:
        return _size(value, {}, 0)
    return len(value) + 2 if isinstance(value, str) else 1


def _size(container: JsonObject | list[Json], known: dict[int, int], depth: int) -> int:
    size = known.get(id(container))
    if size is not None:
        return size
    if depth > DEEPEST:
        return ENDLESS
    size = 1 + (len(container) or 1)  # brackets and commas
    if type(container) is dict:
        size += sum(map(len, container)) + 3 * len(container)  # keys, each with quotes and a colon
    for member in container.values() if type(container) is dict else container:
        if type(member) is str:
            size += len(member) + 2
        elif type(member) is dict or type(member) is list:
            size += _size(member, known, depth + 1)
        else:
            size += len(member) + 2 if isinstance(member, str) else 1
    known[id(container)] = size
    return size
