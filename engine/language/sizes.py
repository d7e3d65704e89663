"""How large a value is as JSON, told without writing it: gigabytes are recognized in milliseconds.

Values may share parts (a loop that puts one object into every item), so what is small in memory can be endless as
text.  The walk is a loop that ends as soon as the answer is known.
"""

from __future__ import annotations

from engine.records import Json


def size_up_to(value: Json, limit: int) -> int:
    """Return at least how many bytes a value has as JSON; counting ends beyond `limit`.

    Every character counts as one byte, and so does every number, true, false and null.
    """
    size = 0
    pending: list[Json] = [value]
    while pending and size <= limit:
        each = pending.pop()
        if isinstance(each, str):
            size += len(each) + 2  # quotes
        elif type(each) is dict:
            size += 1 + 4 * len(each) + sum(map(len, each))  # braces and commas; the quotes and colon of each key
            pending.extend(each.values())
        elif type(each) is list:
            size += 1 + len(each)
            pending.extend(each)
        else:
            size += 1
    return size
