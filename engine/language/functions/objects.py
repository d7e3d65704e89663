"""Objects: get (a path into a value), pairs (an object as a list)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import PathError
from engine.language.functions.arguments import object_from, wrong_kind
from engine.language.functions.model import ANYTHING, LIST, OBJECT, CannotConvert, Example, Function, Parameter
from engine.records import Json


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
)
