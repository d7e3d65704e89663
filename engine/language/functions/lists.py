"""Lists: what stands in them, which of it, and how it is joined. Null entries count as missing.

Totals (sum, average and the like) are in `totals`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import orjson

from engine.language.functions.arguments import list_from
from engine.language.functions.model import (
    ANYTHING,
    LIST,
    NUMBER,
    TEXT,
    CannotConvert,
    Example,
    Function,
    Parameter,
)
from engine.language.texts import compact_json, kind_of, text_of
from engine.records import Json


def join(by: str) -> Callable[[Json], Json]:
    def joined(value: Json) -> Json:
        entries = enumerate(list_from(value))
        return by.join([_entry_text(entry, index) for index, entry in entries if entry is not None])

    return joined


def _entry_text(entry: Json, index: int) -> str:
    text = entry if type(entry) is str else text_of(entry)
    if text is None:
        raise CannotConvert(f"entry {index} is {kind_of(entry)}, not text")
    return text


def first(value: Json) -> Json:
    for entry in list_from(value):
        if entry is not None:
            return entry
    raise CannotConvert("no entry")


def last(value: Json) -> Json:
    for entry in reversed(list_from(value)):
        if entry is not None:
            return entry
    raise CannotConvert("no entry")


def unique(value: Json) -> Json:
    seen: dict[Hashable, Json] = {}
    for entry in list_from(value):
        seen.setdefault(_identity(entry), entry)
    return list(seen.values())


def _identity(entry: Json) -> Hashable:
    """Return what two equal entries share; true is not 1, but 1.0 is, and the order of keys does not matter."""
    if isinstance(entry, dict | list):
        try:
            return orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            return _json_of(entry).encode()
    return (entry,) if isinstance(entry, bool) else entry


def _json_of(entry: Json) -> str:
    try:
        return compact_json(entry)
    except ValueError as error:
        raise CannotConvert(str(error)) from None


def compact(value: Json) -> Json:
    return [entry for entry in list_from(value) if entry is not None and entry != ""]


def count(value: Json) -> Json:
    return sum(entry is not None for entry in list_from(value))


def to_list(value: Json) -> Json:
    return value if isinstance(value, list) else [value]


def limit(items: int) -> Callable[[Json], Json]:
    def limited(value: Json) -> Json:
        return list_from(value)[:items]

    return limited


_TEXT_IS_NO_LIST = Example("a,b", reason="text is not a list")
_AN_OBJECT = Example({"a": 1}, reason="an object is not a list")

FUNCTIONS = (
    Function(
        name="join",
        group="lists",
        about="The texts of the entries in one text; numbers and booleans count as theirs, null is left out.",
        takes=LIST,
        gives=TEXT,
        parameters=(Parameter(name="by", about="What stands between two entries.", default=","),),
        examples=(
            Example(["red", "green"], "red,green"),
            Example(["a", None, 1, True], "a; 1; true", {"by": "; "}),
            Example([], ""),
            Example(["a", {"b": 1}], reason="entry 1 is an object, not text"),
            Example("a,b", reason="text is not a list"),
        ),
        call=join,
    ),
    Function(
        name="first",
        group="lists",
        about="The first entry that is not null.",
        takes=LIST,
        gives=ANYTHING,
        examples=(
            Example(["a", "b"], "a"),
            Example([None, {"a": 1}], {"a": 1}),
            Example([], reason="no entry"),
            Example([None], reason="no entry"),
            _TEXT_IS_NO_LIST,
        ),
        call=first,
    ),
    Function(
        name="last",
        group="lists",
        about="The last entry that is not null.",
        takes=LIST,
        gives=ANYTHING,
        examples=(
            Example(["a", "b"], "b"),
            Example([0, None], 0),
            Example([], reason="no entry"),
            _AN_OBJECT,
        ),
        call=last,
    ),
    Function(
        name="unique",
        group="lists",
        about="Each entry once, where it came first. Numbers are equal by value; the order of keys does not matter.",
        takes=LIST,
        gives=LIST,
        examples=(
            Example(["b", "a", "b"], ["b", "a"]),
            Example([1, 1.0, "1", True], [1, "1", True]),
            Example([{"a": 1, "b": 2}, {"b": 2, "a": 1}], [{"a": 1, "b": 2}]),
            _TEXT_IS_NO_LIST,
        ),
        call=unique,
    ),
    Function(
        name="compact",
        group="lists",
        about='Without the entries that are null or `""`.',
        takes=LIST,
        gives=LIST,
        examples=(
            Example(["a", "", None, 0, False], ["a", 0, False]),
            Example([None], []),
            _AN_OBJECT,
        ),
        call=compact,
    ),
    Function(
        name="count",
        group="lists",
        about="How many entries there are that are not null.",
        takes=LIST,
        gives=NUMBER,
        examples=(Example(["a", None, "b"], 2), Example([], 0), _TEXT_IS_NO_LIST),
        call=count,
    ),
    Function(
        name="to_list",
        group="lists",
        about="A list with the value in it; a list stays as it is.",
        takes=ANYTHING,
        gives=LIST,
        examples=(
            Example("a", ["a"]),
            Example({"a": 1}, [{"a": 1}]),
            Example(["a"], ["a"]),
        ),
        call=to_list,
    ),
    Function(
        name="limit",
        group="lists",
        about="The first entries, at most so many.",
        takes=LIST,
        gives=LIST,
        parameters=(Parameter(name="items", about="How many entries at most.", kind="integer", at_least=1),),
        examples=(
            Example([1, 2, 3], [1, 2], {"items": 2}),
            Example([1], [1], {"items": 2}),
            Example("abc", parameters={"items": 2}, reason="text is not a list"),
        ),
        call=limit,
    ),
)
