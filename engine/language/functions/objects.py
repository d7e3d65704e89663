"""Objects: get (a path into a value), pairs (an object as a list), from_pairs (the other way)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import PathError
from engine.language.functions.arguments import list_from, object_from, wrong_kind
from engine.language.functions.model import ANYTHING, LIST, OBJECT, CannotConvert, Example, Function, Noted, Parameter
from engine.language.texts import kind_of, text_of
from engine.records import Json, JsonObject

OVERWRITTEN = "key-overwritten"


def get(path: str) -> Callable[[Json], Json]:
    search = _searcher(path)

    def got(value: Json) -> Json:
        if not isinstance(value, dict | list):
            raise wrong_kind(value, "an object or a list")
        found = search(value)
        if found is None:
            raise CannotConvert("nothing at this path")
        return found

    return got


def _searcher(path: str) -> Callable[[Json], Json]:
    """Compile `path`; imported here because only `get` needs the jmespath library."""
    from engine.language.paths import PathTypeError, evaluate, parse

    try:
        tree = parse(path).tree
    except PathError as error:
        raise ValueError(f'"path" of get is not a valid path: {error}') from None
    if _has_list(tree):  # loops over lists that are written in a path could be inside each other, for every item
        raise ValueError('"path" of get cannot contain a list or an object as a literal.')

    def search(value: Json) -> Json:
        try:
            return evaluate(tree, value)
        except PathTypeError as error:
            raise CannotConvert(str(error).rstrip(".")) from None

    return search


def _has_list(node: dict[str, Any]) -> bool:
    """Whether a path's tree has a literal list or object."""
    if node["type"] == "literal":
        return isinstance(node["value"], list | dict)
    return any(_has_list(child) for child in node["children"] if isinstance(child, dict))


def pairs(key: str, value: str) -> Callable[[Json], Json]:
    if key == value:
        raise ValueError('"key" and "value" of pairs must be different names.')

    def paired(given: Json) -> Json:
        return [{key: name, value: member} for name, member in object_from(given).items()]

    return paired


def from_pairs(key: str, value: str) -> Callable[[Json], Json | Noted]:
    if key == value:
        raise ValueError('"key" and "value" of from_pairs must be different names.')

    def joined(given: Json) -> Json | Noted:
        result: JsonObject = {}
        twice = ""
        for index, pair in enumerate(list_from(given)):
            name = _name_of(pair, key, index)
            if name is None or value not in pair:  # type: ignore[operator]  # an object, or it would have no name
                continue
            twice = name if name in result else twice
            result[name] = pair[value]  # type: ignore[call-overload, index]
        return Noted(result, OVERWRITTEN, f'two values for "{twice}": the later one is kept') if twice else result

    return joined


def _name_of(pair: Json, key: str, index: int) -> str | None:
    """Return the text of a pair's key; None for a null item, which counts as missing."""
    if pair is None:
        return None
    if not isinstance(pair, dict):
        raise CannotConvert(f"item {index} is {kind_of(pair)}, not an object")
    name = text_of(pair.get(key))
    if not name:
        raise CannotConvert(f'item {index} has no text under "{key}"')
    return name


_TEXT_EXAMPLE = Example("a", parameters={"path": "a"}, reason="text is not an object or a list")

FUNCTIONS = (
    Function(
        name="get",
        group="objects",
        about="The value at a path inside the value, such as a part of another function's result.",
        takes=OBJECT | LIST,
        gives=ANYTHING,
        parameters=(Parameter(name="path", about="A JMESPath over this value alone.", kind="path", at_least=1),),
        examples=(
            Example({"os": {"family": "iOS"}}, "iOS", {"path": "os.family"}),
            Example([{"id": 1}, {"id": 2}], [1, 2], {"path": "[].id"}),
            Example({"a": False}, False, {"path": "a"}),
            Example({"os": {}}, parameters={"path": "os.family"}, reason="nothing at this path"),
            Example(
                {"a": 1},
                parameters={"path": "length(a)"},
                reason="length() takes text or a list or an object, not a number",
            ),
            _TEXT_EXAMPLE,
        ),
        call=get,
        source="https://jmespath.org/specification.html",
    ),
    Function(
        name="pairs",
        group="objects",
        about="A list with one object for each key and its value, in the object's order.",
        takes=OBJECT,
        gives=LIST,
        parameters=(
            Parameter(name="key", about="The name for each key.", default="key", at_least=1),
            Parameter(name="value", about="The name for each value.", default="value", at_least=1),
        ),
        examples=(
            Example({"color": "red", "size": None}, [{"key": "color", "value": "red"}, {"key": "size", "value": None}]),
            Example({"plan": "pro"}, [{"name": "plan", "value": "pro"}], {"key": "name"}),
            Example({}, []),
            Example(["red"], reason="a list is not an object"),
        ),
        growth=4,
        call=pairs,
    ),
    Function(
        name="from_pairs",
        group="objects",
        about="An object made of a list of pairs, as `pairs` makes one. Of equal keys the later wins, and is reported.",
        takes=LIST,
        gives=OBJECT,
        parameters=(
            Parameter(name="key", about="Where each key is.", default="key", at_least=1),
            Parameter(name="value", about="Where each value is.", default="value", at_least=1),
        ),
        examples=(
            Example([{"key": "color", "value": "red"}, {"key": "size", "value": None}], {"color": "red", "size": None}),
            Example([{"name": "plan", "value": "pro"}], {"plan": "pro"}, {"key": "name"}),
            Example([{"key": 1, "value": 2}, None, {"key": "x"}], {"1": 2}),
            Example([{"key": "a", "value": 1}, {"key": "a", "value": 2}], {"a": 2}, note=OVERWRITTEN),
            Example([], {}),
            Example([{"value": 1}], reason='item 0 has no text under "key"'),
            Example(["a"], reason="item 0 is text, not an object"),
            Example({"a": 1}, reason="an object is not a list"),
        ),
        notes=(OVERWRITTEN,),
        growth=2,
        call=from_pairs,
    ),
)
