"""Lists: selecting, counting and joining their items. Null items count as missing.

Totals (sum, average and the like) are in `totals`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import orjson

from engine.language.functions.arguments import check_length, list_from
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
        items = enumerate(list_from(value))
        texts = [_text_of_item(item, index) for index, item in items if item is not None]
        check_length(len(by) * len(texts) + sum(map(len, texts)))
        return by.join(texts)

    return joined


def _text_of_item(item: Json, index: int) -> str:
    text = item if type(item) is str else text_of(item)
    if text is None:
        raise CannotConvert(f"item {index} is {kind_of(item)}, not text")
    return text


def first(value: Json) -> Json:
    for item in list_from(value):
        if item is not None:
            return item
    raise CannotConvert("no items")


def last(value: Json) -> Json:
    for item in reversed(list_from(value)):
        if item is not None:
            return item
    raise CannotConvert("no items")


def unique(value: Json) -> Json:
    seen: dict[Hashable, Json] = {}
    for item in list_from(value):
        seen.setdefault(_identity(item), item)
    return list(seen.values())


def _identity(item: Json) -> Hashable:
    """Return a key that is the same for equal items: true is not 1, but 1.0 is, and the order of keys is ignored."""
    if isinstance(item, dict | list):
        try:
            return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            return _json_of(item).encode()
    return (item,) if isinstance(item, bool) else item


def _json_of(item: Json) -> str:
    try:
        return compact_json(item)
    except ValueError as error:
        raise CannotConvert(str(error)) from None


def compact(value: Json) -> Json:
    return [item for item in list_from(value) if item is not None and item != ""]


def count(value: Json) -> Json:
    return sum(item is not None for item in list_from(value))


def to_list(value: Json) -> Json:
    return value if isinstance(value, list) else [value]


def limit(items: int) -> Callable[[Json], Json]:
    def limited(value: Json) -> Json:
        return list_from(value)[:items]

    return limited


_TEXT = Example("a,b", reason="text is not a list")
_OBJECT = Example({"a": 1}, reason="an object is not a list")

FUNCTIONS = (
    Function(
        name="join",
        group="lists",
        about="The items joined into one text; numbers and booleans become their text, null items are skipped.",
        takes=LIST,
        gives=TEXT,
        parameters=(Parameter(name="by", about="The text between two items.", default=","),),
        examples=(
            Example(["red", "green"], "red,green"),
            Example(["a", None, 1, True], "a; 1; true", {"by": "; "}),
            Example([], ""),
            Example(["a", {"b": 1}], reason="item 1 is an object, not text"),
            Example("a,b", reason="text is not a list"),
        ),
        call=join,
    ),
    Function(
        name="first",
        group="lists",
        about="The first item that is not null.",
        takes=LIST,
        gives=ANYTHING,
        examples=(
            Example(["a", "b"], "a"),
            Example([None, {"a": 1}], {"a": 1}),
            Example([], reason="no items"),
            Example([None], reason="no items"),
            _TEXT,
        ),
        call=first,
    ),
    Function(
        name="last",
        group="lists",
        about="The last item that is not null.",
        takes=LIST,
        gives=ANYTHING,
        examples=(
            Example(["a", "b"], "b"),
            Example([0, None], 0),
            Example([], reason="no items"),
            _OBJECT,
        ),
        call=last,
    ),
    Function(
        name="unique",
        group="lists",
        about="The list without repeated items. Numbers are compared by value; the order of keys is ignored.",
        takes=LIST,
        gives=LIST,
        examples=(
            Example(["b", "a", "b"], ["b", "a"]),
            Example([1, 1.0, "1", True], [1, "1", True]),
            Example([{"a": 1, "b": 2}, {"b": 2, "a": 1}], [{"a": 1, "b": 2}]),
            _TEXT,
        ),
        call=unique,
    ),
    Function(
        name="compact",
        group="lists",
        about='The list without items that are null or `""`.',
        takes=LIST,
        gives=LIST,
        examples=(
            Example(["a", "", None, 0, False], ["a", 0, False]),
            Example([None], []),
            _OBJECT,
        ),
        call=compact,
    ),
    Function(
        name="count",
        group="lists",
        about="The number of items that are not null.",
        takes=LIST,
        gives=NUMBER,
        examples=(Example(["a", None, "b"], 2), Example([], 0), _TEXT),
        call=count,
    ),
    Function(
        name="to_list",
        group="lists",
        about="A list that contains the value; a list stays as it is.",
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
        about="The first N items of a list.",
        takes=LIST,
        gives=LIST,
        parameters=(Parameter(name="items", about="The maximum number of items.", kind="integer", at_least=1),),
        examples=(
            Example([1, 2, 3], [1, 2], {"items": 2}),
            Example([1], [1], {"items": 2}),
            Example("abc", parameters={"items": 2}, reason="text is not a list"),
        ),
        call=limit,
    ),
)
